package rules

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A burst takes every draw that no earlier rule takes. Before and after it, each rule has
// exactly its share.
func TestBurstAndShares(t *testing.T) {
	const steps = 1000
	const burst, plain = `{"name": "burst", "percent": 10, "lasts": "5s", ` + closing + `}`, `{"name": "plain", "percent": 20, ` + closing + `}`
	for _, tt := range []struct {
		rules   string
		begin   float64        // a draw that begins the burst
		during  map[string]int // hits of 1000 draws
		outside map[string]int
	}{
		{burst + ", " + plain, 0.05, map[string]int{"burst": 1000}, map[string]int{"burst": 100, "plain": 200}},
		{plain + ", " + burst, 0.25, map[string]int{"plain": 200, "burst": 800}, map[string]int{"plain": 200, "burst": 100}},
	} {
		p := mustLoad(t, `{"rules": [`+tt.rules+`]}`)
		count := func(after time.Duration, reset bool) map[string]int {
			got := make(map[string]int)
			for i := range steps {
				if d := decide(p, (float64(i)+0.5)/steps, after); d.Rule != nil {
					got[d.Rule.Name]++
				}
				if reset {
					p.Rules[0].Reset()
					p.Rules[1].Reset()
				}
			}
			return got
		}
		if got := count(0, true); fmt.Sprint(got) != fmt.Sprint(tt.outside) {
			t.Errorf("%s: without a burst: got %v, want %v", tt.rules, got, tt.outside)
		}
		decide(p, tt.begin, time.Second)
		for _, after := range []time.Duration{time.Second, 6*time.Second - 1} {
			if got := count(after, false); fmt.Sprint(got) != fmt.Sprint(tt.during) {
				t.Errorf("%s: after %v: got %v, want %v", tt.rules, after, got, tt.during)
			}
		}
		if got := count(6*time.Second, true); fmt.Sprint(got) != fmt.Sprint(tt.outside) {
			t.Errorf("%s: after the burst: got %v, want %v", tt.rules, got, tt.outside)
		}
	}
}

// In a burst the draw of a hit is the draw of the request, so that a choose in the rule
// keeps its weights.
func TestBurstKeepsTheDraw(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"percent": 10, "lasts": "5s", `+closing+`}]}`)
	for i, want := range []float64{0.5, 0.9, 0.01} {
		if d := decide(p, []float64{0.05, 0.9, 0.01}[i], 0); d.U != want || d.N != uint64(i)+1 {
			t.Errorf("hit %d: got number %d and draw %v, want %v", i+1, d.N, d.U, want)
		}
	}
}

// Each key has separate bursts. A key that is never hit takes no room.
func TestBurstsPerKey(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"per": "{http.request.header.X-Key}", "max_keys": 2, "percent": 10, "lasts": "1h", `+closing+`}]}`)
	hit := func(key string, u float64) bool {
		w := walk{point: p, draw: draw{u: u}, now: loaded(p)}
		return w.ask(p.Rules[0], request("/", "X-Key", key))
	}
	for i, tt := range []struct {
		key  string
		u    float64
		want bool
	}{
		{"a", 0.5, false},
		{"a", 0.05, true},
		{"a", 0.5, true},
		{"b", 0.5, false},
		{"b", 0.05, true},
		{"c", 0.5, false},
		{"d", 0.5, false},
		{"a", 0.5, true},
		{"c", 0.05, true}, // forgets b
		{"a", 0.5, true},
		{"b", 0.5, false},
	} {
		if got := hit(tt.key, tt.u); got != tt.want {
			t.Errorf("request %d, key %s: got hit %v, want %v", i+1, tt.key, got, tt.want)
		}
	}
}

// A request that turns out not to be hit ends the burst that it began, and no other.
func TestBurstIsTakenBack(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"percent": 10, "lasts": "5s", `+closing+`}]}`)
	first := decide(p, 0.05, 0)
	second := decide(p, 0.5, 0)
	second.TakeBack()
	if decide(p, 0.5, 0).Rule == nil {
		t.Error("a later request of the burst has ended it")
	}
	first.TakeBack()
	if decide(p, 0.5, 0).Rule != nil {
		t.Error("the burst lasts although its first request was not hit")
	}
	decide(p, 0.05, time.Second)
	first.TakeBack()
	if decide(p, 0.5, time.Second).Rule == nil {
		t.Error("a burst has ended that the request did not begin")
	}
}

// A reload keeps a burst, and a reset ends it.
func TestBurstAndReload(t *testing.T) {
	const config = `{"rules": [{"name": "a", "percent": 10, "lasts": "1h", ` + closing + `}]}`
	p := mustLoad(t, config)
	decide(p, 0.05, 0)
	p = reload(t, p, config)
	if decide(p, 0.5, time.Minute).Rule == nil {
		t.Error("the reload has ended the burst")
	}
	p.Rules[0].Reset()
	if decide(p, 0.5, time.Minute).Rule != nil {
		t.Error("the burst lasts after the reset")
	}
}

// On a reply, the burst begins with the reply, so that it lasts as long as the
// Retry-After of the reply says.
func TestBurstBeginsOnTheReply(t *testing.T) {
	for _, settings := range []string{`"phase": "response"`, `"match_response": {"status_code": [2]}`} {
		synctest.Test(t, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [{"skip": 1, "every": 1000000, "lasts": "10s", `+settings+`, `+closing+`}]}`)
			p.Rules[0].counters.all.came = 1_000_000
			d := p.Decide(request("/"), nil)
			time.Sleep(5 * time.Second)
			if later(d, 200, nil).Rule == nil {
				t.Fatal("the first request is not hit")
			}
			time.Sleep(10*time.Second - 1)
			if d := p.Decide(request("/"), nil); later(d, 200, nil).Rule == nil {
				t.Errorf("%s: the burst has ended early", settings)
			}
			time.Sleep(time.Nanosecond)
			if d := p.Decide(request("/"), nil); later(d, 200, nil).Rule != nil {
				t.Errorf("%s: the burst lasts too long", settings)
			}
			unload(t, p)
		})
	}
}

// Concurrent requests never exceed times, and skip counts exactly.
func TestBurstUnderLoad(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"skip": 100, "lasts": "1h", "times": 300, `+closing+`}, {"name": "rest", `+closing+`}]}`)
	var hits, rest, numbers atomic.Uint64
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				switch d := p.Decide(request("/"), nil); d.Rule.Name {
				case "rest":
					rest.Add(1)
				default:
					hits.Add(1)
					numbers.Add(d.N)
				}
			}
		})
	}
	all.Wait()
	if hits.Load() != 300 || rest.Load() != 700 || numbers.Load() != 300*301/2 {
		t.Errorf("got %d and %d hits with numbers that add up to %d, want 300 and 700", hits.Load(), rest.Load(), numbers.Load())
	}
}
