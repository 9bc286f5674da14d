package e2e

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

var hintOfRetryAfter = regexp.MustCompile(`:\d+: rule '(\w+)': respond (\S+) sends the catalog's Retry-After: 300, and many clients wait that long; [^"]*?(; the same goes for '[^"]*)?","`)

// A log line at load reports a Retry-After that the configuration does not set, once
// for each rule. A client that triggers a 503 does not cause a line.
func TestHintOfRetryAfter(t *testing.T) {
	up := serve(t, echo)
	c := config{site: `fault {
	point shop
	trigger header
	rule busy {
		match path /busy
		respond 503
	}
	rule soon {
		match path /soon
		respond 503 {
			header Retry-After 1
		}
	}
	rule some {
		match path /some
		choose {
			1 respond sip:503
			1 respond 503 {
				format html
			}
			1 pass
		}
	}
}
` + up.proxy()}
	overEach(t, c, func(t *testing.T, c *client) {
		r := c.request(t, "GET", "/", nil)
		r.Header.Set("X-Fault", "503")
		if got := c.do(t, r); got.StatusCode != 503 {
			t.Errorf("got %d, want 503", got.StatusCode)
		}
		var told []string
		for line := range strings.SplitSeq(c.caddyLog(t), "\n") {
			hint := hintOfRetryAfter.FindStringSubmatch(line)
			if hint == nil {
				continue
			}
			if !strings.Contains(line, `"point":"shop"`) || !strings.Contains(line, `"level":"info"`) {
				t.Errorf("got line %s", line)
			}
			told = append(told, hint[1]+" "+hint[2]+hint[3])
		}
		if want := []string{"busy 503; the same goes for 'some'", "some sip:503"}; !slices.Equal(told, want) {
			t.Errorf("got hints %q, want %q", told, want)
		}
	})
}
