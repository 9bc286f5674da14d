package clients

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"
)

// A policy returns the wait before the first retry, in seconds, and whether there is one.
type policy struct {
	name string
	wait func(r *rand.Rand, base float64) (float64, bool)

	// The shares of clients that are told no_jitter, and of faults that are told wave.
	jitterLeast, jitterMost float64
	waveLeast, waveMost     float64
}

func spreadWait(from, to float64) func(*rand.Rand, float64) (float64, bool) {
	return func(r *rand.Rand, base float64) (float64, bool) { return base * (from + (to-from)*r.Float64()), true }
}

var policies = []policy{
	{"none", func(*rand.Rand, float64) (float64, bool) { return 0, false }, 0, 0, 0, 0.01},
	{"fixed", spreadWait(1, 1), 0.98, 1, 0.99, 1},
	{"exponential", spreadWait(1, 1), 0.98, 1, 0.99, 1}, // the first wait of which is fixed
	{"±10 %", spreadWait(0.9, 1.1), 0, 0.01, 0.9, 1},
	{"equal jitter", spreadWait(0.5, 1), 0, 0.001, 0, 0.15},
	{"full jitter", spreadWait(0, 1), 0, 0.001, 0, 0.01},
}

// noise is what a network and a timer add to a wait: 2 ms as a rule, and 10 to 40 ms for
// one wait in thirty.
func noise(r *rand.Rand) float64 {
	wait := 0.002 * max(r.NormFloat64(), -r.NormFloat64(), 0)
	if r.Float64() < 0.03 {
		wait += 0.01 + 0.03*r.Float64()
	}
	return wait
}

// loaded is the same of a machine or a network that is busy: up to 60 ms.
func loaded(r *rand.Rand) float64 { return 0.06 * r.Float64() }

// oneRetry is a call that was tried again after a wait.
func oneRetry(client string, n int, at time.Time, wait float64) Call {
	end := at.Add(time.Millisecond)
	return Call{
		Client: client, ID: strconv.Itoa(n), By: ByKey, Point: "api", Method: http.MethodGet, MayRepeat: true, Outcome: Recovered, Count: 2,
		Attempts: []Attempt{
			{N: 1, Start: at, End: end, Outcome: Reply, Status: 503, Rule: "busy"},
			{N: 2, Start: end.Add(time.Duration(wait * float64(time.Second))), Outcome: Passed, Status: 200},
		},
	}
}

// rateOfNoJitter returns how many of simulated clients of a policy are told no_jitter, with
// base waits of 0.2, 0.5 and 1 s.
func rateOfNoJitter(p policy, calls, clients int, noise func(*rand.Rand) float64) (rate float64) {
	r := rand.New(rand.NewPCG(17, 4))
	start := time.Unix(1_800_000_000, 0)
	var ev Evidence
	for i, base := range []float64{0.2, 0.5, 1} {
		for j := range clients / 3 {
			client := fmt.Sprintf("%s %d %04d", p.name, i, j)
			for n := range calls {
				if wait, ok := p.wait(r, base); ok {
					ev.Calls = append(ev.Calls, oneRetry(client, n, start, wait+noise(r)))
				}
			}
		}
	}
	told := 0
	for _, name := range names(Judge(ev, Settings{})) {
		if name == "warning "+NoJitter {
			told++
		}
	}
	return float64(told) / float64(clients)
}

// TestCalibrateNoJitter holds how often no_jitter is right, for 1,200 simulated clients of
// each policy. On a loaded network fixed waits are not found; jitter is never taken for
// a fixed wait.
func TestCalibrateNoJitter(t *testing.T) {
	const clients = 1200
	for _, p := range policies {
		for _, calls := range []int{jitterNeeds, 50} {
			rate := rateOfNoJitter(p, calls, clients, noise)
			t.Logf("%s, %d calls: %.1f %% of %d clients are told no_jitter", p.name, calls, 100*rate, clients)
			if rate < p.jitterLeast || rate > p.jitterMost {
				t.Errorf("%s: %.3f are told no_jitter, want %v to %v", p.name, rate, p.jitterLeast, p.jitterMost)
			}
		}
		rate := rateOfNoJitter(p, jitterNeeds, clients, loaded)
		t.Logf("%s, %d calls, a loaded network: %.1f %% of %d clients are told no_jitter", p.name, jitterNeeds, 100*rate, clients)
		if p.jitterLeast == 0 && rate > p.jitterMost {
			t.Errorf("%s: %.3f are told no_jitter on a loaded network, want %v at most", p.name, rate, p.jitterMost)
		}
	}
}

// arrival is a request of a simulated client.
type arrival struct {
	at     float64
	client int
}

// heldTogether plays a minute of requests, a fault that holds all clients and lets them
// go at once without a reply, and the ten seconds after it.
func heldTogether(r *rand.Rand, p policy, clients int, think, base float64) Report {
	const before, held, after = 61.0, 5.0, 10.0
	var arrivals []arrival
	for c := range clients {
		for at := think * r.ExpFloat64(); at < before; at += think * r.ExpFloat64() {
			arrivals = append(arrivals, arrival{at, c})
		}
		wait, ok := p.wait(r, base)
		if !ok {
			wait = think * r.ExpFloat64()
		}
		for at := before + held + wait + noise(r); at < before+held+after; at += think * r.ExpFloat64() {
			arrivals = append(arrivals, arrival{at, c})
		}
	}
	slices.SortFunc(arrivals, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })

	w := newWorld(Settings{})
	w.Watch(time.Hour)
	start := w.at
	move := func(at float64) { w.at = start.Add(time.Duration(at * float64(time.Second))) }
	requests := make([]*Request, clients)
	for c := range requests {
		requests[c] = get("/orders")
		requests[c].Client = "client " + strconv.Itoa(c)
	}
	fault := func() {
		visits := make([]Visit, clients)
		for c := range visits {
			move(before + held*float64(c)/float64(2*clients))
			visits[c] = w.hit(requests[c])
		}
		move(before + held)
		for _, v := range visits {
			v.End(Result{Outcome: NoReply, RetryAfter: -1})
		}
		w.point.End("")
	}
	broken := false
	for _, a := range arrivals {
		if a.at >= before && !broken {
			broken = true
			fault()
		}
		move(a.at)
		v := w.point.Arrive(requests[a.client])
		v.End(replied(200, -1))
	}
	move(before + held + after + 1)
	return w.judge()
}

// TestCalibrateWave holds how often wave is right, for 60 faults that hold and release
// 50 to 400 clients with a base wait of 0.5 or 1 s: 11,000 clients of each policy. Equal
// jitter of 0.5 s lets them come back within 250 ms, which now and then is a wave.
func TestCalibrateWave(t *testing.T) {
	for _, p := range policies {
		r := rand.New(rand.NewPCG(17, 5))
		faults, told, clients, ratio := 0, 0, 0, 0.0
		for _, n := range []int{50, 100, 400} {
			for _, base := range []float64{0.5, 1} {
				for i := range 10 {
					report := heldTogether(r, p, n, []float64{2, 5}[i%2], base)
					faults, clients = faults+1, clients+n
					for _, period := range report.Periods {
						ratio = max(ratio, period.PeakAfter / *period.BaselineRate)
						for _, f := range period.Findings {
							if f.Finding == Wave {
								told++
							}
						}
					}
				}
			}
		}
		rate := float64(told) / float64(faults)
		t.Logf("%s: %.1f %% of %d faults with %d clients are told wave, peaks up to %.1f times the rate before", p.name, 100*rate, faults, clients, ratio)
		if rate < p.waveLeast || rate > p.waveMost {
			t.Errorf("%s: %.3f are told wave, want %v to %v", p.name, rate, p.waveLeast, p.waveMost)
		}
	}
}
