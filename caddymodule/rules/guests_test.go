package rules

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// guestRule loads a rule as a guest.
func guestRule(t testing.TB, config string) *Rule {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	rule := new(Rule)
	if err := caddy.StrictUnmarshalJSON([]byte(config), rule); err != nil {
		t.Fatal(err)
	}
	if err := LoadGuest(ctx, rule, Draws{}); err != nil {
		t.Fatalf("loading %s: %v", config, err)
	}
	return rule
}

// invite returns rules as guests of several points.
func invite(rules ...*Rule) *Guests {
	return NewGuests(rules, func(*Rule) bool { return true }, new(atomic.Uint64))
}

// winner returns the rule that fires for r among guests and the point's rules, given
// the reply of the upstream.
func winner(t testing.TB, p *Point, guests *Guests, r *http.Request, status int) string {
	t.Helper()
	d := p.Decide(r, guests)
	if d.Rule == nil && d.Later != nil {
		d = d.Later.Decide(status, make(http.Header))
	}
	if d.Rule == nil {
		return ""
	}
	d.Release()
	return d.Rule.Name
}

// Guests come before the point's rules of the same phase, in the given order. All rules
// of phase request come before all of phase response.
func TestGuestsOrder(t *testing.T) {
	const early, late = `{"name": "own", ` + closing + `}`, `{"name": "own", "phase": "response", ` + closing + `}`
	a, b := guestRule(t, `{"name": "a", `+closing+`}`), guestRule(t, `{"name": "b", `+closing+`}`)
	never := guestRule(t, `{"name": "never", "percent": 0, `+closing+`}`)
	elsewhere := guestRule(t, `{"name": "elsewhere", "match": [{"path": ["/x"]}], `+closing+`}`)
	onReply := guestRule(t, `{"name": "reply", "phase": "response", `+closing+`}`)
	on404 := guestRule(t, `{"name": "404", "match_response": {"status_code": [404]}, `+closing+`}`)
	tests := []struct {
		name   string
		own    string
		guests *Guests
		want   string
	}{
		{"none", early, nil, "own"},
		{"stronger", early, invite(a), "a"},
		{"in order", early, invite(b, a), "b"},
		{"misses", early, invite(never, elsewhere), "own"},
		{"misses, then one", early, invite(never, elsewhere, b), "b"},
		{"later phase", early, invite(onReply), "own"},
		{"earlier phase", late, invite(a), "a"},
		{"same phase", late, invite(onReply), "reply"},
		{"same phase, separate draw", `{"name": "own", "phase": "response", "percent": 100, ` + closing + `}`, invite(on404), "own"},
		{"no own", "", invite(a), "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [`+tt.own+`]}`)
			if got := winner(t, p, tt.guests, request("/"), 200); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	p := mustLoad(t, `{"rules": [`+late+`]}`)
	if got := winner(t, p, invite(on404), request("/"), 404); got != "404" {
		t.Errorf("a guest for replies of 404: got %q", got)
	}
	p = mustLoad(t, `{"match": [{"path": ["/only"]}], "rules": [`+early+`]}`)
	if got := winner(t, p, invite(a), request("/"), 200); got != "" {
		t.Errorf("a request that does not reach the point: got %q", got)
	}
}

// A guest has a separate draw. It does not use shares of the point's rules or of
// another guest.
func TestGuestsDraw(t *testing.T) {
	const requests = 20_000
	p := mustLoad(t, `{"seed": 1, "rules": [{"name": "own", "percent": 50, `+closing+`}]}`)
	guests := invite(guestRule(t, `{"name": "a", "percent": 50, `+closing+`}`), guestRule(t, `{"name": "b", "percent": 50, `+closing+`}`))
	count := make(map[string]float64)
	for range requests {
		count[winner(t, p, guests, request("/"), 200)]++
	}
	for name, want := range map[string]float64{"a": .5, "b": .25, "own": .125, "": .125} {
		if got := count[name] / requests; got < want-.02 || got > want+.02 {
			t.Errorf("%q fired for a part of %.3f, want %.3f", name, got, want)
		}
	}
}

// A request that a guest hits takes no number from the point's seed.
func TestGuestsLeaveTheSeed(t *testing.T) {
	const config = `{"seed": 7, "rules": [{"percent": 50, ` + closing + `}]}`
	plain, visited := mustLoad(t, config), mustLoad(t, `{"point": "visited", "seed": 7, "rules": [{"percent": 50, `+closing+`}]}`)
	guests := invite(guestRule(t, `{"name": "a", "match": [{"header": {"X-Guest": ["1"]}}], `+closing+`}`))
	for i := range 50 {
		if got := winner(t, visited, guests, request("/", "X-Guest", "1"), 200); got != "a" {
			t.Fatalf("got %q, want the guest", got)
		}
		if a, b := name(t, plain, request("/")), winner(t, visited, guests, request("/"), 200); a != b {
			t.Fatalf("request %d: got %q, and %q without guests", i, b, a)
		}
	}
}

// A guest is decided once for a request, at the first point where it matches.
func TestGuestsOnce(t *testing.T) {
	first, second := mustLoad(t, `{"point": "first"}`), mustLoad(t, `{"point": "second"}`)
	guest := guestRule(t, `{"name": "a", "times": 3, `+closing+`}`)
	never := guestRule(t, `{"name": "b", "percent": 0, `+closing+`}`)
	guests := invite(never, guest)
	r := request("/")
	if got := winner(t, first, guests, r, 200); got != "a" {
		t.Errorf("first point: got %q", got)
	}
	if got := winner(t, second, guests, r, 200); got != "" {
		t.Errorf("second point: got %q, want none", got)
	}
	if got := guest.counters.all.turns; got != 1 {
		t.Errorf("%d turns, want 1", got)
	}
	one := NewGuests([]*Rule{guest}, func(*Rule) bool { return false }, new(atomic.Uint64))
	r = request("/")
	winner(t, first, one, r, 200)
	if got := winner(t, first, one, r, 200); got != "a" {
		t.Errorf("a guest of a single point is evaluated each time: got %q", got)
	}
	path := guestRule(t, `{"name": "path", "match": [{"path": ["/new"]}], `+closing+`}`)
	r = request("/old")
	if got := winner(t, first, invite(path), r, 200); got != "" {
		t.Errorf("before a rewrite: got %q", got)
	}
	r.URL.Path = "/new"
	if got := winner(t, second, invite(path), r, 200); got != "path" {
		t.Errorf("the first point where it matches: got %q", got)
	}
}

// The durations of a guest count from when it was added.
func TestGuestsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		guests := invite(guestRule(t, `{"name": "a", "start": "1m", `+closing+`}`))
		p := mustLoad(t, `{}`)
		if got := winner(t, p, guests, request("/"), 200); got != "" {
			t.Errorf("before its start: got %q", got)
		}
		time.Sleep(time.Minute)
		if got := winner(t, p, guests, request("/"), 200); got != "a" {
			t.Errorf("after its start: got %q", got)
		}
	})
}

// A guest whose matcher fails does not match. Later guests are evaluated.
func TestGuestsMatcherError(t *testing.T) {
	guests := invite(
		guestRule(t, `{"name": "a", `+failing+`, `+closing+`}`),
		guestRule(t, `{"name": "b", `+failing+`, "phase": "response", `+closing+`}`),
		guestRule(t, `{"name": "c", "percent": 0, `+closing+`}`))
	p := mustLoad(t, `{"rules": [{"name": "own", `+closing+`}]}`)
	passed := passes(p)
	if got := winner(t, p, guests, request("/"), 200); got != "own" {
		t.Errorf("got %q, want the rule after the guests that fail", got)
	}
	if got, want := fmt.Sprint(passed), "map[a match_error:1 c percent:1]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A guest reports how many requests at its points it has matched, among those for which
// it was evaluated.
func TestGuestsSeen(t *testing.T) {
	const path = `"match": [{"path": ["/a"]}], `
	for _, tt := range []struct {
		name, before, own string // the earlier guest, and the rule of the point
		guest             string
		came, matched     uint64
	}{
		{"alone", "", "", path, 6, 2},
		{"all", "", "", "", 6, 6},
		{"none", "", "", `"match": [{"path": ["/b"]}], `, 6, 0},
		{"misses the draw", "", "", path + `"percent": 0, `, 6, 2},
		{"after one that takes all", closing, "", "", 6, 0},
		{"after one that takes some", path + closing, "", "", 6, 4},
		{"after one that takes what it cannot match", `"match": [{"path": ["/c"]}], ` + closing, "", path, 6, 2},
		{"after one that misses", `"percent": 0, ` + closing, "", path, 6, 2},
		{"before the point's rule", "", closing, path, 6, 2},
		{"after the point's rule", "", closing, path + `"phase": "response", `, 6, 0},
		{"with a matcher that no index looks up", "", closing, `"match": [{"path": ["*a"]}], "phase": "response", `, 6, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			guest := guestRule(t, `{"name": "b", `+tt.guest+closing+`}`)
			all := []*Rule{guest}
			if tt.before != "" {
				all = []*Rule{guestRule(t, `{"name": "a", `+tt.before+`}`), guest}
			}
			own := ""
			if tt.own != "" {
				own = `{` + tt.own + `}`
			}
			p := mustLoad(t, `{"match": [{"path": ["/a", "/c"]}], "rules": [`+own+`]}`)
			came := new(atomic.Uint64)
			guests := NewGuests(all, func(*Rule) bool { return true }, came)
			for range 2 {
				for _, target := range []string{"/a", "/c", "/c", "/left-out"} {
					winner(t, p, guests, request(target), 200)
				}
			}
			matched, unasked := guest.Seen()
			if got := came.Load(); got != tt.came || matched != tt.matched || unasked > got-matched {
				t.Errorf("got %d of %d, not evaluated for %d; want %d of %d", matched, got, unasked, tt.matched, tt.came)
			}
			behind := tt.before != "" || strings.Contains(tt.guest, "response")
			if tt.matched == 0 && behind && unasked == 0 {
				t.Error("a request taken by another rule counts as not matched")
			}
			guest.Reset()
			if matched, unasked := guest.Seen(); matched+unasked != 0 {
				t.Errorf("after a reset: got %d and %d", matched, unasked)
			}
		})
	}
}

// A guest with a seed draws the same numbers each time. A sticky one gives the same answer
// to a key, and a request without a key draws at random.
func TestGuestDraws(t *testing.T) {
	load := func(draws Draws) *Rule {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		t.Cleanup(cancel)
		rule := new(Rule)
		if err := caddy.StrictUnmarshalJSON([]byte(`{"name": "a", "percent": 30, `+closing+`}`), rule); err != nil {
			t.Fatal(err)
		}
		if err := LoadGuest(ctx, rule, draws); err != nil {
			t.Fatal(err)
		}
		return rule
	}
	answers := func(draws Draws, user func(int) string) string {
		p, guests := mustLoad(t, `{"rules": []}`), invite(load(draws))
		var all strings.Builder
		for i := range 200 {
			r := request("/")
			if name := user(i); name != "" {
				r.Header.Set("X-User", name)
			}
			all.WriteString(winner(t, p, guests, r, 200) + ".")
		}
		return all.String()
	}
	nobody := func(int) string { return "" }
	everybody := func(i int) string { return fmt.Sprintf("u%d", i) }
	seed, other := int64(42), int64(43)
	for _, tt := range []struct {
		name        string
		first, then Draws
		user        func(int) string
		same        bool
	}{
		{"seed", Draws{Seed: &seed}, Draws{Seed: &seed}, nobody, true},
		{"other seed", Draws{Seed: &seed}, Draws{Seed: &other}, nobody, false},
		{"random", Draws{}, Draws{}, nobody, false},
		{"sticky", Draws{Sticky: "{http.request.header.X-User}"}, Draws{Sticky: "{http.request.header.X-User}"}, everybody, true},
		{"sticky with a seed", Draws{Sticky: "{http.request.header.X-User}", Seed: &seed}, Draws{Sticky: "{http.request.header.X-User}", Seed: &other}, everybody, false},
		{"sticky without a key", Draws{Sticky: "{http.request.header.X-User}", Seed: &seed}, Draws{Sticky: "{http.request.header.X-User}", Seed: &seed}, nobody, false},
	} {
		if got := answers(tt.first, tt.user) == answers(tt.then, tt.user); got != tt.same {
			t.Errorf("%s: the same answers: %t, want %t", tt.name, got, tt.same)
		}
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	if err := LoadGuest(ctx, &Rule{Name: "a"}, Draws{Sticky: "user"}); err == nil || !strings.Contains(err.Error(), "bad sticky 'user'") {
		t.Errorf("a key without a placeholder: got %v", err)
	}
}
