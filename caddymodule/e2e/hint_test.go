package e2e

import (
	"slices"
	"strings"
	"testing"
)

// A log line at load tells of a Retry-After that nobody has written, once for each
// rule. A stranger who asks for a 503 makes no line.
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
			_, hint, ok := strings.Cut(line, `"msg":"respond `)
			if !ok {
				continue
			}
			what, rest, _ := strings.Cut(hint, " ")
			if !strings.HasPrefix(rest, "sends the catalogue's Retry-After: 300, and many clients wait that long; ") || !strings.Contains(rest, `"point":"shop"`) || !strings.Contains(line, `"level":"info"`) {
				t.Errorf("got line %s", line)
			}
			_, rule, _ := strings.Cut(rest, `"rule":"`)
			rule, _, _ = strings.Cut(rule, `"`)
			told = append(told, rule+" "+what)
		}
		if want := []string{"busy 503", "some sip:503", "some 503"}; !slices.Equal(told, want) {
			t.Errorf("told of %q, want %q", told, want)
		}
	})
}
