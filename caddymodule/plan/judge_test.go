package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// aCall returns a call that was hit, began at a time and waited between its attempts.
func aCall(id string, began time.Time, wait time.Duration, outcome clients.Outcome, attempts int) clients.Call {
	after := 1.0
	c := clients.Call{
		Client: "app/1", ID: id, By: clients.ByKey, Point: "api", Method: "GET", Path: "/orders", MayRepeat: true, Outcome: outcome, Count: attempts,
	}
	for n := range attempts {
		a := clients.Attempt{N: n + 1, Start: began, End: began.Add(time.Millisecond), Outcome: clients.Reply, Status: 503, Rule: "test.a.down", RetryAfter: &after}
		if n == attempts-1 && outcome == clients.Recovered {
			a.Status, a.Rule, a.RetryAfter = 200, "", nil
		}
		c.Attempts = append(c.Attempts, a)
		began = a.End.Add(wait)
	}
	return c
}

// What clients did after a fault decides the expectations of a stage.
func TestExpectCalls(t *testing.T) {
	const polite, hasty = 1100 * time.Millisecond, 100 * time.Millisecond
	began := func(w *world) time.Time { return w.began.Add(2 * time.Second) }
	for _, tt := range []struct {
		name, expect string
		calls        func(w *world) []clients.Call
		why          string // empty: it holds
		evidence     int
	}{
		{
			name:   "polite",
			expect: "no retry_after_ignored",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", began(w), polite, clients.Recovered, 2)}
			},
		},
		{
			name:   "hasty",
			expect: "no retry_after_ignored",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", began(w), hasty, clients.Recovered, 2), aCall("2", began(w), hasty, clients.Recovered, 2)}
			},
			why:      "app/1: error retry_after_ignored: waited 0.10 s",
			evidence: 1,
		},
		{
			name:   "hasty, by level",
			expect: "no error",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", began(w), hasty, clients.Recovered, 2)}
			},
			why:      "app/1: error retry_after_ignored",
			evidence: 1,
		},
		{
			name:   "undecided",
			expect: "no no_jitter",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", began(w), polite, clients.Recovered, 2)}
			},
			why: "no_jitter is undecided",
		},
		{
			name:   "nothing",
			expect: "no error",
			calls:  func(*world) []clients.Call { return nil },
			why:    "saw nothing: no call of a client was hit",
		},
		{
			name:   "only calls before the stage",
			expect: "recovered",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", w.began.Add(-time.Minute), polite, clients.Recovered, 2)}
			},
			why: "saw nothing: no call that may be repeated was hit",
		},
		{
			name:   "recovered",
			expect: "recovered",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", began(w), polite, clients.Recovered, 2)}
			},
		},
		{
			name:   "gave up",
			expect: "recovered",
			calls: func(w *world) []clients.Call {
				return []clients.Call{aCall("1", began(w), polite, clients.Recovered, 2), aCall("2", began(w), polite, clients.Open, 1)}
			},
			why:      "1 of 2 calls did not succeed in the end",
			evidence: 1,
		},
		{
			name:   "may not be repeated",
			expect: "recovered",
			calls: func(w *world) []clients.Call {
				c := aCall("1", began(w), polite, clients.GaveUp, 1)
				c.MayRepeat = false
				return []clients.Call{c}
			},
			why: "saw nothing",
		},
		{
			name:   "many gave up",
			expect: "recovered",
			calls: func(w *world) (all []clients.Call) {
				for i := range 30 {
					all = append(all, aCall(fmt.Sprint(i), began(w), polite, clients.GaveUp, 1))
				}
				return all
			},
			why:      "30 of 30 calls did not succeed in the end",
			evidence: maxEvidence,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, r := play(t, "stage a {\n"+down+"run test 7s 0\nexpect "+tt.expect+"\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
				w.nodes[0].evidence.Calls = tt.calls(w)
			})
			e := r.Stages[0].Expects[len(r.Stages[0].Expects)-1]
			if e.Text != tt.expect || e.Holds != (tt.why == "") || !strings.HasPrefix(e.Why, tt.why) || len(e.Evidence) != tt.evidence {
				t.Errorf("got %+v, want %q with %d proofs", e, tt.why, tt.evidence)
			}
			if (r.ExitCode == 0) != (tt.why == "") {
				t.Errorf("got exit code %d, %s", r.ExitCode, r.Why)
			}
			if want := 8 * time.Second; r.took() > want { // all commands have ended, so it does not settle
				t.Errorf("took %s, want %s", r.took(), want)
			}
		})
	}
}

// While commands run, open calls count for nothing: the plan waits for them to settle.
func TestSettle(t *testing.T) {
	_, r := play(t, "settle 3s\nrun load 1h 0\nstage a 7s {\n"+down+"expect no retry_after_ignored\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
		w.at(8*time.Second, func() { // after the stage, before it is judged
			w.nodes[0].evidence.Calls = []clients.Call{aCall("1", w.began.Add(6*time.Second), 1500*time.Millisecond, clients.Recovered, 2)}
		})
	})
	if r.ExitCode != 0 || r.took() < 10*time.Second {
		t.Errorf("got %d, %s after %s", r.ExitCode, r.Why, r.took())
	}
}

// A stage without faults is about the stages before it, up to the last one without faults.
func TestExpectAfterFaults(t *testing.T) {
	const stages = "stage a 5s {\n" + down + "}\nstage b 5s {\nexpect recovered\n}\nstage c 5s {\n" + down + "}\nstage d 5s {\nexpect recovered\n}\n"
	_, r := play(t, stages, 1, func(w *world, _ context.CancelCauseFunc) {
		w.nodes[0].evidence.Calls = []clients.Call{aCall("1", w.began.Add(2*time.Second), time.Second, clients.Recovered, 2)}
	})
	if r.ExitCode != CodeFailed || r.Stages[1].Result != Passed || r.Stages[3].Result != Failed || !strings.Contains(r.Why, "stage d: recovered: saw nothing") {
		t.Errorf("got %d, %s", r.ExitCode, r.Why)
	}
}

// A stage that waits for recovery says how long it took.
func TestRecovered(t *testing.T) {
	_, r := play(t, up+"stage a 7s {\nrecover\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
		w.site = func() (int, string) { return 503, "" }
		w.at(3500*time.Millisecond, func() { w.site = func() (int, string) { return 200, "" } })
	})
	if after := r.Stages[0].Recovered; r.ExitCode != 0 || after == nil || *after != 4 {
		t.Errorf("got %d, %s, recovered after %v", r.ExitCode, r.Why, after)
	}
}

// A fault that is kept counts in each stage from its begin.
func TestVerifyKept(t *testing.T) {
	_, r := play(t, "stage a 5s {\nkeep "+down+"expect verify down exactly 3\n}\nstage b 5s {\nexpect verify down exactly 2\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
		w.at(time.Second, func() { w.nodes[0].counts["test.a.down"] = 3 })
		w.at(8*time.Second, func() { w.nodes[0].counts["test.a.down"] = 5 })
	})
	if r.ExitCode != 0 {
		t.Errorf("got %d, %s", r.ExitCode, r.Why)
	}
}

// Without an answer before a stage, the hits from before it are not those of the stage.
func TestVerifyWithoutAnswerBefore(t *testing.T) {
	for ask, want := range map[int]string{2: "Caddy did not answer how often it had hit before the stage", 3: "away"} { // 1: whether it exists
		_, r := play(t, "stage a 5s {\nexpect verify api/gone at_most 3\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
			n, asked := w.nodes[0], 0
			n.counts["api/gone"] = 7
			n.fail = func(op string) error {
				if op != "count" {
					return nil
				}
				if asked++; asked != ask {
					return nil
				}
				return errors.New("away")
			}
		})
		if why := r.Stages[0].Expects[0].Why; r.ExitCode != CodeFailed || why != want {
			t.Errorf("without answer %d: got %d, %q, want %q", ask, r.ExitCode, why, want)
		}
	}
}

// The calls of several nodes are joined.
func TestCallsOfNodes(t *testing.T) {
	_, r := play(t, "stage a {\n"+down+"run test 7s 0\nexpect recovered\n}\n", 2, func(w *world, _ context.CancelCauseFunc) {
		at := w.began.Add(2 * time.Second)
		w.nodes[0].evidence.Calls = []clients.Call{aCall("1", at, time.Second, clients.GaveUp, 1)}
		w.nodes[1].evidence.Calls = []clients.Call{aCall("1", at.Add(time.Second), time.Second, clients.Recovered, 1)}
	})
	if r.ExitCode != 0 {
		t.Errorf("got %d, %s, %+v", r.ExitCode, r.Why, r.Stages[0].Expects)
	}
}

// Caddy may not answer what clients did.
func TestNoEvidence(t *testing.T) {
	_, r := play(t, "stage a {\n"+down+"run test 7s 0\nexpect recovered\nexpect verify down at_least 0\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
		w.nodes[0].fail = func(op string) error {
			if op == "calls" || op == "count" {
				return &RefusalError{500, "no answer"}
			}
			return nil
		}
	})
	var why []string
	for _, e := range r.Stages[0].Expects {
		why = append(why, e.Why)
	}
	if want := []string{"", "Caddy did not answer what clients did", "no answer"}; r.ExitCode != CodeFailed || !slices.Equal(why, want) {
		t.Errorf("got %d, %q, want %q", r.ExitCode, why, want)
	}
}
