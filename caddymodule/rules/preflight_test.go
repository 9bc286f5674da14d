package rules

import (
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// preflight returns a request that asks whether a page may send a POST to a path.
func preflight(path string) *http.Request {
	r := request(path)
	r.Method = http.MethodOptions
	r.Header.Set("Origin", "https://app.example.com")
	r.Header.Set("Access-Control-Request-Method", "POST")
	return r
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*http.Request)
		want   bool
	}{
		"preflight":         {func(*http.Request) {}, true},
		"another method":    {func(r *http.Request) { r.Method = http.MethodPost }, false},
		"no origin":         {func(r *http.Request) { r.Header.Del("Origin") }, false},
		"no method to come": {func(r *http.Request) { r.Header.Del("Access-Control-Request-Method") }, false},
	} {
		r := preflight("/")
		tt.change(r)
		if got := Preflight(r); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// A preflight passes and counts nowhere, except for rules that match on the method
// OPTIONS, and at points that do. Deciding and explaining agree.
func TestPreflightsPass(t *testing.T) {
	const own, options = `{"name": "own", ` + closing + `}`, `{"name": "options", "match": [{"path": ["/x"]}, {"method": ["GET", "OPTIONS"]}], ` + closing + `}`
	const expression = `{"name": "expression", "match": [{"expression": "method('OPTIONS')"}], ` + closing + `}`
	const notThem = `{"name": "not", "match": [{"not": [{"method": ["OPTIONS"]}]}], ` + closing + `}`
	tests := []struct {
		name, config string
		guests       []string
		want         string
		explained    string
	}{
		{"no matcher", `{"rules": [` + own + `]}`, nil, "", "own preflight"},
		{"path", `{"rules": [{"match": [{"path": ["/*"]}], ` + closing + `}]}`, nil, "", "rule1 preflight"},
		{"another path", `{"rules": [{"match": [{"path": ["/x"]}], ` + closing + `}]}`, nil, "", "rule1 match"},
		{"not OPTIONS", `{"rules": [` + notThem + `]}`, nil, "", "not match"},
		{"method", `{"rules": [` + own + `, ` + options + `]}`, nil, "options", "own preflight; options fires"},
		{"expression", `{"rules": [` + expression + `]}`, nil, "expression", "expression fires"},
		{"point", `{"match": [{"method": ["POST", "OPTIONS"]}], "rules": [` + own + `]}`, nil, "own", "own fires"},
		{"guest", `{"rules": [` + own + `]}`, []string{`{"name": "guest", ` + closing + `}`}, "", "*guest preflight; own preflight"},
		{"guest for them", `{"rules": [` + own + `]}`, []string{options}, "options", "*options fires; own preflight"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, tt.config)
			passed := passes(p)
			came := new(atomic.Uint64)
			var loaded []*Rule
			for _, config := range tt.guests {
				loaded = append(loaded, guestRule(t, config))
			}
			guests := NewGuests(loaded, func(*Rule) bool { return false }, came)
			if got := verdicts(t, p, guests, preflight("/")); got != tt.explained {
				t.Errorf("explained: got %q, want %q", got, tt.explained)
			}
			if got := winner(t, p, guests, preflight("/"), 200); got != tt.want {
				t.Errorf("got rule %q, want %q", got, tt.want)
			}
			if len(passed) > 0 {
				t.Errorf("counted as passed: %v", passed)
			}
			for _, guest := range loaded {
				if matched, unasked := guest.Seen(); tt.want == "" && matched+unasked+came.Load() > 0 {
					t.Errorf("guest: %d matched, %d unasked, %d came", matched, unasked, came.Load())
				}
			}
		})
	}
}

// A rule that lets a preflight pass takes no share of the draw.
func TestPreflightTakesNoShare(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"percent": 60, `+closing+`}, {"name": "options", "match": [{"method": ["OPTIONS"]}], "percent": 40, `+closing+`}]}`)
	hits := 0
	for range 400 {
		if winner(t, p, nil, preflight("/"), 200) == "options" {
			hits++
		}
	}
	if hits == 0 || hits == 400 {
		t.Errorf("options hits %d of 400, want about 160", hits)
	}
	_, all, _ := p.Explain(preflight("/"), nil, known)
	if all[1].Share != 40 {
		t.Errorf("got share %v, want 40", all[1].Share)
	}
}

// A preflight costs no allocation.
func TestPreflightAllocatesNothing(t *testing.T) {
	p := mustLoad(t, `{"rules": [{`+closing+`}]}`)
	r := preflight("/")
	if n := testing.AllocsPerRun(100, func() { p.Decide(r, nil) }); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}

func TestNamesOptions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		matcher any
		want    bool
	}{
		"method":     {&caddyhttp.MatchMethod{"GET", "OPTIONS"}, true},
		"others":     {&caddyhttp.MatchMethod{"GET"}, false},
		"expression": {&caddyhttp.MatchExpression{Expr: "{method} == 'OPTIONS'"}, true},
		"path":       {&caddyhttp.MatchPath{"/OPTIONS"}, false},
	} {
		if got := namesOptions(caddyhttp.MatcherSets{{tt.matcher}}); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
