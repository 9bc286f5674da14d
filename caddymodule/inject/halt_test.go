package inject

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// waits are rules that hold a request without an end.
var waits = []struct{ name, rule string }{
	{"delay", `"faults": [{"fault": "delay", "duration": "1h"}]`},
	{"hang", `"faults": [{"fault": "hang"}]`},
	{"response", `"phase": "response", "faults": [{"fault": "delay", "duration": "1h"}]`},
}

const heldAtOnce = 10_000

// haltAll holds requests by a rule, halts, and returns how long the last wait takes to
// end. It does not include what the requests do afterwards, such as answering. Settle
// waits until all goroutines wait.
func haltAll(tb testing.TB, rule string, settle func()) time.Duration {
	tb.Helper()
	h := load(tb, `{"point": "halt", "rules": [{`+rule+`}]}`, "")
	var ended atomic.Int64
	var last atomic.Pointer[time.Time]
	var all sync.WaitGroup
	upstream := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	for range heldAtOnce {
		all.Go(func() {
			w := &testkit.Discard{Fields: make(http.Header)}
			defer func() {
				_ = recover() // as net/http does for a hang
				if ended.Add(1) == heldAtOnce {
					now := time.Now()
					last.Store(&now)
				}
			}()
			_ = h.ServeHTTP(w, testkit.Request(http.MethodGet, "/", w), upstream)
		})
	}
	for h.ctl.Active.Load() < heldAtOnce {
		settle()
	}
	settle()
	if n := ended.Load(); n > 0 {
		tb.Fatalf("%d requests are not held", n)
	}
	began := time.Now()
	h.ctl.Switch.Set(experiments.State{Halted: true})
	all.Wait()
	return last.Load().Sub(began)
}

// TestHaltEndsAllWaits checks that a halt ends ten thousand waits at once: no wait
// polls, and none depends on another. In the bubble, time passes only while all
// goroutines wait. BenchmarkHalt measures the real time.
func TestHaltEndsAllWaits(t *testing.T) {
	for _, wait := range waits {
		t.Run(wait.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if took := haltAll(t, wait.rule, synctest.Wait); took > 0 {
					t.Errorf("the last wait ends %v after the halt", took)
				}
			})
		})
	}
}

// BenchmarkHalt measures the same in real time.
func BenchmarkHalt(b *testing.B) {
	for _, wait := range waits {
		b.Run(wait.name, func(b *testing.B) {
			var sum time.Duration
			for b.Loop() {
				sum += haltAll(b, wait.rule, func() { time.Sleep(100 * time.Millisecond) })
			}
			b.ReportMetric(float64(sum.Milliseconds())/float64(b.N), "last-wait-ms")
		})
	}
}
