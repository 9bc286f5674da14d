package clients

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

func sameBody(c *Call) {
	for i := range c.Attempts[1:] {
		c.Attempts[i+1].Body = SameBody
	}
}

// leave makes one attempt for each body. All have the same fingerprint, and the client
// leaves each.
func (w *world) leave(method string, bodies ...uint64) {
	for _, body := range bodies {
		v := w.hit(request(method, "/orders"))
		w.wait(2 * time.Second)
		v.End(Result{Outcome: Left, Body: body, RetryAfter: -1})
		w.wait(time.Second)
	}
}

// TestBodies holds what the bodies of attempts say that nothing names.
func TestBodies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bodies []uint64
		shown  string // by attempt, the first letter
		want   string // the level of unsafe_retry, or why it is undecided
	}{
		{"the same", []uint64{7, 7}, "-s", "warning"},
		{"another one", []uint64{7, 8}, "-o", ""},
		{"unknown", []uint64{0, 0}, "--", whyGuess},
		{"known once", []uint64{7, 0, 7}, "---", whyGuess},
		{"the same later", []uint64{0, 7, 7}, "--s", "warning"},
		{"by turns", []uint64{7, 8, 7, 8}, "-ooo", ""},
		{"after another one", []uint64{7, 8, 8}, "-os", "warning"},
		{"with a gap", []uint64{7, 7, 8, 7, 7, 7, 7, 7, 7, 7}, "-so-ssss", "warning"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(Settings{})
			w.leave(http.MethodPost, tt.bodies...)
			call := w.Evidence().Calls[0]
			shown := ""
			for _, a := range call.Attempts {
				shown += string((string(a.Body) + "-")[0])
			}
			check(t, "bodies", shown, tt.shown)
			check(t, UnsafeRetry, sayOf(w.judge(), UnsafeRetry), tt.want)
		})
	}
}

// sayOf returns the level of a finding of the only client, or why it is undecided.
func sayOf(r Report, finding string) string {
	for _, f := range r.Clients[0].Findings {
		if f.Finding == finding {
			return string(f.Level)
		}
	}
	for _, u := range r.Clients[0].Undecided {
		if u.Finding == finding {
			return u.Why
		}
	}
	return ""
}

// TestBodiesOverlap holds that equal bodies prove nothing if requests overlap.
func TestBodiesOverlap(t *testing.T) {
	w := newWorld(Settings{})
	first, second := w.hit(request(http.MethodPost, "/a")), w.hit(request(http.MethodPost, "/b"))
	first.End(replied(200, -1))
	second.End(replied(200, -1))
	w.leave(http.MethodPost, 7, 7)
	check(t, UnsafeRetry, sayOf(w.judge(), UnsafeRetry), whyOverlap)
}

// TestBodiesWaits holds that no wait is measured between requests with different bodies.
func TestBodiesWaits(t *testing.T) {
	w := newWorld(Settings{})
	w.leave(http.MethodPost, 7, 8, 8)
	call := w.Evidence().Calls[0]
	var waits []float64
	for _, wait := range call.waits() {
		waits = append(waits, wait.seconds)
	}
	if !slices.Equal(waits, []float64{1}) {
		t.Errorf("got waits of %v seconds, want one of 1 s", waits)
	}
	call.By = ByKey
	check(t, "waits of a named call", len(call.waits()), 2)
}
