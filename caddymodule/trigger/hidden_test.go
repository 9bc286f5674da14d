package trigger

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func TestCutParam(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]struct {
		rest  string
		pairs []string
	}{
		"":                        {"", nil},
		"a=1&b=2":                 {"a=1&b=2", nil},
		"fault=551":               {"", []string{"fault=551"}},
		"a=1&fault=551&b=%26":     {"a=1&b=%26", []string{"fault=551"}},
		"fault=551&a=1&fault=552": {"a=1", []string{"fault=551", "fault=552"}},
		"fault":                   {"", []string{"fault"}},
		"faults=1&default=2":      {"faults=1&default=2", nil},
		"a=fault=551":             {"a=fault=551", nil},
		"&&fault=1&":              {"&&", []string{"fault=1"}},
		"fau%6ct=551":             {"fau%6ct=551", nil},
	} {
		rest, pairs := cutParam(query, "fault")
		if rest != want.rest || !slices.Equal(pairs, want.pairs) || hasParam(query, "fault") != (len(want.pairs) > 0) {
			t.Errorf("%s: got %q, %q", query, rest, pairs)
		}
	}
}

// A removed parameter is in no URL of the request, and is restored for inner points
// only. Looking for it allocates nothing.
func TestParamTakenOut(t *testing.T) {
	f := newFields()
	for range 2 { // two points
		f.Join([]*Trigger{{hidden: hidden{params: []string{"fault"}}}})
	}
	r := caddyhttp.PrepareRequest(httptest.NewRequest(http.MethodGet, "/x?a=1&fault=551", nil), caddy.NewReplacer(), nil, nil)
	f.Foresee(r, func() {
		if r.URL.RawQuery != "a=1&fault=551" {
			t.Errorf("seen: %s", r.URL.RawQuery)
		}
	})
	original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	for name, query := range map[string]string{"URL": r.URL.RequestURI(), "URI": r.RequestURI, "original": original.URL.RequestURI()} {
		if query != "/x?a=1" {
			t.Errorf("%s: got %s", name, query)
		}
	}
	f.inside.Add(1)
	if !f.Enter(r) || r.URL.RawQuery != "a=1&fault=551" {
		t.Errorf("an inner point sees %s", r.URL.RawQuery)
	}
	attempt := f.Without(r)
	if attempt.URL.RawQuery != "a=1" || r.URL.RawQuery != "a=1&fault=551" {
		t.Errorf("an attempt has %s, and its request %s", attempt.URL.RawQuery, r.URL.RawQuery)
	}
	f.TakeOutAll(r)
	if n := testing.AllocsPerRun(100, func() { f.set.Load().in(r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
