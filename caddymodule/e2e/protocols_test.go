package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestProtocols uses each combination of protocols. Requests in an enabled protocol get
// a reply. For the others, the listener wrapper makes no difference: Caddy serves
// HTTP/2 without TLS if only HTTP/2 is enabled.
func TestProtocols(t *testing.T) {
	mixes := map[bool][]string{
		false: {"h1", "h2c", "h1 h2", "h1 h2c", "h2 h2c", "h1 h2 h2c", "h1 h2 h2c h3"},
		true:  {"h1", "h2", "h1 h2", "h1 h3", "h2 h3", "h1 h2 h3", "h1 h2 h2c h3"}, // over TLS
	}
	up := serve(t, echo)
	c := config{site: "fault /f 551\n" + up.proxy()}
	for c.tls = range mixes {
		for _, mix := range mixes[c.tls] {
			c.servers = "protocols " + mix
			t.Run(c.scheme()+", "+mix, func(t *testing.T) {
				c.wrapper = false
				plain := c.answered(t, strings.Fields(mix))
				c.wrapper = true
				if wrapped := c.answered(t, strings.Fields(mix)); !maps.Equal(wrapped, plain) {
					t.Errorf("answered with the wrapper: got %v, want %v as without", wrapped, plain)
				}
			})
		}
	}
}

// answered starts the site and returns the protocols in which it replies. It checks
// that the enabled ones are among them, and that each uses one connection.
func (c config) answered(t *testing.T, enabled []string) map[protocol]bool {
	t.Helper()
	answered := make(map[protocol]bool)
	t.Run(fmt.Sprintf("wrapper %v", c.wrapper), func(t *testing.T) {
		c.port = freePort(t)
		s := start(t, c)
		for _, proto := range []protocol{h1, h2, h3} {
			switch on := slices.Contains(enabled, s.wordOf(proto)); {
			case on:
				s.client(t, proto).wantAnswers(t)
				answered[proto] = true
			case proto != h3:
				client := s.client(t, proto)
				_, err := client.try(client.request(t, "GET", "/", nil))
				answered[proto] = err == nil
			}
		}
	})
	return answered
}

// wordOf returns the name of a protocol in the option `protocols` on this site, or an
// empty string if the option has no such name.
func (s *site) wordOf(proto protocol) string {
	if s.tls {
		return [...]string{h1: "h1", h2: "h2", h3: "h3"}[proto]
	}
	return [...]string{h1: "h1", h2: "h2c", h3: ""}[proto]
}

// wantAnswers checks that the site replies, with and without a fault.
func (c *client) wantAnswers(t *testing.T) {
	t.Helper()
	for range 2 {
		want551(t, c.get(t, "/f"))
		wantReply(t, c.get(t, "/"), 200, "GET /")
	}
	if got := c.dials.get(); got != 1 {
		t.Errorf("%v: connections opened: got %d, want 1", c.proto, got)
	}
}
