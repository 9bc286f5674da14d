package console

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddytls"

	"github.com/caddyfault/caddyfault/caddymodule/routes"
)

func TestBeyondMachine(t *testing.T) {
	for listen, want := range map[string]bool{
		":8080": true, "0.0.0.0:8080": true, "[::]:8080": true, "192.0.2.1:8080": true, "example.com:8080": true,
		"127.0.0.1:8080": false, "127.1.2.3:8080": false, "[::1]:8080": false, "localhost:8080": false,
		"unix//run/console.sock": false, "tcp4/127.0.0.1:8080": false, "udp/:443": true,
	} {
		if got := beyondMachine(listen); got != want {
			t.Errorf("%s: got %v, want %v", listen, got, want)
		}
	}
}

// One way that is open to every client is enough. Whatever may exclude a client counts
// as if it did.
func TestMisplaced(t *testing.T) {
	to := func(change func(*routes.Approach)) routes.Approach {
		way := routes.Approach{Place: routes.Place{Listen: []string{":8080"}}}
		change(&way)
		return way
	}
	before := func(h caddyhttp.MiddlewareHandler) routes.Approach {
		return to(func(way *routes.Approach) { way.Before = []caddyhttp.MiddlewareHandler{h} })
	}
	matching := func(m caddyhttp.RequestMatcherWithError) []caddyhttp.MatcherSets {
		return []caddyhttp.MatcherSets{{caddyhttp.MatcherSet{m}}}
	}
	open := to(func(*routes.Approach) {})
	tests := []struct {
		name   string
		way    routes.Approach
		public bool
	}{
		{"open", open, true},
		{"loopback", to(func(way *routes.Approach) { way.Listen = []string{"127.0.0.1:8080", "[::1]:8080"} }), false},
		{"never reached", to(func(way *routes.Approach) { way.Ended = "static_response" }), false},
		{"authentication", before(new(caddyauth.Authentication)), false},
		{"forward_auth", before(new(reverseproxy.Handler)), false},
		{"another handler of Caddy", before(new(caddyhttp.VarsMiddleware)), true},
		{"another console", before(new(Console)), true},
		{"another module", before(&struct{ caddyhttp.MiddlewareHandler }{}), false},
		{"path", to(func(way *routes.Approach) { way.All = matching(new(caddyhttp.MatchPath)) }), true},
		{"host", to(func(way *routes.Approach) { way.All = matching(new(caddyhttp.MatchHost)) }), true},
		{"remote_ip", to(func(way *routes.Approach) { way.All = matching(new(caddyhttp.MatchRemoteIP)) }), false},
		{"others excluded", to(func(way *routes.Approach) { way.Sorted = matching(new(caddyhttp.MatchNot)) }), false},
		{"other paths excluded", to(func(way *routes.Approach) { way.Sorted = matching(new(caddyhttp.MatchPath)) }), true},
	}
	for _, tt := range tests {
		for _, ways := range [][]routes.Approach{{tt.way}, {to(func(way *routes.Approach) { way.Ended = "error" }), tt.way}} {
			source, text := (&Console{Insecure: true, Source: "Caddyfile:7"}).Misplaced(ways)
			if (text != "") != tt.public || tt.public && (source != "Caddyfile:7" || !strings.Contains(text, "every client that reaches :8080 can break")) {
				t.Errorf("%s: got %q %q, want a warning: %v", tt.name, source, text, tt.public)
			}
			if _, text := new(Console).Misplaced(ways); text != "" {
				t.Errorf("%s: got %q for a console that refuses strangers", tt.name, text)
			}
		}
	}
	certificates := &Console{Insecure: true, srv: &caddyhttp.Server{TLSConnPolicies: caddytls.ConnectionPolicies{
		{}, {ClientAuthentication: new(caddytls.ClientAuthentication)},
	}}}
	if _, text := certificates.Misplaced([]routes.Approach{open}); text != "" {
		t.Errorf("got %q for a server that asks for certificates", text)
	}
}
