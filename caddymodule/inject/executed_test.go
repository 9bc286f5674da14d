package inject

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/templates"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// The search covers every place where a server has routes.
func TestFindExecutedTypes(t *testing.T) {
	routes := func(handler caddyhttp.MiddlewareHandler) caddyhttp.RouteList {
		return caddyhttp.RouteList{{Handlers: []caddyhttp.MiddlewareHandler{handler}}}
	}
	one := func(name string) caddyhttp.RouteList { return routes(&templates.Templates{MIMETypes: []string{name}}) }
	response := func(name string) []caddyhttp.ResponseHandler {
		return []caddyhttp.ResponseHandler{{Routes: one(name)}}
	}
	srv := &caddyhttp.Server{
		Routes: slices.Concat(one("route"),
			routes(&caddyhttp.Subroute{Routes: routes(&caddyhttp.Subroute{Routes: one("inner")}), Errors: &caddyhttp.HTTPErrorConfig{Routes: one("inner error")}}),
			routes(&intercept.Intercept{HandleResponse: response("intercept")}),
			routes(&reverseproxy.Handler{HandleResponse: response("proxy")})),
		Errors:      &caddyhttp.HTTPErrorConfig{Routes: one("error")},
		NamedRoutes: map[string]*caddyhttp.Route{"x": {Handlers: routes(&templates.Templates{MIMETypes: []string{"named"}})[0].Handlers}},
	}
	got := findExecutedTypes(srv)
	slices.Sort(got)
	if want := (executedTypes{"error", "inner", "inner error", "intercept", "named", "proxy", "route"}); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := findExecutedTypes(nil); got != nil {
		t.Errorf("without a server: got %q", got)
	}
}

func TestKeepFrom(t *testing.T) {
	for _, tt := range []struct {
		types       executedTypes
		contentType string
		body        bool
	}{
		{nil, "text/html; charset=utf-8", true},
		{executedTypes{"text/html"}, "TEXT/HTML; charset=utf-8", true},
		{executedTypes{"text/plain"}, "text/html; charset=utf-8", true},
		{executedTypes{"html", "utf-8"}, "text/html; charset=utf-8", false},
		{executedTypes{""}, "text/html; charset=utf-8", false},
	} {
		resp := &http.Response{
			Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}, "Content-Length": {"4"}}, ContentLength: 4,
			Body: http.MaxBytesReader(nil, http.NoBody, 4),
		}
		tt.types.keepFrom(new(http.Request), resp)
		if got := resp.Header.Get("Content-Type"); got != tt.contentType {
			t.Errorf("%q: got type %q, want %q", tt.types, got, tt.contentType)
		}
		if kept := resp.Body != http.NoBody; kept != tt.body || kept != (resp.ContentLength == 4) || kept != (resp.Header.Get("Content-Length") == "4") {
			t.Errorf("%q: body kept %v, length %d, header %v, want kept %v", tt.types, kept, resp.ContentLength, resp.Header, tt.body)
		}
		_ = resp.Body.Close()
	}
}

// An active health check can come while the routes of its server are still provisioned.
// Nothing executes its reply, so it must not look for templates.
func TestHealthCheckFindsNoTemplates(t *testing.T) {
	tr := loadTransport(t, `{"point": "early", "rules": [{"health_checks": true, "faults": [{"fault": "respond", "status_code": 503}]}]}`)
	searches := 0
	tr.executed = func() executedTypes {
		searches++
		return nil
	}
	if resp, _ := roundTrip(t, tr, testkit.HealthCheck("/health")); resp.StatusCode != http.StatusServiceUnavailable || searches != 0 {
		t.Errorf("health check: got %d after %d searches, want 503 after none", resp.StatusCode, searches)
	}
	if resp, _ := roundTrip(t, tr, testkit.Request(http.MethodGet, "/", nil)); resp.StatusCode != http.StatusServiceUnavailable || searches != 1 {
		t.Errorf("a client's request: got %d after %d searches, want 503 after one", resp.StatusCode, searches)
	}
}
