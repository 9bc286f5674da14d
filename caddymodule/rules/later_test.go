package rules

import (
	"fmt"
	"testing"
	"time"
)

// fired returns the name of the rule that a decision fires.
func fired(d Decision) string {
	if d.Rule == nil {
		return ""
	}
	return d.Rule.Name
}

// A rule with match_response and a counter counts the replies that match. A reply is
// not watched if the draw cannot hit and nothing counts it.
func TestCountsOnTheHead(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", "percent": 50, "skip": 2, "match_response": {"status_code": [5]}, `+closing+`}]}`)
	got := passes(p)
	replies := []struct {
		u    float64
		code int
		want string
	}{
		{0, 500, ""},
		{0.9, 500, ""}, // also skipped, because the draw comes later
		{0, 200, ""},   // does not count
		{0, 500, "a"},
		{0.9, 500, ""},
		{0, 500, "a"},
	}
	for i, tt := range replies {
		d := decide(p, tt.u, 0)
		if d.Later == nil {
			t.Fatalf("reply %d is not watched", i)
		}
		if got := fired(later(d, tt.code, nil)); got != tt.want {
			t.Errorf("reply %d: got rule %q, want %q", i, got, tt.want)
		}
	}
	if got["a count"] != 2 || got["a percent"] != 1 || len(got) != 2 {
		t.Errorf("got %v, want 2 of count and one of percent", got)
	}
}

// Without match_response, everything except the hit is decided when the request comes,
// so that no reply is watched in vain.
func TestReplyIsWatchedOnlyIfNeeded(t *testing.T) {
	tests := []struct {
		settings string
		u        float64
		want     []bool // of the first requests
	}{
		{`"phase": "response"`, 0, []bool{true}},
		{`"phase": "response", "skip": 2`, 0, []bool{false, false, true}},
		{`"phase": "response", "every": 2`, 0, []bool{false, true, false, true}},
		{`"phase": "response", "over": {"requests": 1, "window": "1h"}`, 0, []bool{false, true}},
		{`"phase": "response", "percent": 50`, 0.7, []bool{false}},
		{`"phase": "response", "start": "1h"`, 0, []bool{false}},
		{`"match_response": {"status_code": [5]}, "percent": 50`, 0.7, []bool{false}},
		{`"match_response": {"status_code": [5]}, "percent": 50, "skip": 2`, 0.7, []bool{true}},
		{`"match_response": {"status_code": [5]}, "skip": 2, "start": "1h"`, 0, []bool{false}},
	}
	for _, tt := range tests {
		p := mustLoad(t, `{"rules": [{`+tt.settings+`, `+closing+`}]}`)
		for i, want := range tt.want {
			if got := decide(p, tt.u, 0).Later != nil; got != want {
				t.Errorf("%s, request %d: got watched %v, want %v", tt.settings, i, got, want)
			}
		}
	}
}

// A request reaches a rule only after earlier rules have let it pass.
func TestRulesBehindOneThatWaits(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "first", "match_response": {"status_code": [5]}, "times": 2, `+closing+`},
		{"name": "second", "phase": "response", "skip": 1, `+closing+`}
	]}`)
	var got []string
	for _, code := range []int{500, 200, 500, 500, 200} {
		got = append(got, fired(later(decide(p, 0, 0), code, nil)))
	}
	if want := "[first  first second second]"; fmt.Sprint(got) != want {
		t.Errorf("got %q, want %s", got, want)
	}
}

// A turn that is not taken on the reply goes to another request.
func TestMissingReplyTakesNothing(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"phase": "response", "times": 1, "max_active": 1, `+closing+`}]}`)
	decide(p, 0, 0) // the upstream never replies
	d := later(decide(p, 0, 0), 200, nil)
	if d.Rule == nil || d.N != 1 {
		t.Errorf("got %+v, want the first hit", d)
	}
}

// The shares of matching rules do not move when one of them cannot fire. The exception
// is a rule with 100 percent, which keeps no share.
func TestSharesOfRulesThatCannotFire(t *testing.T) {
	for _, gate := range []string{`"skip": 1000000`, `"every": 1000000`, `"over": {"requests": 100000, "window": "1h"}`, `"start": "1h"`} {
		p := mustLoad(t, `{"rules": [
			{"name": "all", `+gate+`, `+closing+`},
			{"name": "some", "percent": 30, `+gate+`, `+closing+`},
			{"name": "next", "percent": 20, `+closing+`}
		]}`)
		for _, tt := range []struct {
			u    float64
			want string
		}{{0, ""}, {0.29, ""}, {0.3, "next"}, {0.49, "next"}, {0.5, ""}} {
			if got := fired(decide(p, tt.u, 0)); got != tt.want {
				t.Errorf("%s, draw %v: got %q, want %q", gate, tt.u, got, tt.want)
			}
		}
	}
}

// A rule that cannot fire keeps its share in place, after the share of a rule that
// waits for the reply.
func TestSharesOfRulesThatWait(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "waits", "percent": 60, "phase": "response", `+closing+`},
		{"name": "later", "percent": 20, "phase": "response", "start": "1h", `+closing+`},
		{"name": "out", "percent": 10, "phase": "response", `+closing+`},
		{"name": "last", "percent": 10, "phase": "response", `+closing+`}
	]}`)
	p.Rules[2].SwitchOff(true)
	got := passes(p)
	for _, tt := range []struct {
		u    float64
		want string
	}{{0, "waits"}, {0.59, "waits"}, {0.61, ""}, {0.89, ""}, {0.91, "last"}} {
		if got := fired(later(decide(p, tt.u, 0), 200, nil)); got != tt.want {
			t.Errorf("draw %v: got %q, want %q", tt.u, got, tt.want)
		}
	}
	if got["later time"] != 5 || got["out off"] != 5 {
		t.Errorf("passed: got %v, want 5 of each", got)
	}
}

// A rule outside whose share the draw lies still counts its requests, even if the rule
// that owns the draw cannot fire.
func TestCountingGoesOnBehindAShare(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "a", "percent": 50, "times": 1, `+closing+`},
		{"name": "b", "percent": 50, "skip": 2, `+closing+`}
	]}`)
	var got []string
	for _, u := range []float64{0, 0, 0, 0.5} { // a; a is used up and b counts, twice
		got = append(got, fired(decide(p, u, 0)))
	}
	if want := "[a   b]"; fmt.Sprint(got) != want {
		t.Errorf("got %q, want %s", got, want)
	}
}

// Two rules of 100 percent apply in succession: three hits of the first, then the
// second.
func TestTimesThenNext(t *testing.T) {
	for _, phase := range []string{PhaseRequest, PhaseResponse} {
		p := mustLoad(t, `{"rules": [
			{"name": "a", "times": 3, "phase": "`+phase+`", `+closing+`},
			{"name": "b", "phase": "`+phase+`", `+closing+`}
		]}`)
		got := ""
		for range 5 {
			got += fired(later(decide(p, 0.5, 0), 200, nil))
		}
		if want := "aaabb"; got != want {
			t.Errorf("phase %s: got hits of %s, want %s", phase, got, want)
		}
		unload(t, p)
	}
}

// A ramp keeps its full share from the beginning.
func TestShareOfARamp(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "ramp", "percent": 40, "ramp": "100s", `+closing+`},
		{"name": "next", "percent": 20, `+closing+`}
	]}`)
	for _, tt := range []struct {
		u    float64
		want string
	}{{0.09, "ramp"}, {0.11, ""}, {0.39, ""}, {0.4, "next"}, {0.6, ""}} {
		if got := fired(decide(p, tt.u, 25*time.Second)); got != tt.want {
			t.Errorf("draw %v: got %q, want %q", tt.u, got, tt.want)
		}
	}
}
