package plan

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// drawn is a plan and a world that were drawn at random.
type drawn struct {
	rnd   *rand.Rand
	lines strings.Builder
}

func (d *drawn) chance(percent int) bool { return d.rnd.IntN(100) < percent }

func (d *drawn) seconds(most int) time.Duration {
	return time.Duration(1+d.rnd.IntN(most*1000)) * time.Millisecond
}

// write draws a plan.
func (d *drawn) write() string {
	fmt.Fprintf(&d.lines, "ttl %s\nsettle %s\n", d.seconds(20)+2*time.Second, d.seconds(3))
	d.lines.WriteString("check up http http://site/ {\nevery 700ms\nfails " + fmt.Sprint(1+d.rnd.IntN(2)) + "\n}\ncheck users seen shop success >= 90% over 3s {\nevery 500ms\n}\n")
	if d.chance(50) {
		fmt.Fprintf(&d.lines, "baseline %s\n", d.seconds(3))
	}
	if d.chance(40) {
		fmt.Fprintf(&d.lines, "abort up for %s\n", d.seconds(4))
	}
	if d.chance(40) {
		fmt.Fprintf(&d.lines, "run load %s %d\n", d.seconds(60), d.rnd.IntN(2))
	}
	for i := range 1 + d.rnd.IntN(4) {
		d.stage(i)
	}
	d.lines.WriteString("after tidy 100ms 0\n")
	return d.lines.String()
}

func (d *drawn) stage(i int) {
	fmt.Fprintf(&d.lines, "stage s%d %s {\n", i, d.seconds(20))
	for f := range d.rnd.IntN(3) {
		if d.chance(30) {
			d.lines.WriteString("keep ")
		}
		fmt.Fprintf(&d.lines, "fault f%d {\npoint api\nrespond 503\n}\n", f)
	}
	if d.chance(30) {
		fmt.Fprintf(&d.lines, "run test %s %d\n", d.seconds(10), d.rnd.IntN(2))
	}
	for word, percent := range map[string]int{"recover": 20, "off up": 20, "until users within 4s": 10, "expect up": 20} {
		if d.chance(percent) && (word != "expect up" || !strings.Contains(d.lines.String()[strings.LastIndex(d.lines.String(), "stage "):], "off up")) &&
			(word != "off up" || !strings.Contains(d.lines.String()[strings.LastIndex(d.lines.String(), "stage "):], "expect up")) {
			d.lines.WriteString(word + "\n")
		}
	}
	d.lines.WriteString("}\n")
}

// trouble draws what goes wrong while the plan runs.
func (d *drawn) trouble(w *world, cancel context.CancelCauseFunc) {
	n := w.nodes[0]
	if d.chance(5) {
		w.site = func() (int, string) { return 500, "" }
	}
	for range d.rnd.IntN(3) {
		at := d.seconds(40)
		switch d.rnd.IntN(6) {
		case 0:
			time.AfterFunc(at, func() { cancel(&InterruptedError{143, "SIGTERM"}) })
		case 1:
			w.at(at, func() { w.site = func() (int, string) { return 500, "" } })
			w.at(at+d.seconds(10), func() { w.site = func() (int, string) { return 200, "" } })
		case 2:
			w.at(at, func() { clear(n.live) })
		case 3:
			w.at(at, func() { n.fail = func(string) error { return errors.New("away") } })
			w.at(at+d.seconds(10), func() { n.fail = nil })
		case 4:
			rnd := rand.New(rand.NewPCG(d.rnd.Uint64(), 1))
			w.at(at, func() {
				n.lose = func(op string) error {
					if op != "state" && rnd.IntN(3) == 0 {
						return errors.New("the answer is lost")
					}
					return nil
				}
			})
		case 5:
			w.at(at, func() { n.halted, n.live = true, make(map[string]*fakeExperiment) })
		}
	}
}

// Whatever a plan says and whatever happens, it ends, its faults end, its commands end,
// and its result makes sense.
func TestDrawnPlans(t *testing.T) {
	codes := make(map[int]int)
	for seed := range uint64(300) {
		d := &drawn{rnd: rand.New(rand.NewPCG(seed, 7))}
		p, err := parse(t, "plan test {\n"+d.write()+"}\n")
		if err != nil {
			t.Fatalf("%v in\n%s", err, d.lines.String())
		}
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			w := newWorld(1)
			d.trouble(w, cancel)
			r := w.runner(p).Run(ctx)
			codes[r.ExitCode]++
			if problem := w.nonsense(p, r); problem != "" {
				t.Errorf("seed %d: %s: exit code %d, %s, cleaned up %+v, after\n%s", seed, problem, r.ExitCode, r.Why, r.CleanUp, d.lines.String())
			}
			time.Sleep(time.Duration(p.TTL))
			if left := w.nodes[0].runs(); len(left) > 0 {
				t.Errorf("seed %d: %v runs after the ttl", seed, left)
			}
			time.Sleep(time.Minute) // what was planned for later
		})
	}
	t.Logf("plans by exit code: %v", codes)
	for _, code := range []int{CodePassed, CodeFailed, CodeBaseline, CodeAborted, CodeOutside, 143} {
		if codes[code] == 0 {
			t.Errorf("no plan has the exit code %d", code)
		}
	}
}

// nonsense says what is wrong with the result of a plan.
func (w *world) nonsense(p *Plan, r *Result) string {
	if left := w.nodes[0].runs(); len(left) > 0 && !hasLeft(r) {
		return fmt.Sprintf("%v runs, and nobody says so", left)
	}
	starts, ends := 0, 0
	for _, line := range w.ran {
		if strings.HasSuffix(line, " starts") {
			starts++
		} else {
			ends++
		}
	}
	begun := slices.Contains(w.nodes[0].asked, "begin")
	tidied := slices.Contains(w.ran, "tidy starts")
	worst := Passed
	skipped := false
	for _, s := range r.Stages {
		if skipped && s.Result != Skipped {
			return "a stage runs after one that was skipped"
		}
		skipped = skipped || s.Result == Skipped
		if s.Result != Passed && s.Result != Skipped {
			worst = s.Result
		}
		for _, e := range s.Expects {
			if !e.Holds && e.Why == "" {
				return "'" + e.Text + "' does not hold, without a reason"
			}
		}
	}
	switch {
	case starts != ends:
		return fmt.Sprintf("%d commands have started, and %d have ended", starts, ends)
	case begun && !tidied:
		return "the commands after the plan did not run"
	case (r.ExitCode == CodePassed) != (r.Why == ""):
		return "the reason does not fit the exit code"
	case r.ExitCode == CodePassed && (worst != Passed || skipped):
		return "the plan has passed, and a stage has not"
	case r.ExitCode == CodeBaseline && begun:
		return "something was injected after a baseline that did not hold"
	case r.ExitCode == CodeAborted && len(p.Aborts) == 0:
		return "nothing aborts the plan"
	case tidied && w.ran[len(w.ran)-1] != "tidy ends":
		return "a command runs after the last one"
	}
	return ""
}
