package control

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// asReceived changes only a request that a directive has changed, and only its method and
// URL.
func TestAsReceived(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*http.Request)
		copied bool
	}{
		"unchanged": {func(*http.Request) {}, false},
		"header":    {func(r *http.Request) { r.Header.Set("X-A", "1") }, false},
		"host":      {func(r *http.Request) { r.Host = "other.test"; r.URL.Host = "10.0.0.1"; r.URL.Scheme = "http" }, false},
		"method":    {func(r *http.Request) { r.Method = "POST" }, true},
		"path":      {func(r *http.Request) { r.URL.Path = "/" }, true},
		"raw path":  {func(r *http.Request) { r.URL.RawPath = "/a%2Fb" }, true},
		"query":     {func(r *http.Request) { r.URL.RawQuery = "b=2" }, true},
	} {
		r := caddyhttp.PrepareRequest(httptest.NewRequest("GET", "/a/b?a=1", nil), caddy.NewReplacer(), httptest.NewRecorder(), nil)
		tt.change(r)
		method, target := r.Method, *r.URL
		got := asReceived(r)
		if (got != r) != tt.copied {
			t.Errorf("%s: copied is %v, want %v", name, got != r, tt.copied)
		}
		if got.Method != "GET" || got.URL.Path != "/a/b" || got.URL.RawPath != "" || got.URL.RawQuery != "a=1" || got.RequestURI != "/a/b?a=1" {
			t.Errorf("%s: got %s %s and %s", name, got.Method, got.URL, got.RequestURI)
		}
		if r.Method != method || *r.URL != target || got.Host != r.Host {
			t.Errorf("%s: the request is now %s %s of %s", name, r.Method, r.URL, r.Host)
		}
	}
	plain := httptest.NewRequest("GET", "/", nil)
	if asReceived(plain) != plain {
		t.Error("a request without an original is copied")
	}
}

// The JSON of exempt is checked like that of rules.
func TestExemptRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"exempt": [{}]}`:                         "exempt: an empty set would exempt every request; remove it, or write halted",
		`{"exempt": [{"path": ["healthz"]}]}`:      "exempt: bad path 'healthz': every path begins with '/'; write path /healthz",
		`{"exempt": [{"method": ["G T"]}]}`:        "exempt: bad method 'G T'",
		`{"exempt": [{"not": [{"path": ["x"]}]}]}`: "exempt: bad path 'x'",
	} {
		app := new(App)
		if err := app.UnmarshalJSON([]byte(config)); err != nil {
			t.Fatal(err)
		}
		if err := app.Validate(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", config, err, want)
		}
	}
}

// A matcher that fails does not exempt a request.
func TestExemptFails(t *testing.T) {
	app := &App{exempt: caddyhttp.MatcherSets{{failing{}}}}
	r := httptest.NewRequest("GET", "/", nil)
	if app.Exempts(r) {
		t.Error("the request is exempt")
	}
	app.exempt = append(app.exempt, caddyhttp.MatcherSet{})
	if !app.Exempts(r) {
		t.Error("the request is not exempt by the second set")
	}
}

// failing is a matcher that matches and fails.
type failing struct{}

func (failing) MatchWithError(*http.Request) (bool, error) { return true, http.ErrBodyNotAllowed }
