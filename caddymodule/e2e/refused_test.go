package e2e

import (
	"net/http"
	"strings"
	"testing"
)

// The reply to a request whose trigger was refused says so, whatever sends the reply:
// the upstream, a fault in either phase, or an error route.
func TestTriggerRefusedOnEveryReply(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Fault-Refused", "by the upstream")
		_, _ = w.Write([]byte(strings.Repeat("x", 100)))
	})
	site := `fault {
	point edge
	trigger header
	rule respond {
		match path /respond
		respond 551
	}
	rule late {
		match path /late
		phase response
		respond 503
	}
	rule shaped {
		match path /shaped
		phase response
		corrupt 10%
	}
	rule error {
		match path /error
		error 502
	}
}
handle /sorry/* {
	error 500
}
handle {
	` + up.proxy() + `
}
handle_errors {
	respond "sorry"
}`
	const own, further = "bad duration '1': want one such as 250ms or 2s", "by the upstream"
	everywhere(t, config{site: site}, func(t *testing.T, c *client) {
		for target, want := range map[string]struct {
			status int
			rule   string
			told   string
		}{
			"/":        {200, "", own + ", " + further},
			"/respond": {551, "respond", own},
			"/late":    {503, "late", own + ", " + further}, // keeps fields of the upstream
			"/shaped":  {200, "shaped", own + ", " + further},
			"/error":   {502, "error", own},
			"/sorry/x": {500, "", own},
		} {
			r := c.request(t, "GET", target, nil)
			r.Header.Set("X-Fault", "delay 1")
			got := c.do(t, r)
			told, rule := strings.Join(got.Header.Values("X-Fault-Refused"), ", "), got.Header.Get("X-Fault-Injected")
			if got.StatusCode != want.status || told != want.told || rule != want.rule {
				t.Errorf("%s: got %d, rule %q, told %q, want %+v", target, got.StatusCode, rule, told, want)
			}
		}
		if told := c.get(t, "/respond").Header.Values("X-Fault-Refused"); told != nil {
			t.Errorf("nothing was asked for: told %q", told)
		}
	})
}
