package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestRespondSizes sends a body of a given size, and one of several statuses. The
// connection stays usable.
func TestRespondSizes(t *testing.T) {
	const size = 3_000_000
	site := "fault /size {\nrespond 551 {\nbody_size 3MB\n}\n}\nfault /one {\nseed 1\nrespond 551,552\n}\n"
	names := map[int]string{551: "User Not Local", 552: "Exceeded Storage"}
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		got := c.get(t, "/size")
		if got.StatusCode != 551 || len(got.body) != size || got.Header.Get("Content-Length") != fmt.Sprint(size) {
			t.Errorf("got %d, %d bytes, header %v", got.StatusCode, len(got.body), got.Header)
		}
		if got := c.do(t, c.request(t, "HEAD", "/size", nil)); got.Header.Get("Content-Length") != fmt.Sprint(size) {
			t.Errorf("HEAD: got header %v", got.Header)
		}
		seen := make(map[int]bool)
		for range 40 {
			got := c.get(t, "/one")
			seen[got.StatusCode] = true
			name := names[got.StatusCode]
			if !strings.Contains(got.body, name) || c.proto == h1 && c.wrapper && got.Status != fmt.Sprintf("%d %s", got.StatusCode, name) {
				t.Errorf("got %s with %s", got.Status, got.body)
			}
		}
		if len(seen) != 2 {
			t.Errorf("got the statuses %v, want 551 and 552", seen)
		}
		if got := c.dials.get(); got != 1 && (c.wrapper || c.proto != h1) {
			t.Errorf("connections opened: got %d, want 1", got)
		}
	})
}
