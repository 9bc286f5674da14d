package e2e

import (
	"strings"
	"testing"
)

// Over each protocol, a client sees the quota shrink, and then 429 with the time left.
func TestRateLimit(t *testing.T) {
	up := serve(t, zoo)
	site := "fault {\nper {header.X-Client}\nratelimit 2 1h\n}\n" + up.proxy()
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		for _, user := range []string{"ann", "bob"} {
			for i, page := range []string{"/text", "/chunked", "/text", "/204"} {
				r := c.request(t, "GET", page, nil)
				r.Header.Set("X-Client", user+t.Name())
				got := c.do(t, r)
				left, above := []string{"1", "0", "0", "0"}[i], i > 1
				if want := `"default";r=` + left + ";t=3"; !strings.HasPrefix(got.Header.Get("RateLimit"), want) || got.Header.Get("RateLimit-Policy") != `"default";q=2;w=3600` {
					t.Errorf("%s, request %d: got header %v, want %s…", user, i+1, got.Header, want)
				}
				if (got.StatusCode == 429) != above || (got.Header.Get("Retry-After") != "") != above || (got.Header.Get("X-Fault-Injected") != "") != above {
					t.Errorf("%s, request %d: got %d, header %v", user, i+1, got.StatusCode, got.Header)
				}
			}
		}
		if got := c.dials.get(); got != 1 {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}
