package rules

import (
	"context"
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// matcherRequests are requests of many kinds.
func matcherRequests() (all []*http.Request) {
	for _, target := range []string{
		"http://example.com/api/orders", "http://example.com:8080/", "http://example.com/a?q=1", "http://[::1]/",
		"http://[::1]:8080/health", "http://www.example.com/index.php",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, "PURGE"} {
			for _, encrypted := range []bool{false, true} {
				r := request(target, "X-User", "7")
				r.Method = method
				if encrypted {
					r.TLS = new(tls.ConnectionState)
				}
				all = append(all, r)
			}
		}
	}
	return all
}

// Refused matchers match no request, or do not mean what they seem to mean. Other
// matchers match some requests.
func TestCheckMatchers(t *testing.T) {
	tests := []struct {
		matchers, err string
		matches       bool
	}{
		{`{"path": ["/api/*"]}`, "", true},
		{`{"path": ["*.php"]}`, "", true},
		{`{"path": ["*"]}`, "", true},
		{`{"path": ["{http.request.uri.path}"]}`, "", true},
		{`{"path": ["api/*"]}`, "bad path 'api/*': every path begins with '/'; write path /api/*", false},
		{`{"path": [""]}`, "bad path '': every path begins with '/'; write path /", false},
		{`{"path": ["https://example.com/a"]}`, "write path /a", false},
		{`{"path": ["https://example.com"]}`, "write path /", false},
		{`{"path": ["/a?q=1"]}`, "bad path '/a?q=1': a path has no query; write path /a, and on another line of the block query q=1", false},
		{`{"path": ["/a?"]}`, "", false}, // a glob
		{`{"path": ["/api/orders,", "/b"]}`, "'/api/orders,' ends in a comma", false},
		{`{"host": ["EXAMPLE.com"]}`, "", true},
		{`{"host": ["*.example.com"]}`, "", true},
		{`{"host": ["::1"]}`, "", true},
		{`{"host": ["{http.request.host}"]}`, "", true},
		{`{"host": ["[::1]"]}`, "write host ::1", false},
		{`{"host": ["[::1]:8080"]}`, "write host ::1", false},
		{`{"host": ["example.com:8080"]}`, "write host example.com", false},
		{`{"host": ["http://example.com:8080/a"]}`, "write host example.com", false},
		{`{"host": [":8080"]}`, "write host example.com", false},
		{`{"host": ["/api"]}`, "bad host '/api': it is a path; write path /api", false},
		{`{"method": ["get"]}`, "", true},
		{`{"method": ["PURGE"]}`, "", true},
		{`{"method": ["/a"]}`, "bad method '/a'", false},
		{`{"method": ["GET,", "HEAD"]}`, "'GET,' ends in a comma", false},
		{`{"header": {"x-user": ["7"]}}`, "", true},
		{`{"header": {"X-Other": null}}`, "", true},
		{`{"header": {"X-User:": ["7"]}}`, "bad field 'X-User:' of header", false},
		{`{"header_regexp": {"X-User:": {"pattern": "7"}}}`, "bad field 'X-User:' of header_regexp", false},
		{`{"protocol": "https"}`, "", true},
		{`{"protocol": "http/1.1+"}`, "", true},
		{`{"protocol": "HTTPS"}`, "bad protocol 'HTTPS': want one of http, https", false},
		{`{"query": {"q": ["*"]}}`, "", true},
		{`{"query": {"?q": ["1"]}}`, "bad parameter '?q' of query: omit the '?' or '&'; write query q=1", false},
		{`{"path_regexp": {"pattern": "^/api/.*"}}`, "", true},
		{`{"path_regexp": {"pattern": "^/other/*"}}`, "write path /other/*", false},
		{`{"path_regexp": {"pattern": "/index/*"}}`, "it is a path pattern", true}, // /index.php
		{`{"not": [{"path": ["/other"]}]}`, "", true},
		{`{"not": [{"method": ["GET"]}, {"path": ["health"]}]}`, "write path /health", true}, // all methods except GET
		{`{"expression": "path('api')"}`, "", false},
	}
	for _, tt := range tests {
		var set caddy.ModuleMap
		if err := caddy.StrictUnmarshalJSON([]byte(tt.matchers), &set); err != nil {
			t.Fatal(err)
		}
		err := CheckMatchers(set)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got error %v, want %q", tt.matchers, err, tt.err)
		}
		p := mustLoad(t, `{"match": [`+tt.matchers+`]}`)
		matches := false
		for _, r := range matcherRequests() {
			matches = p.Matches(r) || matches
		}
		if matches != tt.matches {
			t.Errorf("%s: matches: %v, want %v", tt.matchers, matches, tt.matches)
		}
	}
}

// The list of protocols is complete: Caddy knows no other, and each matches some
// request.
func TestProtocols(t *testing.T) {
	for _, protocol := range protocols {
		matches := false
		for major := 1; major <= 3; major++ {
			for minor := range 2 {
				for _, state := range []*tls.ConnectionState{nil, {}} {
					r := request("/", "Content-Type", "application/grpc")
					r.ProtoMajor, r.ProtoMinor, r.TLS = major, minor, state
					ok, err := caddyhttp.MatchProtocol(protocol).MatchWithError(r)
					matches = matches || ok && err == nil
				}
			}
		}
		if !matches {
			t.Errorf("%s matches nothing", protocol)
		}
	}
}

// Caddy refuses invalid JSON and explains why.
func TestCheckMatchersUnreadable(t *testing.T) {
	for _, name := range []string{"path", "host", "method", "header", "header_regexp", "query", "path_regexp", "not"} {
		if err := CheckMatchers(caddy.ModuleMap{name: []byte(`7`)}); err != nil {
			t.Errorf("%s: got error %v, want none", name, err)
		}
	}
}

// A guest is refused where a point only logs a warning, because people who add a guest
// do not see the log.
func TestGuestThatMatchesNothing(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	for config, want := range map[string]string{
		`{"name": "a", "match": [{"path": ["api"]}], ` + closing + `}`:               "match: bad path 'api'",
		`{"name": "a", "match": [{"path": ["/api"]}], ` + closing + `}`:              "",
		`{"name": "a", "per": "user", ` + closing + `}`:                              "bad per 'user'",
		`{"name": "a", "per": "{http.request.method}", "times": 1, ` + closing + `}`: "",
	} {
		rule := new(Rule)
		if err := caddy.StrictUnmarshalJSON([]byte(config), rule); err != nil {
			t.Fatal(err)
		}
		err := LoadGuest(ctx, rule, Draws{})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", config, err, want)
		}
	}
}
