package console

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// consoleRequest returns a request that a console accepts: from its own page, on this
// machine.
func consoleRequest(method, target, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host, r.RemoteAddr = "127.0.0.1:8082", "127.0.0.1:50000"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Content-Type", "application/json")
	ctx := context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8082}))
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, caddy.NewReplacer())
	return r.WithContext(ctx)
}

// from returns the request as if it had arrived over these addresses.
func from(r *http.Request, local, remote string) *http.Request {
	addr := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local))
	r.RemoteAddr = remote
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(addr)))
}

func serveConsole(t *testing.T, c *Console, r *http.Request) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	if err := c.ServeHTTP(w, r, nil); err != nil {
		failed, ok := errors.AsType[caddyhttp.HandlerError](err)
		if !ok {
			t.Fatal(err)
		}
		w.Code = failed.StatusCode
	}
	return w.Result()
}

func TestConsoleWho(t *testing.T) {
	const elsewhere, here = "192.0.2.7:50000", "127.0.0.1:50000"
	tests := []struct {
		name   string
		change func(*http.Request) *http.Request
		want   int
	}{
		{"this machine", func(r *http.Request) *http.Request { return r }, 200},
		{"this machine, IPv6", func(r *http.Request) *http.Request {
			r.Host = "[::1]:8082"
			return from(r, "[::1]:8082", "[::1]:50000")
		}, 200},
		{"this machine, by name", func(r *http.Request) *http.Request { r.Host = "localhost:8082"; return r }, 200},
		{"another machine", func(r *http.Request) *http.Request { return from(r, "192.0.2.1:8082", elsewhere) }, 403},
		{"another machine that claims to be this one", func(r *http.Request) *http.Request { return from(r, here, elsewhere) }, 403},
		{"this machine over its outer address", func(r *http.Request) *http.Request { return from(r, "192.0.2.1:8082", here) }, 403},
		{"a name that resolves to this machine", func(r *http.Request) *http.Request { r.Host = "evil.test:8082"; return r }, 403},
		{"no host", func(r *http.Request) *http.Request { r.Host = ""; return r }, 403},
		{"a proxy on this machine", func(r *http.Request) *http.Request { r.Header.Set("X-Forwarded-For", "192.0.2.7"); return r }, 403},
		{"an authenticated user", func(r *http.Request) *http.Request {
			r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Set("http.auth.user.id", "ada")
			return from(r, "192.0.2.1:8082", elsewhere)
		}, 200},
		{"a header field that names a user", func(r *http.Request) *http.Request {
			r.Header.Set("Http.auth.user.id", "ada")
			return from(r, "192.0.2.1:8082", elsewhere)
		}, 403},
		{"a verified certificate", func(r *http.Request) *http.Request {
			r.TLS = &tls.ConnectionState{VerifiedChains: [][]*x509.Certificate{{}}}
			return from(r, "192.0.2.1:8082", elsewhere)
		}, 200},
		{"an unverified certificate", func(r *http.Request) *http.Request {
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{}}}
			return from(r, "192.0.2.1:8082", elsewhere)
		}, 403},
	}
	for _, tt := range tests {
		for _, path := range []string{"/", "/app.js", "/fault/"} {
			got := serveConsole(t, &Console{api: api.New(control.New(), nil)}, tt.change(consoleRequest("GET", path, "")))
			if got.StatusCode != tt.want {
				t.Errorf("%s: %s: got %d, want %d", tt.name, path, got.StatusCode, tt.want)
			}
		}
		insecure := serveConsole(t, &Console{Insecure: true, api: api.New(control.New(), nil)}, tt.change(consoleRequest("GET", "/", "")))
		if insecure.StatusCode != 200 {
			t.Errorf("%s: insecure: got %d, want 200", tt.name, insecure.StatusCode)
		}
	}
}

// Only its own page can turn the switch, even if the console is insecure.
func TestConsoleChangesNeedProof(t *testing.T) {
	tests := []struct {
		name   string
		header http.Header
		want   int
	}{
		{"the page", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Content-Type": {"application/json"}}, 200},
		{"an older browser's page", http.Header{"Origin": {"https://127.0.0.1:8082"}, "Content-Type": {"application/json; charset=utf-8"}}, 200},
		{"nothing", http.Header{"Content-Type": {"application/json"}}, 403},
		{"another site", http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://127.0.0.1:8082"}, "Content-Type": {"application/json"}}, 403},
		{"another port", http.Header{"Sec-Fetch-Site": {"same-site"}, "Content-Type": {"application/json"}}, 403},
		{"another origin", http.Header{"Origin": {"https://evil.test"}, "Content-Type": {"application/json"}}, 403},
		{"no origin", http.Header{"Origin": {"null"}, "Content-Type": {"application/json"}}, 403},
		{"a form", http.Header{"Sec-Fetch-Site": {"same-origin"}, "Content-Type": {"text/plain"}}, 415},
		{"no type", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 415},
	}
	for _, tt := range tests {
		for _, insecure := range []bool{false, true} {
			r := consoleRequest("POST", "/fault/explain", `{"url": "/"}`)
			r.Header = tt.header
			got := serveConsole(t, &Console{Insecure: insecure, api: api.New(control.New(), nil)}, r)
			if got.StatusCode != tt.want {
				t.Errorf("%s, insecure %t: got %d, want %d", tt.name, insecure, got.StatusCode, tt.want)
			}
		}
	}
}

// Another site may link to the page, but cannot read anything.
func TestConsoleReadByAnotherSite(t *testing.T) {
	for mode, want := range map[string]int{"navigate": 200, "cors": 403, "no-cors": 403} {
		r := consoleRequest("GET", "/fault/", "")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Sec-Fetch-Mode", mode)
		if got := serveConsole(t, &Console{api: api.New(control.New(), nil)}, r); got.StatusCode != want {
			t.Errorf("%s: got %d, want %d", mode, got.StatusCode, want)
		}
	}
}

func TestConsolePaths(t *testing.T) {
	tests := []struct {
		method, path string
		status       int
		contentType  string
		location     string
	}{
		{"GET", "/", 200, "text/html; charset=utf-8", ""},
		{"HEAD", "/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/deep/inside/", 200, "text/html; charset=utf-8", ""},
		{"GET", "/console", 308, "", "./console/"},
		{"GET", "/javascript:alert(1)", 308, "", "./javascript:alert%281%29/"},
		{"GET", "/console/style.css", 200, "text/css; charset=utf-8", ""},
		{"GET", "/console/app.js", 200, "text/javascript; charset=utf-8", ""},
		{"GET", "/console/nothing.js", 404, "", ""},
		{"GET", "/console/test/console.mjs", 404, "", ""},
		{"POST", "/", 405, "", ""},
		{"GET", "/fault/", 200, "application/json", ""},
		{"GET", "/console/fault/", 200, "application/json", ""},
		{"GET", "/console/fault/experiments", 200, "application/json", ""},
		{"GET", "/console/fault/experiments/app.js", 404, "application/json", ""}, // the name of an experiment
		{"GET", "/console/fault/codes/551", 200, "application/json", ""},
		{"GET", "/console/fault/nothing", 404, "application/json", ""},
	}
	for _, tt := range tests {
		got := serveConsole(t, &Console{api: api.New(control.New(), nil)}, consoleRequest(tt.method, tt.path, ""))
		if got.StatusCode != tt.status || tt.contentType != "" && got.Header.Get("Content-Type") != tt.contentType || got.Header.Get("Location") != tt.location {
			t.Errorf("%s %s: got %d, type %q, location %q, want %d, %q, %q", tt.method, tt.path,
				got.StatusCode, got.Header.Get("Content-Type"), got.Header.Get("Location"), tt.status, tt.contentType, tt.location)
		}
		if policy := got.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: got the policy %q", tt.path, policy)
		}
	}
}

// A console gets no more events per second than a person can read.
func TestConsoleFeedRate(t *testing.T) {
	for query, want := range map[string]string{
		"": "100", "rate=7": "7", "rate=": "100", "rate=1000000": "100", "rate=99999999999999999999": "100", "rate=0": "0", "rule=r&rate=101": "100",
	} {
		got := apiRequest(httptest.NewRequest("GET", "/console/fault/journal?"+query, nil), "journal").URL.Query()
		if got.Get("rate") != want || len(got["rate"]) != 1 {
			t.Errorf("%s: got the rate %q, want %s", query, got["rate"], want)
		}
	}
}
