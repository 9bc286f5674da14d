package seen

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bubble runs a test with a recorder, at a time that is not a multiple of ten seconds.
func bubble(t *testing.T, f func(t *testing.T, rec *Recorder, active *atomic.Bool)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(7300 * time.Millisecond)
		var active atomic.Bool
		active.Store(true)
		f(t, New(Clock{time.Now, time.Since}, func(string) bool { return active.Load() }), &active)
	})
}

// pass lets a request pass that takes a time.
func pass(p *Point, took time.Duration, result Result) {
	span := p.Begin(false)
	time.Sleep(took)
	p.Passed(span, result)
}

// hit lets a rule hit a request, which takes a time.
func hit(p *Point, rule string, took time.Duration, result Result) {
	span := p.Begin(true)
	p.Hit(rule)
	time.Sleep(took)
	p.Ended(span, result)
}

// near reports whether a figure is known and close to a value.
func near(got *float64, want, tolerance float64) bool {
	return got != nil && math.Abs(*got-want) <= tolerance
}

func TestSummarize(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		p := rec.Point("api")
		if s := p.Summarize(30 * time.Second); s.All.Count != 0 || s.All.Success != nil || s.All.P50 != nil || s.Since == nil {
			t.Errorf("a point that has seen nothing: %+v", s)
		}
		time.Sleep(40 * time.Second)
		for range 6 {
			pass(p, 100*time.Millisecond, Succeeded)
		}
		pass(p, 100*time.Millisecond, RealError)
		pass(p, 100*time.Millisecond, Failed)
		hit(p, "slow", 2*time.Second, Succeeded)
		hit(p, "busy", time.Millisecond, Failed)
		s := p.Summarize(30 * time.Second)
		if s.Point != "api" || s.Over != 30 || s.Since != nil || s.RealErrors != 1 {
			t.Errorf("got %+v", s)
		}
		if s.All.Count != 10 || s.Hit.Count != 2 || s.NotHit.Count != 8 {
			t.Errorf("counts: all %d, hit %d, not hit %d", s.All.Count, s.Hit.Count, s.NotHit.Count)
		}
		if !near(s.All.Success, 0.7, 1e-9) || !near(s.Hit.Success, 0.5, 1e-9) || !near(s.NotHit.Success, 0.75, 1e-9) {
			t.Errorf("success: %v, %v, %v", *s.All.Success, *s.Hit.Success, *s.NotHit.Success)
		}
		if !near(s.NotHit.P50, 0.1, 0.02) || !near(s.Hit.P99, 2, 0.4) || !near(s.All.P50, 0.1, 0.02) {
			t.Errorf("percentiles: %v, %v, %v", *s.NotHit.P50, *s.Hit.P99, *s.All.P50)
		}
		if s.All.Rate < 10.0/30 || s.All.Rate > 10.0/29 {
			t.Errorf("rate: %v", s.All.Rate)
		}
		if b := p.Brief(30 * time.Second); b != (Brief{"api", 10, 2, 1, s.All.Rate, s.Hit.Rate}) {
			t.Errorf("brief: %+v", b)
		}
		time.Sleep(31 * time.Second)
		if s := p.Summarize(30 * time.Second); s.All.Count != 0 {
			t.Errorf("after 31 s: %+v", s)
		}
		if s := p.Summarize(time.Minute); s.All.Count != 10 {
			t.Errorf("in the last minute: %+v", s)
		}
	})
}

// A request that hangs counts as hit at once, and has a duration when it ends.
func TestHeldHit(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		p := rec.Point("api")
		p.look()
		span := p.Begin(true)
		p.Hit("hang")
		if s := p.Summarize(10 * time.Second); s.Hit.Count != 1 || s.All.Count != 1 || s.Hit.Success != nil || s.Hit.P50 != nil {
			t.Errorf("while it hangs: %+v", s)
		}
		time.Sleep(time.Minute)
		p.Ended(span, Failed)
		if s := p.Summarize(10 * time.Second); s.Hit.Count != 0 || *s.Hit.Success != 0 || !near(s.Hit.P50, 60, 12) {
			t.Errorf("after it hung: %+v", s)
		}
	})
}

// A point counts for an hour after its last look or hit, and while something is active.
func TestCounts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		before func(*Recorder, *Point)
		active bool
		after  time.Duration
		want   bool
	}{
		{"a new point", func(*Recorder, *Point) {}, true, 0, false},
		{"woken and active", func(rec *Recorder, _ *Point) { rec.Wake() }, true, 3 * time.Hour, true},
		{"woken for another", func(rec *Recorder, _ *Point) { rec.Wake() }, false, time.Second, false},
		{"looked at", func(_ *Recorder, p *Point) { p.Summarize(time.Second) }, false, 59 * time.Minute, true},
		{"looked at long ago", func(_ *Recorder, p *Point) { p.Summarize(time.Second) }, false, 61 * time.Minute, false},
		{"seen in a series", func(rec *Recorder, _ *Point) { rec.Series("", time.Minute, true) }, false, 59 * time.Minute, true},
		{"hit", func(_ *Recorder, p *Point) { p.Hit("a") }, false, 59 * time.Minute, true},
		{"hit long ago", func(_ *Recorder, p *Point) { p.Hit("a") }, false, 61 * time.Minute, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, rec *Recorder, active *atomic.Bool) {
				p := rec.Point("api")
				active.Store(tt.active)
				tt.before(rec, p)
				time.Sleep(tt.after)
				if p.Counts() { // the request that finds that nothing is active
					pass(p, 0, Succeeded)
				}
				if got := p.Counts(); got != tt.want {
					t.Errorf("counts: %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// A rule may become active, or somebody look, while a point finds out that it need not
// count.
func TestWakeWhileStopping(t *testing.T) {
	for name, wake := range map[string]func(rec *Recorder, p *Point, live *atomic.Bool){
		"rule": func(rec *Recorder, _ *Point, live *atomic.Bool) { live.Store(true); rec.Wake() },
		"look": func(_ *Recorder, p *Point, _ *atomic.Bool) { p.Brief(time.Minute) },
		"hit":  func(_ *Recorder, p *Point, _ *atomic.Bool) { p.Hit("a") },
	} {
		t.Run(name, func(t *testing.T) {
			var rec *Recorder
			var p *Point
			var live atomic.Bool
			asked := false
			rec = New(Clock{time.Now, time.Since}, func(string) bool {
				if !asked {
					asked = true
					wake(rec, p, &live)
					return false
				}
				return live.Load()
			})
			p = rec.Point("p")
			rec.Wake()
			pass(p, 0, Succeeded)
			if !asked || !p.Counts() {
				t.Errorf("asked: %v, counts: %v, want true", asked, p.Counts())
			}
		})
	}
}

// Whatever the age of a request, it is in the step of its time, once.
func TestSeries(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		p := rec.Point("api")
		p.look()
		at := make(map[time.Time]uint64) // requests by time, of which each fifth is a hit
		var count uint64
		for i := range 700 {
			time.Sleep(6100 * time.Millisecond)
			now := time.Now()
			at[now]++
			count++
			switch {
			case i%5 == 0:
				hit(p, fmt.Sprintf("r%d", i%2), 0, Failed)
			case i%7 == 0:
				pass(p, 0, RealError)
			default:
				pass(p, 0, Succeeded)
			}
		}
		for _, window := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour} {
			s := rec.Series("api", window, true)
			if len(s.Total)*int(s.Step) < int(window.Seconds()) || len(s.Total) > maxSteps {
				t.Errorf("%v: %d steps of %d s", window, len(s.Total), s.Step)
			}
			want := make([]uint64, len(s.Total))
			for when, n := range at {
				if since := when.Sub(s.From); since >= 0 {
					want[int64(since.Seconds())/s.Step] += n
				}
			}
			if !slices.Equal(s.Total, want) {
				t.Errorf("%v: total %v, want %v", window, s.Total, want)
			}
			rules := make([]uint64, len(s.Hits))
			for _, r := range s.Rules {
				for i, n := range r.Hits {
					rules[i] += n
				}
			}
			if len(s.Rules) != 2 || !slices.Equal(rules, s.Hits) {
				t.Errorf("%v: hits of %d rules %v, want %v", window, len(s.Rules), rules, s.Hits)
			}
			for i, real := range s.Real {
				if real+s.Hits[i] > s.Total[i] {
					t.Errorf("%v: step %d has %d real errors and %d hits of %d requests", window, i, real, s.Hits[i], s.Total[i])
				}
			}
		}
	})
}

// A pause of any length leaves nothing of what came before it in a later step.
func TestPauses(t *testing.T) {
	for _, pause := range []time.Duration{time.Second, 119 * time.Second, 2 * time.Minute, 59 * time.Minute, time.Hour, 61 * time.Minute, 5 * time.Hour} {
		t.Run(pause.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
				p := rec.Point("api")
				for range 3 {
					hit(p, "a", 0, Failed)
				}
				time.Sleep(pause)
				hit(p, "a", 0, Failed)
				s := rec.Series("api", time.Hour, true)
				want := uint64(1)
				if pause < time.Hour {
					want = 4
				}
				var total uint64
				for _, n := range s.Total {
					total += n
				}
				if total != want || s.Rules[0].Count != want || s.Total[len(s.Total)-1] == 0 {
					t.Errorf("after %v: %d requests, %d hits of the rule, want %d: %v", pause, total, s.Rules[0].Count, want, s.Total)
				}
			})
		})
	}
}

// The answer for a thousand rules has the ten with the most hits, and a bounded size.
func TestManyRules(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		p := rec.Point("api")
		for step := range 60 {
			for i := range 1000 {
				for range 1 + i/100 {
					p.Hit(fmt.Sprintf("rule-%04d", i))
				}
			}
			time.Sleep(time.Duration(50+step%5) * time.Second)
		}
		s := rec.Series("", time.Hour, true)
		if len(s.Rules) != topRules || s.Other == nil {
			t.Fatalf("%d rules, other %v", len(s.Rules), s.Other)
		}
		if s.Rules[0].Rule != "rule-0900" || s.Rules[0].Count < 500 {
			t.Errorf("first: %s with %d", s.Rules[0].Rule, s.Rules[0].Count)
		}
		for i := range s.Hits {
			sum := s.Other[i]
			for _, r := range s.Rules {
				sum += r.Hits[i]
			}
			if sum != s.Hits[i] {
				t.Errorf("step %d: rules and others have %d hits, want %d", i, sum, s.Hits[i])
			}
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 10_000 {
			t.Errorf("%d bytes, want 10000 at most", len(text))
		}
		t.Logf("%d bytes for 1000 rules in an hour", len(text))
	})
}

// Names that experiments bring do not grow without bound, and hits never get lost.
func TestMaxRules(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		p := rec.Point("api")
		for i := range maxRules + 500 {
			p.Hit(fmt.Sprintf("e%d", i))
		}
		if len(p.rules) > maxRules+1 {
			t.Errorf("%d rules, want %d", len(p.rules), maxRules+1)
		}
		if s := rec.Series("api", time.Minute, true); s.Hits[len(s.Hits)-1] != maxRules+500 || s.Rules[0].Rule != "" || s.Rules[0].Count != 500 {
			t.Errorf("%d hits, first %+v", s.Hits[len(s.Hits)-1], s.Rules[0])
		}
		time.Sleep(61 * time.Minute)
		p.Hit("new")
		if len(p.rules) != 1 {
			t.Errorf("after an hour %d rules, want 1", len(p.rules))
		}
	})
}

func TestAllPoints(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		if s := rec.Series("", time.Minute, true); s.Since != nil || len(s.Total) != 6 || s.Step != 10 {
			t.Errorf("without points: %+v", s)
		}
		a, b := rec.Point("a"), rec.Point("b")
		if rec.Point("a") != a {
			t.Error("a point with the same name is another point")
		}
		rec.Wake()
		began := time.Now().Truncate(time.Second)
		pass(a, 0, Succeeded)
		hit(b, "x", 0, Failed)
		hit(a, "x", 0, Failed)
		s := rec.Series("", time.Minute, true)
		if last := len(s.Total) - 1; s.Total[last] != 3 || s.Hits[last] != 2 || len(s.Rules) != 2 || s.Rules[1].Point != "b" {
			t.Errorf("both: %+v", s)
		}
		if s.Since == nil || began.Sub(*s.Since).Abs() > time.Second {
			t.Errorf("since: %v, want %v", s.Since, began)
		}
		if s := rec.Series("b", time.Minute, false); s.Total[len(s.Total)-1] != 1 || s.Rules != nil {
			t.Errorf("b: %+v", s)
		}
		if s := rec.Series("c", time.Minute, false); s.Since != nil || slices.Max(s.Total) != 0 {
			t.Errorf("a point that does not exist: %+v", s)
		}
	})
}

// A reload that drops a point keeps its last hour.
func TestKeep(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		rec.Point("idle")
		rec.Point("kept")
		hit(rec.Point("old"), "a", 0, Failed)
		names := func() (found []string) {
			for _, p := range rec.all() {
				found = append(found, p.name)
			}
			return found
		}
		rec.Keep([]string{"kept"})
		if got := names(); !slices.Equal(got, []string{"kept", "old"}) {
			t.Errorf("after a reload: %q", got)
		}
		time.Sleep(61 * time.Minute)
		rec.Keep([]string{"kept"})
		if got := names(); !slices.Equal(got, []string{"kept"}) {
			t.Errorf("after an hour: %q", got)
		}
	})
}

func TestHistogram(t *testing.T) {
	for took := 50 * time.Microsecond; took < 200*time.Second; took += took / 9 {
		i := half(took)
		low, high := bound(i), bound(i+1)
		if i == halves-1 {
			high = math.Inf(1)
		}
		const rounding = 1.002 // a microsecond at the bounds
		if s := took.Seconds(); s*rounding < low || s > high*rounding {
			t.Errorf("%v is in half %d, from %v to %v", took, i, low, high)
		}
	}
	if got := half(-time.Second); got != 0 {
		t.Errorf("a negative duration is in half %d", got)
	}
	for _, tt := range []struct {
		part, want float64 // of durations from 1 ms to 1 s
	}{{0.5, 0.5}, {0.95, 0.95}, {0.99, 0.99}, {0.01, 0.01}} {
		var h histogram
		for ms := 1; ms <= 1000; ms++ {
			h.add(time.Duration(ms)*time.Millisecond, 1)
		}
		if got := h.percentile(tt.part); !near(got, tt.want, tt.want*0.2) {
			t.Errorf("percentile %v: got %v, want about %v", tt.part, *got, tt.want)
		}
	}
}

// At a high rate, each eighth request is measured and stands for eight.
func TestSampled(t *testing.T) {
	bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
		p := rec.Point("api")
		p.look()
		time.Sleep(time.Second)
		spans := 0
		for range 900 {
			s := p.Begin(false)
			if s.weight > 0 {
				spans++
			}
			p.Passed(s, Succeeded)
		}
		if want := measured + (900-measured)/oneOf; spans != want {
			t.Errorf("%d of 900 requests were measured, want %d", spans, want)
		}
		if sum := p.now.Load().passed.took[0].Load(); sum != 900 {
			t.Errorf("the durations stand for %d requests, want 900", sum)
		}
	})
}

// Although not each request is measured, percentiles of ten seconds stay within a half of
// the histogram, and at a low rate they are those of all requests.
func TestMeasuredPercentiles(t *testing.T) {
	for _, tt := range []struct {
		rate  int
		worst float64 // quotient of what is reported and what all requests took
	}{{10, 1.2}, {50, 1.5}, {100, 1.4}, {1000, 1.25}} {
		bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
			p := rec.Point("api")
			random := rand.New(rand.NewPCG(uint64(tt.rate), 1))
			var off []float64
			for range 40 {
				off = append(off, measureTenSeconds(p, random, tt.rate)...)
			}
			slices.Sort(off)
			if got := off[len(off)*95/100]; got > tt.worst {
				t.Errorf("at %d requests a second, one of 20 percentiles is off by a factor of %.2f, want %.2f", tt.rate, got, tt.worst)
			}
		})
	}
}

// measureTenSeconds lets requests pass for ten seconds at a rate, and returns by what
// factor the median and the 95th percentile are off.
func measureTenSeconds(p *Point, random *rand.Rand, rate int) (off []float64) {
	p.look()
	time.Sleep(time.Minute)
	var all []float64
	for range 10 {
		for range rate {
			took := time.Duration(float64(80*time.Millisecond) * math.Exp(random.NormFloat64()/2))
			all = append(all, took.Seconds())
			s := p.Begin(false)
			s.at -= took
			p.Passed(s, Succeeded)
		}
		time.Sleep(time.Second)
	}
	slices.Sort(all)
	f := p.Summarize(11 * time.Second).All
	for part, got := range map[float64]*float64{0.5: f.P50, 0.95: f.P95} {
		quotient := *got / all[int(part*float64(len(all)-1))]
		off = append(off, max(quotient, 1/quotient))
	}
	return off
}

// Requests of many goroutines are all counted.
func TestParallel(t *testing.T) {
	rec := New(Clock{time.Now, time.Since}, func(string) bool { return true })
	p := rec.Point("api")
	p.look()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 1000 {
				if i%2 == 0 {
					p.Passed(p.Begin(false), Succeeded)
				} else {
					s := p.Begin(true)
					p.Hit("a")
					p.Ended(s, Failed)
				}
			}
		})
	}
	for range 50 {
		p.Summarize(time.Minute)
		rec.Series("", time.Minute, true)
	}
	group.Wait()
	if s := p.Summarize(time.Minute); s.All.Count != 8000 || s.Hit.Count != 4000 || !near(s.All.Success, 0.5, 1e-9) {
		t.Errorf("got %+v", s)
	}
}

// A change of the machine's time does not move what was counted.
func TestClockStep(t *testing.T) {
	var now atomic.Int64
	rec := New(Clock{Now: time.Now, Since: func(time.Time) time.Duration { return time.Duration(now.Load()) }}, func(string) bool { return true })
	p := rec.Point("api")
	p.Passed(p.Begin(false), Succeeded)
	now.Store(int64(5 * time.Second))
	p.now.Store(nil) // as the timer does
	p.Passed(p.Begin(false), Succeeded)
	now.Store(int64(time.Second)) // the clock of a machine that has been suspended may go back
	p.now.Store(nil)
	p.Passed(p.Begin(false), Succeeded)
	now.Store(int64(5 * time.Second))
	if s := p.Summarize(time.Minute); s.All.Count != 3 {
		t.Errorf("got %+v", s.All)
	}
}
