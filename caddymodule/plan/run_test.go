package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

const (
	up    = "check up http http://site/health {\nevery 1s\n}\n"
	down  = "fault down {\npoint api\nrespond 503\n}\n"
	seven = "stage a 7s {\n" + down + "}\n"
)

// A plan that passes runs its stages one after another. The faults of a stage end with it,
// except those that are kept.
func TestPass(t *testing.T) {
	var during, later []string
	w, r := play(t, up+"baseline 3s\nrun load 1h 0\nstage a 7s {\n"+down+"keep fault slow {\npoint *\ndelay 1s\n}\n}\nstage b {\nrun test 4s 0\nexpect up\n}\nafter tidy 1s 0\nreport junit x.xml\n", 1,
		func(w *world, _ context.CancelCauseFunc) {
			w.at(5*time.Second, func() { during = w.nodes[0].names() })
			w.at(12*time.Second, func() { later = w.nodes[0].names() })
		})
	if r.ExitCode != 0 || r.Result != Passed || r.Why != "" {
		t.Errorf("got %d %s %s", r.ExitCode, r.Result, r.Why)
	}
	if slices.Sort(during); !slices.Equal(during, []string{"test.a.down", "test.a.slow"}) || !slices.Equal(later, []string{"test.a.slow"}) {
		t.Errorf("in the first stage %v runs, in the second %v", during, later)
	}
	if got, want := strings.Join(w.ran, ", "), "load starts, test starts, test ends, load ends, tidy starts, tidy ends"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r.took() != 15*time.Second {
		t.Errorf("the plan took %s", r.took())
	}
	if len(r.CleanUp) != 2 || r.CleanUp[0].Experiment != "test.a.down" || r.CleanUp[1].How != "ended" {
		t.Errorf("cleaned up %+v", r.CleanUp)
	}
	if text, err := json.Marshal(r); err != nil || !strings.Contains(string(text), `"ended_by_plan":true`) {
		t.Errorf("got %s, %v", text, err)
	}
	if !slices.ContainsFunc(w.lines, func(line string) bool { return strings.Contains(line, "✓ up") }) {
		t.Errorf("printed %q", w.lines)
	}
}

// A fault that is kept lasts until the plan ends, also after stages that end no fault.
func TestKeptAlone(t *testing.T) {
	var later []string
	_, r := play(t, "stage a 5s {\nkeep fault slow {\npoint *\ndelay 1s\n}\n}\nstage b 5s {\n}\nstage c 5s {\n}\n", 1, func(w *world, _ context.CancelCauseFunc) {
		for _, at := range []time.Duration{7 * time.Second, 12 * time.Second} {
			w.at(at, func() { later = append(later, w.nodes[0].names()...) })
		}
	})
	if r.ExitCode != 0 || len(later) != 2 || len(r.CleanUp) != 1 || r.CleanUp[0].How != "ended" {
		t.Errorf("got %d %s, in later stages %v runs, cleaned up %+v", r.ExitCode, r.Why, later, r.CleanUp)
	}
}

// What ends the faults of a plan from outside ends the plan, also shortly before the end
// of a stage.
func TestLostAtTheEnd(t *testing.T) {
	const kept = "stage a 7s {\nkeep fault slow {\npoint *\ndelay 1s\n}\n}\nstage b 2s {\n}\n"
	replaced := func(n *fakeNode) {
		n.live["test.a.down"] = &fakeExperiment{revision: "99", note: "of somebody", until: time.Now().Add(4 * time.Second)}
	}
	for _, tt := range []struct {
		name, lines string
		happens     func(n *fakeNode)
		why         string
	}{
		{"a halt", seven, func(n *fakeNode) { clear(n.live) }, "experiment 'test.a.down' has ended from outside"},
		{"another experiment", seven, replaced, "experiment 'test.a.down' has been replaced"},
		{"a halt of what is kept", kept, func(n *fakeNode) { clear(n.live) }, "experiment 'test.a.slow' has ended from outside"},
	} {
		_, r := play(t, "ttl 30s\n"+tt.lines, 1, func(w *world, _ context.CancelCauseFunc) {
			w.at(6*time.Second, func() { tt.happens(w.nodes[0]) })
		})
		if r.ExitCode != CodeOutside || r.Result != Outside || !strings.HasPrefix(r.Why, tt.why) {
			t.Errorf("%s: got %d %s (%s), want %s", tt.name, r.ExitCode, r.Result, r.Why, tt.why)
		}
	}
}

// An experiment says which run it belongs to, and has the ttl of the plan.
func TestExperiment(t *testing.T) {
	var body map[string]any
	play(t, "ttl 20s\nnote drill\n"+seven, 1, func(w *world, _ context.CancelCauseFunc) {
		w.at(time.Second, func() { body = w.nodes[0].live["test.a.down"].body })
	})
	if body["ttl"] != "20s" || body["note"] != "plan test, run 0123abcd: drill" {
		t.Errorf("got %v", body)
	}
}

// How a plan ends decides its exit code.
func TestEndings(t *testing.T) {
	sick := func(w *world) { w.site = func() (int, string) { return 500, "" } }
	for _, tt := range []struct {
		name, lines string
		setUp       func(w *world, cancel context.CancelCauseFunc)
		code        int
		why         string
		after       bool // the command after the plan has run
		took        time.Duration
	}{
		{
			name:  "a command does not exist",
			lines: seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.missing["tidy"] = true },
			code:  1,
			why:   "there is no command 'tidy'",
		},
		{
			name:  "a command cannot start",
			lines: "run broken\n" + seven,
			code:  1,
			why:   "the command 'broken' cannot start: permission denied",
			after: true,
			took:  time.Second,
		},
		{
			name:  "a point does not exist",
			lines: "stage a 7s {\nfault down {\npoint app\nrespond 503\n}\n}\n",
			code:  1,
			why:   "no injection point 'app': the points are api, shop; write:\n\tpoint api",
		},
		{
			name:  "a rule does not exist",
			lines: "stage a 7s {\nexpect verify dwn exactly 0\n}\n",
			code:  1,
			why:   "'dwn' is neither a fault of the stage nor a rule",
		},
		{
			name:  "no Caddy",
			lines: seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.nodes[0].fail = func(string) error { return errors.New("no Caddy answers") }
			},
			code: 1,
			why:  "no Caddy answers",
		},
		{
			name:  "the name is in use",
			lines: seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.nodes[0].live["test.a.down"] = &fakeExperiment{revision: "7", note: "of somebody", until: time.Now().Add(time.Second)}
			},
			code: 1,
			why:  "experiment 'test.a.down' runs: the plan already runs",
		},
		{
			name:  "the name is taken meanwhile",
			lines: up + "baseline 5s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(4*time.Second, func() {
					w.nodes[0].live["test.a.down"] = &fakeExperiment{revision: "7", note: "of somebody", until: time.Now().Add(2 * time.Second)}
				})
			},
			code:  1,
			why:   "stage a: an experiment of the name of one of its faults runs: the plan already runs",
			after: true,
			took:  6 * time.Second,
		},
		{
			name:  "refused",
			lines: seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.nodes[0].fail = func(op string) error {
					if op == "begin" {
						return &RefusalError{400, "unknown fault"}
					}
					return nil
				}
			},
			code:  1,
			why:   "the faults could not begin: unknown fault",
			after: true,
			took:  time.Second,
		},
		{
			name:  "a check fails",
			lines: up + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.at(2500*time.Millisecond, func() { sick(w) }) },
			code:  2,
			why:   "stage a: check up: status 500, want 2xx",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "a check recovers too late",
			lines: up + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(2500*time.Millisecond, func() { sick(w) })
				w.at(3500*time.Millisecond, func() { w.site = func() (int, string) { return 204, "" } })
			},
			code:  2,
			why:   "stage a: check up: status 500, want 2xx",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "one failure is tolerated",
			lines: "check up http http://site/health {\nevery 1s\nfails 2\n}\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(2500*time.Millisecond, func() { sick(w) })
				w.at(3500*time.Millisecond, func() { w.site = func() (int, string) { return 204, "" } })
			},
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "the body is wrong",
			lines: "check up http http://site/health {\nevery 1s\nbody fine\n}\n" + seven,
			code:  2,
			why:   "the body does not contain 'fine'",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "no answer in time",
			lines: "check up http http://site/health {\nwithin 2s\n}\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.site = func() (int, string) { return 0, "" } },
			code:  2,
			why:   "no answer within 2s",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "a check is off",
			lines: up + "stage a 7s {\noff up\n" + down + "}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) { sick(w) },
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "a command check fails",
			lines: "check db command probe 1s 4 {\nevery 1s\n}\n" + seven,
			code:  2,
			why:   "exit code 4",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "a command check hangs",
			lines: "check db command probe 1h 0 {\nevery 1s\nwithin 1s\n}\n" + seven,
			code:  2,
			why:   "no end within 1s",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "baseline fails",
			lines: up + "baseline 5s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.at(3500*time.Millisecond, func() { sick(w) }) },
			code:  3,
			why:   "the baseline does not hold, so nothing was injected: check up: status 500, want 2xx",
			took:  4 * time.Second,
		},
		{
			name:  "baseline fails at once",
			lines: up + "baseline 5s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { sick(w) },
			code:  3,
			why:   "check up: status 500",
		},
		{
			name:  "aborted",
			lines: up + "abort up\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.at(2500*time.Millisecond, func() { sick(w) }) },
			code:  4,
			why:   "check up has failed: status 500, want 2xx",
			after: true,
			took:  4 * time.Second,
		},
		{
			name:  "aborted after a time",
			lines: up + "abort up for 2s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.at(2500*time.Millisecond, func() { sick(w) }) },
			code:  4,
			why:   "check up has failed",
			after: true,
			took:  6 * time.Second,
		},
		{
			name:  "recovers before the abort",
			lines: up + "abort up for 2s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(2500*time.Millisecond, func() { sick(w) })
				w.at(3500*time.Millisecond, func() { w.site = func() (int, string) { return 204, "" } })
			},
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "halted before",
			lines: seven,
			setUp: func(w *world, _ context.CancelCauseFunc) { w.nodes[0].halted = true },
			code:  5,
			why:   "faults are halted",
		},
		{
			name:  "halted meanwhile",
			lines: "ttl 6s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(2500*time.Millisecond, func() { w.nodes[0].halted, w.nodes[0].live = true, map[string]*fakeExperiment{} })
			},
			code:  5,
			why:   "experiment 'test.a.down' has ended from outside",
			after: true,
			took:  5 * time.Second,
		},
		{
			name:  "replaced meanwhile",
			lines: "ttl 6s\n" + seven,
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(2500*time.Millisecond, func() {
					w.nodes[0].live["test.a.down"] = &fakeExperiment{revision: "99", note: "of somebody", until: time.Now().Add(4 * time.Second)}
				})
			},
			code:  5,
			why:   "experiment 'test.a.down' has been replaced",
			after: true,
			took:  5 * time.Second,
		},
		{
			name:  "a signal",
			lines: seven,
			setUp: func(w *world, cancel context.CancelCauseFunc) {
				time.AfterFunc(3*time.Second, func() { cancel(&InterruptedError{143, "SIGTERM"}) })
			},
			code:  143,
			why:   "ended by SIGTERM",
			after: true,
			took:  4 * time.Second,
		},
		{
			name:  "a signal in the baseline",
			lines: up + "baseline 5s\n" + seven,
			setUp: func(w *world, cancel context.CancelCauseFunc) {
				time.AfterFunc(3*time.Second, func() { cancel(&InterruptedError{130, "SIGINT"}) })
			},
			code: 130,
			why:  "ended by SIGINT",
			took: 3 * time.Second,
		},
		{
			name:  "the load fails",
			lines: "run load 2s 3\n" + seven,
			code:  2,
			why:   "the command 'load 2s 3' has ended with exit code 3",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "the load is ended by the plan",
			lines: "run as k6 load 2h 3\n" + seven,
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "a command fails",
			lines: "stage a {\nrun test 2s 1\n}\n",
			code:  2,
			why:   "stage a: run test 2s 1: exit code 1",
			after: true,
			took:  3 * time.Second,
		},
		{
			name:  "a command is longer than its stage",
			lines: "stage a 7s {\nrun test 1h 1\n}\n",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "hits",
			lines: "stage a 7s {\n" + down + "expect verify down at_least 3\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(time.Second, func() { w.nodes[0].counts["test.a.down"] = 3 })
			},
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "too few hits",
			lines: "stage a 7s {\n" + down + "expect verify down at_least 3\n}\n" + "stage b 1s {\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.at(time.Second, func() { w.nodes[0].counts["test.a.down"] = 2 })
			},
			code:  2,
			why:   "stage a: verify down at_least 3: 2 hits",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "hits of a rule count from the stage on",
			lines: "stage a 7s {\nexpect verify gone exactly 2\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) {
				w.nodes[0].counts["gone"] = 5
				w.at(time.Second, func() { w.nodes[0].counts["gone"] = 7 })
			},
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "until",
			lines: up + "stage a {\n" + down + "until up within 4s\nrun load 1h 0\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) {
				sick(w)
				w.at(2500*time.Millisecond, func() { w.site = func() (int, string) { return 204, "" } })
			},
			after: true,
			took:  4 * time.Second,
		},
		{
			name:  "until too late",
			lines: up + "stage a {\n" + down + "until up within 4s\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) { sick(w) },
			code:  2,
			why:   "until up: did not hold within 4s",
			after: true,
			took:  5 * time.Second,
		},
		{
			name:  "recover",
			lines: up + "abort up\nstage a 7s {\nrecover\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) {
				sick(w)
				w.at(2500*time.Millisecond, func() { w.site = func() (int, string) { return 204, "" } })
			},
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "recover fails",
			lines: up + "stage a 7s {\nrecover\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) { sick(w) },
			code:  2,
			why:   "stage a: recover: check up: status 500",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "expect a check",
			lines: up + "abort up for 1h\nstage a 7s {\nexpect up\n}\n",
			setUp: func(w *world, _ context.CancelCauseFunc) { w.at(6500*time.Millisecond, func() { sick(w) }) },
			code:  2,
			why:   "stage a: up: status 500",
			after: true,
			took:  8 * time.Second,
		},
		{
			name:  "expect findings without calls",
			lines: "settle 1s\nstage a 7s {\n" + down + "expect no error\n}\n",
			code:  2,
			why:   "saw nothing",
			after: true,
			took:  9 * time.Second,
		},
		{
			name:  "after fails",
			lines: seven + "after bad 1s 2\n",
			code:  2,
			why:   "the command 'bad 1s 2' has ended with exit code 2",
			after: true,
			took:  9 * time.Second,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, r := play(t, tt.lines+"after tidy 1s 0\n", 1, tt.setUp)
			if r.ExitCode != tt.code || !strings.Contains(r.Why, tt.why) || tt.why == "" && r.Why != "" {
				t.Errorf("got %d, %s, want %d, %s", r.ExitCode, r.Why, tt.code, tt.why)
			}
			if ran := slices.Contains(w.ran, "tidy ends"); ran != tt.after {
				t.Errorf("the command after the plan has run: %t, want %t", ran, tt.after)
			}
			if r.took() != tt.took {
				t.Errorf("took %s, want %s", r.took(), tt.took)
			}
			if tt.code == CodeBaseline || tt.code == CodeError && !tt.after {
				if slices.Contains(w.nodes[0].asked, "begin") {
					t.Error("something was injected")
				}
			}
		})
	}
}

// A check on what a point has seen gets time to see something before the baseline.
func TestWarmUp(t *testing.T) {
	for _, tt := range []struct {
		sees time.Duration
		code int
		took time.Duration
	}{{4 * time.Second, 0, 14 * time.Second}, {time.Hour, CodeBaseline, 12 * time.Second}} {
		_, r := play(t, "check rate seen api rate >= 20/s over 10s {\nevery 1s\n}\nbaseline 3s\nrun load 1h 0\n"+seven, 1, func(w *world, _ context.CancelCauseFunc) {
			figures := w.nodes[0].figures
			w.nodes[0].figures = seen.Figures{}
			w.at(tt.sees-time.Second/2, func() { w.nodes[0].figures = figures })
		})
		if r.ExitCode != tt.code || r.took() != tt.took {
			t.Errorf("sees something after %s: got %d after %s (%s), want %d after %s", tt.sees, r.ExitCode, r.took(), r.Why, tt.code, tt.took)
		}
	}
}

// Requests from before the load hold no baseline. While they are forgotten, it begins again.
func TestWarmUpAfterAnotherRun(t *testing.T) {
	for _, tt := range []struct {
		comes time.Duration // the load
		code  int
		took  time.Duration
	}{{6 * time.Second, 0, 16 * time.Second}, {time.Hour, CodeBaseline, 12 * time.Second}} {
		_, r := play(t, "check rate seen api rate >= 20/s over 10s {\nevery 1s\n}\nbaseline 3s\nrun load 1h 0\n"+seven, 1, func(w *world, _ context.CancelCauseFunc) {
			figures := w.nodes[0].figures
			w.at(time.Second/2, func() { w.nodes[0].figures = seen.Figures{} })
			w.at(tt.comes-time.Second/2, func() { w.nodes[0].figures = figures })
		})
		if r.ExitCode != tt.code || r.took() != tt.took {
			t.Errorf("the load comes after %s: got %d after %s (%s), want %d after %s", tt.comes, r.ExitCode, r.took(), r.Why, tt.code, tt.took)
		}
	}
}

// Faults last as long as their stage, however much longer than the ttl that is, also if
// Caddy does not answer for a while, or answers are lost.
func TestHeartbeat(t *testing.T) {
	away := errors.New("no answer")
	for _, tt := range []struct {
		name  string
		setUp func(n *fakeNode)
		code  int
	}{
		{
			name:  "all is well",
			setUp: func(*fakeNode) {},
		},
		{
			name: "away for less than the ttl",
			setUp: func(n *fakeNode) {
				n.at(70*time.Second, func() { n.fail = func(string) error { return away } })
				n.at(85*time.Second, func() { n.fail = nil })
			},
		},
		{
			name: "busy for a while",
			setUp: func(n *fakeNode) {
				n.at(70*time.Second, func() { n.fail = func(string) error { return &RefusalError{503, "try again"} } })
				n.at(85*time.Second, func() { n.fail = nil })
			},
		},
		{
			name: "away for longer",
			setUp: func(n *fakeNode) {
				n.at(70*time.Second, func() { n.fail = func(string) error { return away } })
			},
			code: CodeOutside,
		},
		{
			name: "an answer is lost",
			setUp: func(n *fakeNode) {
				lost := 0
				n.lose = func(op string) error {
					if op == "extend" && lost < 3 {
						lost++
						return away
					}
					return nil
				}
			},
		},
	} {
		var gaps int
		w, r := play(t, "ttl 30s\nstage a 10m {\n"+down+"}\n", 1, func(w *world, _ context.CancelCauseFunc) {
			n := w.nodes[0]
			tt.setUp(n)
			for at := time.Second / 2; at < 90*time.Second; at += time.Second {
				w.at(at, func() {
					if len(n.names()) != 1 {
						gaps++
					}
				})
			}
		})
		if r.ExitCode != tt.code || gaps != 0 {
			t.Errorf("%s: got %d (%s), want %d; not on %d times", tt.name, r.ExitCode, r.Why, tt.code, gaps)
		}
		if tt.code == CodeOutside && (!hasLeft(r) || r.took() > 115*time.Second) {
			t.Errorf("%s: cleaned up %+v after %s", tt.name, r.CleanUp, r.took())
		}
		_ = w
	}
}

// Whenever a runner is killed, nothing is injected any more within the ttl.
func TestKilled(t *testing.T) {
	const ttl = 30 * time.Second
	rnd := rand.New(rand.NewPCG(1, 2))
	p := mustParse(t, up+"baseline 1s\nstage a 1m {\n"+down+"keep fault slow {\npoint *\ndelay 1s\n}\n}\nstage b 1m {\n"+down+"}\n")
	for range 100 {
		killed := time.Duration(rnd.Int64N(int64(125 * time.Second)))
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(1)
			ctx, cancel := context.WithCancel(t.Context())
			w.at(killed, func() { // its requests no longer arrive
				w.nodes[0].fail = func(string) error { return errors.New("killed") }
			})
			done := make(chan struct{})
			go func() {
				defer close(done)
				w.runner(p).Run(ctx)
			}()
			time.Sleep(killed + ttl)
			if left := w.nodes[0].runs(); len(left) > 0 {
				t.Errorf("killed after %s: %v runs", killed, left)
			}
			cancel()
			<-done
		})
	}
}

// A request that begins faults, and whose answer is lost, is cleaned up.
func TestBeginWithoutAnswer(t *testing.T) {
	w, r := play(t, seven, 1, func(w *world, _ context.CancelCauseFunc) {
		w.nodes[0].lose = func(op string) error {
			if op == "begin" {
				return errors.New("the connection was reset")
			}
			return nil
		}
	})
	if r.ExitCode != 1 || len(r.CleanUp) != 1 || r.CleanUp[0].How != "ended" || len(w.nodes[0].live) != 0 {
		t.Errorf("got %d, %s, cleaned up %+v, live %v", r.ExitCode, r.Why, r.CleanUp, w.nodes[0].live)
	}
}

// Ending is tried three times. What cannot be ended is reported.
func TestEndFails(t *testing.T) {
	for _, tt := range []struct {
		fails int
		err   error
		how   string
	}{
		{2, errors.New("no answer"), "ended"},
		{2, &RefusalError{503, "try again"}, "ended"},
		{9, errors.New("no answer"), "ends within 30s"},
		{1, &RefusalError{404, "gone"}, "had ended"},
	} {
		_, r := play(t, seven, 1, func(w *world, _ context.CancelCauseFunc) {
			failed := 0
			w.nodes[0].fail = func(op string) error {
				if op == "end" && failed < tt.fails {
					if failed++; tt.how == "had ended" {
						clear(w.nodes[0].live)
					}
					return tt.err
				}
				return nil
			}
		})
		if len(r.CleanUp) != 1 || r.CleanUp[0].How != tt.how || r.CleanUp[0].Left() != (tt.fails == 9) {
			t.Errorf("%d times %v: got %+v, want %s", tt.fails, tt.err, r.CleanUp, tt.how)
		}
	}
}

// An experiment of another run is not ended.
func TestEndOfAnother(t *testing.T) {
	w, r := play(t, seven, 1, func(w *world, _ context.CancelCauseFunc) {
		w.at(6*time.Second, func() {
			w.nodes[0].live["test.a.down"] = &fakeExperiment{revision: "99", note: "of somebody", until: time.Now().Add(4 * time.Second)}
		})
	})
	if len(r.CleanUp) != 1 || r.CleanUp[0].How != "replaced" || len(w.nodes[0].live) != 1 {
		t.Errorf("got %+v, live %v", r.CleanUp, w.nodes[0].live)
	}
}

// With several nodes, each has the faults, unless they are of one group. Hits are added
// up, and what a node has seen is joined.
func TestNodes(t *testing.T) {
	for _, groups := range [][2]string{{"", ""}, {"g", "g"}, {"g", "h"}} {
		w, r := play(t, "check users seen shop success >= 80% over 5s\ncheck all seen shop rate >= 50/s over 5s\ncheck fast seen shop p95 <= 2s\nbaseline 1s\nstage a 7s {\n"+down+"expect verify down exactly 5\n}\n", 2,
			func(w *world, _ context.CancelCauseFunc) {
				half, two := 0.5, 2.0
				w.nodes[0].group, w.nodes[1].group = groups[0], groups[1]
				w.nodes[1].figures = seen.Figures{Count: 50, Rate: 25, Success: &half, P95: &two}
				w.at(2*time.Second, func() {
					w.nodes[0].counts["test.a.down"] = 3
					w.nodes[1].counts["test.a.down"] = 2
				})
			})
		if r.ExitCode != 0 || r.Stages[0].Faults[0].Hits != 5 {
			t.Errorf("%v: got %d, %s", groups, r.ExitCode, r.Why)
		}
		if second := slices.Contains(w.nodes[1].asked, "begin"); second != (groups[0] == "" || groups[0] != groups[1]) {
			t.Errorf("%v: the second node was asked to begin: %t", groups, second)
		}
	}
	_, r := play(t, seven, 2, func(w *world, _ context.CancelCauseFunc) {
		w.nodes[1].fail = func(op string) error { return &RefusalError{http.StatusForbidden, "origin not allowed"} }
	})
	if r.ExitCode != 1 || r.Why != "node2:2019: origin not allowed" {
		t.Errorf("got %d, %s", r.ExitCode, r.Why)
	}
}

// A panic ends the plan, and its faults.
func TestPanic(t *testing.T) {
	p := mustParse(t, seven)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		r := w.runner(p)
		r.Log = func(line string) {
			if strings.Contains(line, "stage") {
				return
			}
			panic("a bug")
		}
		result := r.Run(t.Context())
		if result.ExitCode != 1 || result.Why != "internal error: a bug" || len(w.nodes[0].live) != 0 {
			t.Errorf("got %d, %s", result.ExitCode, result.Why)
		}
	})
}

// A second signal ends the command after the plan.
func TestSecondSignal(t *testing.T) {
	p := mustParse(t, seven+"after tidy 1h 0\n")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(1)
		second := make(chan struct{})
		ctx, cancel := context.WithCancelCause(WithAgain(t.Context(), second))
		time.AfterFunc(time.Second, func() { cancel(&InterruptedError{130, "SIGINT"}) })
		time.AfterFunc(5*time.Second, func() { close(second) })
		r := w.runner(p).Run(ctx)
		if r.ExitCode != 130 || r.took() != 5*time.Second || !r.After[0].ByPlan {
			t.Errorf("got %d after %s, %+v", r.ExitCode, r.took(), r.After[0])
		}
	})
}

// Ready finds what is missing, and changes nothing.
func TestReady(t *testing.T) {
	w := newWorld(1)
	w.missing["load"], w.missing["probe"] = true, true
	p := mustParse(t, "check db command probe 1s 0\ncheck users seen shp rate >= 1/s\nrun load 1s 0\nstage a 7s {\nrun load 1s 0\nexpect verify gone exactly 0\n"+down+"}\n")
	_, err := w.runner(p).Ready(t.Context())
	all, _ := errors.AsType[ProblemsError](err)
	if len(all) != 5 || all[0].Line != 2 || all[4].Line != 7 {
		t.Errorf("got %v", err)
	}
	if want := []string{"state", "count", "find"}; !slices.Equal(w.nodes[0].asked, want) {
		t.Errorf("asked %v", w.nodes[0].asked)
	}
	w.missing = nil
	if halted, err := w.runner(mustParse(t, seven)).Ready(t.Context()); err != nil || len(halted) > 0 {
		t.Errorf("got %v, halted %v", err, halted)
	}
	w.nodes[0].live["test.a.down"] = &fakeExperiment{revision: "7", until: time.Now().Add(time.Hour)}
	if _, err := w.runner(mustParse(t, seven)).Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "test.plan:3: experiment 'test.a.down' runs: ") {
		t.Errorf("the name is in use: got %v", err)
	}
}

// One Caddy under two addresses is refused before anything begins.
func TestSameCaddyTwice(t *testing.T) {
	w := newWorld(3)
	w.nodes[0].process, w.nodes[1].process, w.nodes[2].process = "a 1", "a 2", "a 1"
	want := "the addresses 'node1:2019' and 'node3:2019' are those of one Caddy, and its hits would count twice: leave out one"
	if _, err := w.runner(mustParse(t, seven)).Ready(t.Context()); err == nil || err.Error() != want {
		t.Errorf("ready: got %v, want %s", err, want)
	}
	if r := w.runner(mustParse(t, seven)).Run(t.Context()); r.ExitCode != CodeError || r.Why != want {
		t.Errorf("run: got %d, %s, want %s", r.ExitCode, r.Why, want)
	}
	if len(w.nodes[0].live)+len(w.ran) > 0 {
		t.Errorf("it began %v and ran %q", w.nodes[0].live, w.ran)
	}
}

// Ready names each node whose faults are halted, and how to resume them. The plan may still
// run later.
func TestReadyHalted(t *testing.T) {
	w := newWorld(2)
	w.nodes[1].halted = true
	halted, err := w.runner(mustParse(t, seven)).Ready(t.Context())
	want := fmt.Sprintf("%[1]s: faults are halted: caddy fault resume --address %[1]s", w.nodes[1].Address())
	if err != nil || len(halted) != 1 || halted[0].Error() != want {
		t.Errorf("got %v, halted %v, want %s", err, halted, want)
	}
}
