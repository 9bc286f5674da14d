package kinds

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

func TestDelay(t *testing.T) {
	tests := []struct {
		line     string
		min, max time.Duration
	}{
		{"delay 1h", time.Hour, time.Hour},
		{"delay 1d", 24 * time.Hour, 24 * time.Hour},
		{"delay 200ms 2s", 200 * time.Millisecond, 2 * time.Second},
		{"delay 1s 1s", time.Second, time.Second},
		{"delay 0s 1s", 0, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Delay), tt.line)
				r := request(http.MethodGet)
				start := time.Now()
				var took time.Duration
				resp, err := runFault(t, f, r, func(http.ResponseWriter, *http.Request) error {
					took = time.Since(start)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if took < tt.min || took > tt.max {
					t.Errorf("waited %v, want %v to %v", took, tt.min, tt.max)
				}
				timing := resp.Header.Get("Server-Timing")
				if !strings.HasPrefix(timing, "fault;dur=") {
					t.Errorf("got Server-Timing %q", timing)
				}
			})
		})
	}
}

func TestDelayServerTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Delay), "delay 299051636ns")
		resp, err := runFault(t, f, request(http.MethodGet), func(http.ResponseWriter, *http.Request) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		if got, want := resp.Header.Get("Server-Timing"), "fault;dur=299.051636"; got != want {
			t.Errorf("got Server-Timing %q, want %q", got, want)
		}
	})
}

// A client that leaves ends the wait. The upstream does not get the request.
func TestDelayClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Delay), "delay 1h")
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		w := httptest.NewRecorder()
		err := f.Inject(hitIn(ctx), w, request(http.MethodGet).WithContext(ctx), notCalled(t))
		he, ok := err.(caddyhttp.HandlerError)
		if !ok || he.StatusCode != 499 {
			t.Errorf("got error %v, want status 499", err)
		}
		if len(w.Header()) > 0 {
			t.Errorf("wrote header %v after the client had left", w.Header())
		}
	})
}

func TestDelayRefused(t *testing.T) {
	waits := func(pairs ...any) map[string]caddy.Duration {
		m := make(map[string]caddy.Duration)
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = caddy.Duration(pairs[i+1].(int))
		}
		return m
	}
	for _, tt := range []struct {
		f    Delay
		want string
	}{
		{Delay{Duration: -1}, "bad delay duration '-1ns': must not be negative"},
		{Delay{Min: -1, Max: 1}, "bad delay min '-1ns': must not be negative"},
		{Delay{Max: -1}, "bad delay max '-1ns': must not be negative"},
		{Delay{Deviation: -1}, "bad delay deviation '-1ns': must not be negative"},
		{Delay{Median: 1, Sigma: -1}, "bad delay sigma '-1'"},
		{Delay{Median: 1, Sigma: math.NaN()}, "bad delay sigma 'NaN'"},
		{Delay{Scale: 1, Shape: math.Inf(1)}, "bad delay shape '+Inf'"},
		{Delay{Min: 2, Max: 1}, "min '2ns' is greater than max '1ns'"},
		{Delay{Min: 2}, "min '2ns' is greater than max '0s'"},
		{Delay{Duration: 1, Max: 1}, "delay has fields of two distributions, fixed and uniform"},
		{Delay{Mean: 1, Percentiles: waits("p50", 1)}, "two distributions, normal and percentiles"},
		{Delay{Sigma: 1}, "bad delay median '0s'"},
		{Delay{Scale: 1}, "scale and shape of pareto must be greater than 0, not '1ns' and '0'"},
		{Delay{Distribution: "gauss", Mean: 1}, "bad distribution 'gauss'"},
		{Delay{Distribution: "normal"}, "distribution 'normal' has none of its fields"},
		{Delay{Distribution: "normal", Max: 1}, "distribution 'normal' does not match the fields, which are of uniform"},
		{Delay{Percentiles: waits("50", 1)}, "bad percentile '50'"},
		{Delay{Percentiles: waits("p101", 1)}, "bad percentile 'p101'"},
		{Delay{Percentiles: waits("pNaN", 1)}, "bad percentile 'pNaN'"},
		{Delay{Percentiles: waits("p50", 1, "p50.0", 2)}, "percentiles 'p50' and 'p50.0' are the same"},
		{Delay{Percentiles: waits("p50", 2, "p9", 3)}, "percentile 'p50' of '2ns' is below 'p9' of '3ns'"},
		{Delay{Percentiles: waits("p50", -1)}, "percentile 'p50' of '-1ns' is below zero"},
		{Delay{}, `the wait is 0; write a duration above 0, such as delay 250ms, or in JSON {"fault": "delay", "duration": "250ms"}`},
		{Delay{Hold: true}, "the wait is 0"},
		{Delay{AtLeast: 1}, "the wait is 0"},
		{Delay{Percentiles: waits("p0", 0, "p100", 0)}, "the wait is 0"},
		{Delay{Duration: 1, AtLeast: -1}, "bad delay at_least '-1ns': must not be negative"},
		{Delay{Duration: 1, AtMost: -1}, "bad delay at_most '-1ns': must not be negative"},
		{Delay{Max: 1, AtLeast: 2, AtMost: 1}, "at_most '1ns' is less than at_least '2ns'"},
		{Delay{Median: 3, Sigma: 1, AtMost: 2}, "at_most '2ns' is less than the median '3ns'"},
	} {
		if err := tt.f.Validate(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.f, err, tt.want)
		}
	}
}

// The quantiles of the drawn waits are within 2 % of the theoretical ones.
func TestDelayDistributions(t *testing.T) {
	const n = 100_000
	ms := float64(time.Millisecond)
	tests := []struct {
		line string
		want map[float64]float64 // in milliseconds
	}{
		{"delay 10ms", map[float64]float64{0.01: 10, 0.5: 10, 0.99: 10}},
		{"delay 100ms 300ms", map[float64]float64{0.1: 120, 0.5: 200, 0.99: 298}},
		{"delay normal 100ms 10ms", map[float64]float64{0.0228: 80, 0.1587: 90, 0.5: 100, 0.8413: 110, 0.9772: 120}},
		{"delay lognormal 100ms 0.5", map[float64]float64{0.1587: 60.65, 0.5: 100, 0.8413: 164.87, 0.9772: 271.83}},
		{"delay pareto 100ms 2", map[float64]float64{0.5: 141.42, 0.75: 200, 0.96: 500}},
		{"delay percentiles p50=100ms p90=200ms p99=1s", map[float64]float64{0.25: 50, 0.5: 100, 0.8: 175, 0.95: 644.4, 0.995: 1000}},
		{"delay percentiles p0=50ms p100=150ms", map[float64]float64{0.1: 60, 0.5: 100, 0.9: 140}},
		{"delay lognormal 100ms 1 {\n at_least 80ms\n at_most 120ms\n}", map[float64]float64{0.1: 80, 0.5: 100, 0.9: 120}},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			f := parse(t, new(Delay), tt.line)
			waits := make([]float64, n)
			for i := range waits {
				hit := faults.Hit{N: uint64(i + 1), U: (float64(i) + 0.5) / n}
				waits[i] = float64(f.wait(hit.Rand().Float64()))
			}
			slices.Sort(waits)
			for p, want := range tt.want {
				if got := waits[int(p*n)] / ms; math.Abs(got-want) > want*0.02 {
					t.Errorf("quantile %v: got %.1f ms, want %v ms within 2 %%", p, got, want)
				}
			}
		})
	}
}

// No draw gives a negative wait or an overflow.
func TestDelayAtTheEdges(t *testing.T) {
	for _, line := range []string{
		"delay 1s", "delay 0s 1s", "delay normal 1ms 1h", "delay lognormal 1h 10", "delay pareto 1h 0.01",
		"delay percentiles p50=1s", "delay percentiles p0=1s p100=2s",
	} {
		f := parse(t, new(Delay), line)
		for _, u := range []float64{0, 1e-300, 0.5, math.Nextafter(1, 0)} {
			if wait := f.wait(u); wait < 0 {
				t.Errorf("%s: wait(%v) = %v", line, u, wait)
			}
		}
	}
}

// With hold, the client waits for the longer of the two times, not for their sum.
func TestDelayHold(t *testing.T) {
	tests := []struct {
		name           string
		upstream, want time.Duration
		marked         string
	}{
		{"fast upstream", time.Second, time.Minute, "fault;dur=59000"},
		{"slow upstream", time.Hour, time.Hour, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Delay), "delay 1m {\n hold\n}")
				r := request(http.MethodGet)
				r = r.WithContext(withHit(r.Context(), &faults.Hit{N: 1, Listener: &heard{began: time.Now()}}))
				start := time.Now()
				w := &stamped{ResponseRecorder: httptest.NewRecorder()}
				err := f.Inject(hitOf(r), w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
					w.WriteHeader(http.StatusEarlyHints)
					time.Sleep(tt.upstream)
					_, err := w.Write([]byte("hello"))
					return err
				}))
				if err != nil {
					t.Fatal(err)
				}
				if early := w.interim.Sub(start); early != 0 {
					t.Errorf("the interim reply took %v", early)
				}
				if took := w.final.Sub(start); took != tt.want {
					t.Errorf("the reply took %v, want %v", took, tt.want)
				}
				if got := w.Header().Get("Server-Timing"); got != tt.marked {
					t.Errorf("got Server-Timing %q, want %q", got, tt.marked)
				}
			})
		})
	}
}

// stamped records when the heads came.
type stamped struct {
	*httptest.ResponseRecorder
	interim, final time.Time
}

func (s *stamped) WriteHeader(code int) {
	if code < 200 {
		s.interim = time.Now()
		return
	}
	s.ResponseRecorder.WriteHeader(code)
}

func (s *stamped) Write(p []byte) (int, error) {
	if s.final.IsZero() {
		s.final = time.Now()
	}
	return s.ResponseRecorder.Write(p)
}

// Hold also applies to a reply that never comes: the error routes must not be faster.
func TestDelayHoldsErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Delay), "delay 1m {\n hold\n}")
		start := time.Now()
		want := caddyhttp.Error(502, nil)
		_, err := runFault(t, f, request(http.MethodGet), func(http.ResponseWriter, *http.Request) error { return want })
		if err != error(want) || time.Since(start) != time.Minute {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

// A client that leaves while its reply is held gets nothing of it.
func TestDelayHoldClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := parse(t, new(Delay), "delay 1h {\n hold\n}")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		err := f.Inject(hitIn(ctx), w, request(http.MethodGet).WithContext(ctx), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.Write([]byte("hello"))
			return err
		}))
		if he, ok := errors.AsType[caddyhttp.HandlerError](err); !ok || he.StatusCode != 499 || w.Body.Len() > 0 {
			t.Errorf("got %v and %q", err, w.Body)
		}
	})
}

// In a transport, the listener learns the delay of an attempt: all of it, or what hold
// added to the upstream's own time.
func TestDelayOfAttempt(t *testing.T) {
	tests := []struct {
		line       string
		took, told time.Duration
		marked     string
	}{
		{"delay 1m", time.Minute + time.Second, time.Minute, "fault;dur=60000"},
		{"delay 1m {\n hold\n}", time.Minute, 59 * time.Second, "fault;dur=59000"},
		{"delay 1ms {\n hold\n}", time.Second, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.line, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := parse(t, new(Delay), tt.line)
				start := time.Now()
				told := heard{began: start}
				hit := &faults.Hit{N: 1, Listener: &told}
				r := request(http.MethodGet)
				resp, err := f.RoundTrip(hit, r, transportFunc(func(r *http.Request) (*http.Response, error) {
					time.Sleep(time.Second)
					return newHead(r, http.StatusOK, "OK", make(http.Header)), nil
				}))
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != tt.took || told.delayed != tt.told {
					t.Errorf("took %v and reported %v, want %v and %v", took, told.delayed, tt.took, tt.told)
				}
				if got := resp.Header.Get("Server-Timing"); got != tt.marked {
					t.Errorf("got Server-Timing %q, want %q", got, tt.marked)
				}
			})
		})
	}
}

// A halt during the attempt leaves nothing to hold.
func TestDelayOfAttemptHalted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		told := heard{began: time.Now()}
		hit := &faults.Hit{N: 1, Listener: &told, Ended: ended}
		resp, err := parse(t, new(Delay), "delay 1m {\nhold\n}").RoundTrip(hit, request(http.MethodGet), transportFunc(func(r *http.Request) (*http.Response, error) {
			close(ended)
			return newHead(r, http.StatusOK, "OK", make(http.Header)), nil
		}))
		if err != nil || told.told != "" || resp.Header.Get("Server-Timing") != "" {
			t.Errorf("told %q, got %v, error %v, want the reply unchanged", told.told, resp, err)
		}
	})
}

// A fault that ends while it waits skips the rest of its chain and reports how long it
// has waited. A fault that waits to its end does neither.
func TestDelayEnded(t *testing.T) {
	respond := parse(t, new(Respond), "respond 503")
	delay := func() faults.Fault { return parse(t, new(Delay), "delay 10s") }
	sequence := reload(t, unmarshal(t, new(Sequence), "sequence loop {\n delay 10s\n}"), new(Sequence))
	tests := []struct {
		name   string
		chain  faults.Chain
		ended  time.Duration
		status int
		marked string
	}{
		{"whole", faults.Chain{delay(), respond}, time.Minute, 503, "fault;dur=10000"},
		{"ended", faults.Chain{delay(), respond}, time.Second, 200, "fault;dur=1000"},
		{"two delays", faults.Chain{delay(), delay(), respond}, time.Second, 200, "fault;dur=1000"},
		{"last of a branch", faults.Chain{parseChoose(t, "1 {\n delay 10s\n}"), respond}, time.Second, 200, "fault;dur=1000"},
		{"within a branch", faults.Chain{parseChoose(t, "1 {\n delay 10s\n respond 503\n}")}, time.Second, 200, "fault;dur=1000"},
		{"of a step", faults.Chain{sequence, respond}, time.Second, 200, "fault;dur=1000"},
		{"held", faults.Chain{parse(t, new(Delay), "delay 10s {\n hold\n}")}, time.Second, 200, "fault;dur=1000"},
	}
	for _, tt := range tests {
		inHandler := func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			err := tt.chain.Inject(hitOf(r), w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
				w.WriteHeader(http.StatusOK)
				return nil
			}))
			return w.Result(), err
		}
		inTransport := func(r *http.Request) (*http.Response, error) {
			return tt.chain.RoundTrip(hitOf(r), r, transportFunc(func(r *http.Request) (*http.Response, error) {
				return newHead(r, http.StatusOK, "OK", make(http.Header)), nil
			}))
		}
		for place, run := range map[string]transportFunc{"handler": inHandler, "transport": inTransport} {
			t.Run(tt.name+" in a "+place, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ended := make(chan struct{})
					defer time.AfterFunc(tt.ended, func() { close(ended) }).Stop()
					told := heard{began: time.Now()}
					hit := &faults.Hit{N: 1, Ended: ended, Listener: &told}
					r := request(http.MethodGet)
					resp, err := run(r.WithContext(withHit(r.Context(), hit)))
					if err != nil {
						t.Fatal(err)
					}
					if got := resp.Header.Get("Server-Timing"); resp.StatusCode != tt.status || got != tt.marked || told.delayed != time.Since(told.began) {
						t.Errorf("got %d, Server-Timing %q, reported %v after %v; want %d, %q", resp.StatusCode, got, told.delayed, time.Since(told.began), tt.status, tt.marked)
					}
				})
			})
		}
	}
}

// A drawn wait of zero is not a hit. Neither is a reply that is later than hold.
func TestDelayOfNothing(t *testing.T) {
	waits := map[bool]int{}
	for u := range 20 {
		synctest.Test(t, func(t *testing.T) {
			for _, line := range []string{"delay normal 1ms 1s", "delay normal 1ms 1s {\n hold\n}"} {
				told := &heard{began: time.Now()}
				hit := &faults.Hit{N: 1, U: float64(u) / 20, Listener: told}
				w, began := httptest.NewRecorder(), time.Now()
				if err := parse(t, new(Delay), line).Inject(hit, w, request(http.MethodGet), sized("text", 4)); err != nil {
					t.Fatal(err)
				}
				want := "hit"
				if time.Since(began) == 0 {
					want = passNoDelay
				}
				waits[want == "hit"]++
				if marked := w.Header().Get("Server-Timing") != ""; told.told != want || marked != (want == "hit") {
					t.Errorf("%s waited %v: reported %q, marked %v", line, time.Since(began), told.told, marked)
				}
			}
		})
	}
	if waits[true] == 0 || waits[false] == 0 {
		t.Errorf("only one of the cases occurred: %v", waits)
	}
}

// A ramp rises with the time since the rule started, and then stays.
func TestDelayRamp(t *testing.T) {
	f := parse(t, new(Delay), "delay ramp 100ms 5s 10m")
	for _, tt := range []struct{ elapsed, want time.Duration }{
		{0, 100 * time.Millisecond},
		{time.Minute, 590 * time.Millisecond},
		{5 * time.Minute, 2550 * time.Millisecond},
		{10 * time.Minute, 5 * time.Second},
		{24 * time.Hour, 5 * time.Second},
	} {
		for _, hold := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				f.Hold = hold
				r, began := request(http.MethodGet), time.Now()
				hit := &faults.Hit{N: 1, U: 0.9, Memory: &memory{elapsed: tt.elapsed}}
				r = r.WithContext(withHit(r.Context(), hit))
				if _, err := runFault(t, f, r, sized("x", 1)); err != nil || time.Since(began) != tt.want {
					t.Errorf("after %v, hold %v: took %v, error %v, want %v", tt.elapsed, hold, time.Since(began), err, tt.want)
				}
			})
		}
		want := "the delay is currently " + tt.want.String() + " of 5s"
		if what, idle := f.Foresee(&memory{elapsed: tt.elapsed}); what != want || idle {
			t.Errorf("after %v: got %q, %v, want %q", tt.elapsed, what, idle, want)
		}
	}
	if what, idle := parse(t, new(Delay), "delay 1s").Foresee(new(memory)); what != "" || idle {
		t.Errorf("a fixed delay foresees %q, %v", what, idle)
	}
}

// A client cannot ask for a ramp, because its rule has no start.
func TestDelayRampUntrusted(t *testing.T) {
	if err := unmarshal(t, new(Delay), "delay ramp 0s 1s 1m").Untrusted(&faults.Limits{Time: time.Hour}); err == nil {
		t.Error("a ramp is not refused")
	}
}
