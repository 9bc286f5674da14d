package rules

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestShare(t *testing.T) {
	almostOne := math.Nextafter(1, 0)
	tests := []struct {
		u, sum, percent float64
		within          float64
		hit             bool
	}{
		{0, 0, 100, 0, true},
		{almostOne, 0, 100, almostOne, true},
		{0, 0, 0, 0, false},
		{0, 0, 10, 0, true},
		{0.05, 0, 10, 0.5, true},
		{0.1, 0, 10, 0, false},
		{0.1, 10, 20, 0, true},
		{0.2, 10, 20, 0.5, true},
		{0.3, 10, 20, 0, false},
		{0.05, 10, 20, 0, false},   // in the share of another rule
		{0.75, 50, 100, 0.5, true}, // cut off at 100
		{almostOne, 99.99, 0.01, almostOne, true},
	}
	for _, tt := range tests {
		within, hit := share(tt.u, tt.sum, tt.percent)
		if hit != tt.hit || math.Abs(within-tt.within) > 1e-9 {
			t.Errorf("share(%v, %v, %v) = %v, %v, want %v, %v", tt.u, tt.sum, tt.percent, within, hit, tt.within, tt.hit)
		}
		if within < 0 || within >= 1 {
			t.Errorf("share(%v, %v, %v): %v is not in [0,1)", tt.u, tt.sum, tt.percent, within)
		}
	}
}

// point returns a point of rules with these percentages and without matchers.
func pointOf(t testing.TB, percents ...float64) *Point {
	t.Helper()
	rules := ""
	for i, p := range percents {
		if i > 0 {
			rules += ","
		}
		rules += fmt.Sprintf(`{"percent": %v, %s}`, p, closing)
	}
	return mustLoad(t, `{"rules": [`+rules+`]}`)
}

// decide returns the decision about a request that matches every rule of p, draws u and
// comes at a time after p was loaded.
func decide(p *Point, u float64, after time.Duration) Decision {
	w := walk{point: p, draw: draw{u: u}, now: loaded(p).Add(after)}
	for _, rule := range p.ordered {
		if w.ask(rule, nil) {
			break
		}
	}
	return w.decision()
}

// loaded returns the time when p was first loaded.
func loaded(p *Point) time.Time { return p.ordered[0].counters.since }

// Every draw goes to exactly one rule or to none, in the configured shares.
func TestSharesPartition(t *testing.T) {
	const steps = 100_000
	for _, percents := range [][]float64{
		{10, 20},
		{100},
		{0},
		{33.3, 33.3, 33.4},
		{0.1, 0.2, 0.3, 99.4},
		{50, 0, 50},
		{0.01, 99.99},
		{1, 1, 1},
	} {
		t.Run(fmt.Sprint(percents), func(t *testing.T) {
			p := pointOf(t, percents...)
			hits := make([]int, len(percents))
			for i := range steps {
				if d := decide(p, (float64(i)+0.5)/steps, 0); d.Rule != nil {
					hits[d.Rule.Index()]++
				}
			}
			for i, percent := range percents {
				if want := percent * steps / 100; math.Abs(float64(hits[i])-want) > 1 {
					t.Errorf("rule of %v %%: got %d hits, want %v", percent, hits[i], want)
				}
			}
		})
	}
}

// A request hit at p is hit at every higher percentage with the same draw.
func TestPercentIsMonotone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		u, p, q := random.Float64(), random.Float64()*100, random.Float64()*100
		if p > q {
			p, q = q, p
		}
		_, low := share(u, 0, p)
		_, high := share(u, 0, q)
		if low && !high {
			t.Fatalf("draw %v is hit at %v %% and not at %v %%", u, p, q)
		}
	}
}

// If the percentages add up to more than 100, the last ones are cut off.
func TestSharesAbove100(t *testing.T) {
	p := pointOf(t, 80, 50, 10)
	hits := make([]int, 3)
	const steps = 10_000
	for i := range steps {
		hits[decide(p, float64(i)/steps, 0).Rule.Index()]++
	}
	if hits[0] != 8000 || hits[1] != 2000 || hits[2] != 0 {
		t.Errorf("got %v, want [8000 2000 0]", hits)
	}
}

func TestPassedTellsWhy(t *testing.T) {
	p := pointOf(t, 10, 20)
	got := map[string]int{}
	p.Passed = func(rule *Rule, reason Reason) { got[rule.Name+" "+reason.String()]++ }
	decide(p, 0.05, 0) // hits rule1
	decide(p, 0.15, 0) // hits rule2
	decide(p, 0.95, 0) // hits no rule
	if got["rule1 percent"] != 2 || got["rule2 percent"] != 1 || len(got) != 2 {
		t.Errorf("got %v, want rule1 passed twice and rule2 once", got)
	}
}

// misses are points whose rules evaluate a request and let it pass.
var misses = []struct{ name, config string }{
	{"no_rules", `{}`},
	{"point_missed", `{"match": [{"path": ["/api/*"]}], "rules": [{` + closing + `}]}`},
	{"header_missed", `{"rules": [{"match": [{"header": {"X-A": ["1"]}}], ` + closing + `}]}`},
	{"path_missed", `{"rules": [{"match": [{"path": ["/api"]}], ` + closing + `}]}`},
	{"path_list_missed", `{"rules": [{"match": [{"path": ["/api/mail/*", "/api/exact"]}], ` + closing + `}]}`},
	{"method_missed", `{"rules": [{"match": [{"method": ["DELETE"]}], ` + closing + `}]}`},
	{"host_missed", `{"rules": [{"match": [{"host": ["example.org"]}], ` + closing + `}]}`},
	{"draw_missed", `{"rules": [{"percent": 0, ` + closing + `}]}`},
	{"seeded_draw_missed", `{"seed": 1, "rules": [{"percent": 0, ` + closing + `}]}`},
	{"sticky_draw_missed", `{"sticky": "{http.request.header.X-User}", "rules": [{"percent": 0, ` + closing + `}]}`},
	{"times_seeded_draw_missed", `{"seed": 1, "rules": [{"percent": 0.000001, "times": 3, ` + closing + `}]}`},
	{"skipped", `{"rules": [{"skip": 1000000000, ` + closing + `}]}`},
	{"per_skipped", `{"rules": [{"per": "{http.request.header.X-User}", "skip": 1000000000, ` + closing + `}]}`},
	{"not_over", `{"rules": [{"over": {"requests": 1000, "window": "1ns"}, ` + closing + `}]}`},
	{"not_started", `{"rules": [{"start": "1h", ` + closing + `}]}`},
}

func TestMissAllocatesNothing(t *testing.T) {
	for _, tt := range misses {
		p := mustLoad(t, tt.config)
		r := request("http://example.com:8080/other", "X-User", "anna")
		decide := func() {
			if d := p.Decide(r, nil); d.Rule != nil {
				t.Fatalf("%s: got %+v", tt.name, d)
			}
		}
		for range 2000 { // keys and times allocate memory once
			decide()
		}
		if allocs := testing.AllocsPerRun(1000, decide); allocs != 0 {
			t.Errorf("%s: got %v allocations, want none", tt.name, allocs)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, bench := range append(misses, struct{ name, config string }{"hit", `{"rules": [{` + closing + `}]}`}) {
		b.Run(bench.name, func(b *testing.B) {
			p := mustLoad(b, bench.config)
			r := request("http://example.com:8080/other", "X-User", "anna")
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Decide(r, nil)
			}
		})
	}
}
