package seen

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"
)

// An event is what has happened at a point, for the model.
type event struct {
	at     time.Duration // since the epoch of the recorder
	hit    bool
	rule   string
	result Result
}

// model counts the events of a point in the simplest way.
type model struct{ events []event }

// count returns how many events have come after a second, how many of them are hits, and
// how many are real errors.
func (m *model) count(after int64) (all, hits, real uint64) {
	for _, e := range m.events {
		if int64(e.at/time.Second) <= after {
			continue
		}
		all++
		if e.hit {
			hits++
		}
		if e.result == RealError {
			real++
		}
	}
	return all, hits, real
}

// rule returns how many hits of a rule have come after a second.
func (m *model) rule(name string, after int64) (hits uint64) {
	for _, e := range m.events {
		if e.hit && e.rule == name && int64(e.at/time.Second) > after {
			hits++
		}
	}
	return hits
}

// happen lets something happen at the point, and records it in the model.
func (m *model) happen(p *Point, random *rand.Rand) {
	e := event{at: p.rec.since(), hit: random.IntN(3) == 0, rule: fmt.Sprintf("r%d", random.IntN(4))}
	if e.hit {
		e.result = Result(random.IntN(2))
		s := p.Begin(true)
		p.Hit(e.rule)
		p.Ended(s, e.result)
	} else {
		e.result = Result(random.IntN(3))
		p.Passed(p.Begin(false), e.result)
	}
	m.events = append(m.events, e)
}

// pause returns a random time between two requests: most are short, some are longer
// than all that a point keeps.
func pause(random *rand.Rand) time.Duration {
	switch random.IntN(40) {
	case 0:
		return time.Duration(random.Int64N(int64(2 * time.Hour)))
	case 1, 2, 3:
		return time.Duration(random.Int64N(int64(5 * time.Minute)))
	default:
		return time.Duration(random.Int64N(int64(20 * time.Second)))
	}
}

// checkSeconds compares the last seconds of a point with the model.
func (m *model) checkSeconds(t *testing.T, p *Point, random *rand.Rand) {
	t.Helper()
	over := 1 + random.Int64N(seconds-1)
	s := p.Summarize(time.Duration(over) * time.Second)
	all, hits, real := m.count(p.rec.second() - over)
	if s.All.Count != all || s.Hit.Count != hits || s.RealErrors != real || s.NotHit.Count != all-hits {
		t.Fatalf("in the last %d s: got %d requests, %d hits, %d real errors, want %d, %d, %d", over, s.All.Count, s.Hit.Count, s.RealErrors, all, hits, real)
	}
}

// checkSeries compares the sums of a series with the model.
func (m *model) checkSeries(t *testing.T, p *Point, random *rand.Rand) {
	t.Helper()
	window := time.Minute + time.Duration(random.Int64N(int64(58*time.Minute)))
	s := p.rec.Series("api", window, true)
	first := int64(s.From.Sub(p.rec.timeOf(0)) / time.Second)
	var got [3]uint64
	for i := range s.Total {
		got[0], got[1], got[2] = got[0]+s.Total[i], got[1]+s.Hits[i], got[2]+s.Real[i]
	}
	all, hits, real := m.count(first - 1)
	if want := [3]uint64{all, hits, real}; got != want {
		t.Fatalf("in the last %v: got %v, want %v", window, got, want)
	}
	for _, r := range s.Rules {
		if want := m.rule(r.Rule, first-1); r.Count != want {
			t.Fatalf("in the last %v: %d hits of %s, want %d", window, r.Count, r.Rule, want)
		}
	}
}

// TestModel compares points with a model, with requests and pauses at random.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T, rec *Recorder, _ *atomic.Bool) {
				random := rand.New(rand.NewPCG(seed, 0))
				p, m := rec.Point("api"), new(model)
				p.look()
				for range 1500 {
					// Not at the end of a second, when the timer that ends it may be late.
					time.Sleep(pause(random).Truncate(time.Second) + time.Duration(random.IntN(3))*time.Second)
					m.happen(p, random)
					if random.IntN(8) == 0 {
						m.checkSeconds(t, p, random)
						m.checkSeries(t, p, random)
					}
				}
			})
		})
	}
}

// TestRing checks a ring across its own size.
func TestRing(t *testing.T) {
	for _, tt := range []struct {
		name string
		at   []int64 // seconds of hits
		now  int64
		from int64
		want uint64
	}{
		{"none", nil, 500, 0, 0},
		{"one", []int64{1000}, 1000, 990, 1},
		{"before the time", []int64{1000, 1001}, 1001, 1000, 1},
		{"two in a second", []int64{1000, 1000}, 1119, 999, 2},
		{"left the seconds", []int64{1000, 1009, 1010}, 1131, 999, 3},
		{"left the seconds, its ten began before", []int64{1000, 1010}, 1140, 1005, 1},
		{"an hour", []int64{1000, 1500}, 4599, 999, 2},
		{"more than an hour and two minutes", []int64{1000, 1500}, 5300, 0, 0},
		{"a long time", []int64{1000}, 100_000, 0, 0},
		{"second 0", []int64{0}, 5, -1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := new(ring)
			for _, no := range tt.at {
				r.turn(no)
				r.second[no%seconds]++
			}
			r.turn(tt.now)
			got := uint64(0)
			r.each(tt.from, func(second int64, hits uint64) {
				if second <= tt.from || second > tt.now {
					t.Errorf("hits in second %d, which is not after %d and up to %d", second, tt.from, tt.now)
				}
				got += hits
			})
			if got != tt.want {
				t.Errorf("got %d hits, want %d", got, tt.want)
			}
		})
	}
}
