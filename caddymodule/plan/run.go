package plan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// Runner runs a plan.
type Runner struct {
	Plan     *Plan
	ID       string // marks the experiments of this run
	Nodes    []Node
	Programs Programs
	HTTP     *http.Client

	// Log is called with a line at each change.
	Log func(line string)

	// Show is called with the progress of the plan, unless it is nil.
	Show func(Progress)
}

// InterruptedError is the cause of a context that a signal has ended.
type InterruptedError struct {
	Code int // the exit code
	Name string
}

func (i *InterruptedError) Error() string { return i.Name }

// run is a plan while it runs. Its fields belong to one goroutine, the loop.
type run struct {
	*Runner
	result  *Result
	keepers []*keeper
	checks  []*watched
	jobs    []*job

	group  sync.WaitGroup // the goroutines of checks, commands and keepers
	events chan func()
	lost   chan string
	done   chan struct{} // closed when the loop has ended

	stage    *StageResult // that runs
	spec     *Stage
	now      Progress
	injected time.Time // when the faults began that the next expectations are about
	healing  bool      // no stage has injected since a stage without faults
	began    bool      // something was begun that `after` may have to clean up
}

// Run runs the plan until it ends, or the context does. Whatever ends it, its experiments
// are ended. The caller writes the reports.
func (r *Runner) Run(ctx context.Context) *Result {
	u := &run{Runner: r, events: make(chan func()), lost: make(chan string, 1), done: make(chan struct{})}
	u.result = &Result{Plan: r.Plan, Run: r.ID, Started: time.Now().UTC(), Result: Passed}
	for _, s := range r.Plan.Stages {
		u.result.Stages = append(u.result.Stages, &StageResult{Name: s.Name, Result: Skipped})
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	end := u.guarded(ctx, background)
	stop()
	u.part("end of the plan", 0)
	if lost := u.cleanUp(ctx); end == nil {
		end = lost
	}
	close(u.done)
	u.group.Wait()
	if end != nil {
		u.result.Result, u.result.ExitCode, u.result.Why = end.result, end.code, end.why
	}
	u.after(ctx)
	u.part("", 0)
	u.result.Ended = time.Now().UTC()
	return u.result
}

// guarded runs the parts of the plan. A panic ends the plan as an error.
func (u *run) guarded(ctx, background context.Context) (end *ending) {
	defer func() {
		if panicked := recover(); panicked != nil {
			end = &ending{CodeError, Broken, fmt.Sprintf("internal error: %v", panicked)}
		}
		if end != nil && u.stage != nil && u.stage.Result == Skipped {
			u.stage.Result, u.stage.Why, u.stage.Ended = end.result, end.why, time.Now().UTC()
		}
	}()
	if end := u.prepare(ctx); end != nil {
		return end
	}
	for _, c := range u.Plan.Checks {
		w := &watched{Check: c, result: &CheckResult{Name: c.Name}}
		u.checks, u.result.Checks = append(u.checks, w), append(u.result.Checks, w.result)
		w.begin(false)
		u.group.Go(func() { u.watch(background, w, u.answered) })
	}
	for _, k := range u.keepers {
		u.group.Go(func() { k.keep(background) })
	}
	if u.Show != nil {
		u.group.Go(func() { u.follow(background) })
	}
	u.began = len(u.Plan.Runs) > 0
	if u.result.Runs, end = u.start(u.Plan.Runs, nil); end != nil {
		return end
	}
	if end := u.baseline(ctx); end != nil {
		return end
	}
	for i, s := range u.Plan.Stages {
		if end := u.runStage(ctx, s, u.result.Stages[i]); end != nil {
			return end
		}
	}
	return u.last()
}

// last judges the commands beside all stages, once all stages have passed.
func (u *run) last() *ending {
	u.stop(nil)
	for _, r := range u.result.Runs {
		if r.failed() {
			return &ending{CodeFailed, Failed, fmt.Sprintf("the command '%s' has ended with exit code %d", r.Name, r.Code)}
		}
	}
	return nil
}

// tell calls f in the loop.
func (u *run) tell(f func()) {
	select {
	case u.events <- f:
	case <-u.done:
	}
}

// answered takes the answer of a check.
func (u *run) answered(a answer) {
	u.tell(func() {
		w := a.check
		if !w.take(a) || !w.changed {
			return
		}
		u.logCheck(w)
		u.show()
		if w.fails() && u.counts(w) {
			u.broken(w)
		}
	})
}

// counts reports whether the failure of a check is a failure of the stage.
func (u *run) counts(w *watched) bool {
	if u.spec == nil || u.spec.Recover || u.spec.Until != nil && u.spec.Until.Check == w.Name {
		return false
	}
	return !slices.ContainsFunc(u.Plan.Aborts, func(a *Abort) bool { return slices.Contains(a.Checks, w.Name) })
}

// broken records that a check has failed in the stage.
func (u *run) broken(w *watched) {
	text := "check " + w.Name
	if !slices.ContainsFunc(u.stage.Expects, func(e *ExpectResult) bool { return e.Text == text }) {
		u.stage.Expects = append(u.stage.Expects, &ExpectResult{Text: text, Why: w.why})
	}
}

// wait waits until a time, or until done reports true. A time of zero never comes. It
// returns why the plan ends before.
func (u *run) wait(ctx context.Context, until time.Time, done func() bool) *ending {
	for {
		if end := u.aborted(time.Now()); end != nil {
			return end
		}
		if done() || !until.IsZero() && !time.Now().Before(until) {
			return nil
		}
		timer := time.NewTimer(u.next(until))
		select {
		case <-ctx.Done():
			timer.Stop()
			return interrupted(ctx)
		case why := <-u.lost:
			timer.Stop()
			return &ending{CodeOutside, Outside, why}
		case f := <-u.events:
			f()
		case <-timer.C:
		}
		timer.Stop()
	}
}

func never() bool { return false }

// interrupted returns the ending by a signal.
func interrupted(ctx context.Context) *ending {
	if by, ok := errors.AsType[*InterruptedError](context.Cause(ctx)); ok {
		return &ending{by.Code, Signal, "ended by " + by.Name}
	}
	return &ending{CodeError, Signal, "ended: " + context.Cause(ctx).Error()}
}

// aborting returns the time of the first abort, and why. The time is zero while no check
// of an abort fails. Stages that wait for recovery are not aborted.
func (u *run) aborting() (at time.Time, why string) {
	if u.spec == nil || u.spec.Recover {
		return at, ""
	}
	for _, a := range u.Plan.Aborts {
		for _, w := range u.checks {
			if !slices.Contains(a.Checks, w.Name) || !w.fails() {
				continue
			}
			if then := w.since.Add(time.Duration(a.For)); at.IsZero() || then.Before(at) {
				at, why = then, fmt.Sprintf("check %s has failed: %s", w.Name, w.why)
			}
		}
	}
	return at, why
}

func (u *run) aborted(now time.Time) *ending {
	if at, why := u.aborting(); !at.IsZero() && !now.Before(at) {
		return &ending{CodeAborted, Aborted, why}
	}
	return nil
}

// next returns how long the loop may wait.
func (u *run) next(until time.Time) time.Duration {
	d := time.Hour
	if !until.IsZero() {
		d = time.Until(until)
	}
	if at, _ := u.aborting(); !at.IsZero() {
		d = min(d, time.Until(at))
	}
	return max(d, 0)
}

// cleanUp ends the experiments and the commands that are left. It returns the ending if an
// experiment had been lost.
func (u *run) cleanUp(ctx context.Context) (lost *ending) {
	defer u.stop(nil)
	return u.endFaults(ctx, nil)
}

// endFaults ends experiments at all nodes at the same time, all if names is nil. It
// returns the ending if one of them had been lost, which the keeper may not have noticed.
func (u *run) endFaults(ctx context.Context, names []string) (lost *ending) {
	var mu sync.Mutex
	var wait sync.WaitGroup
	for _, k := range u.keepers {
		wait.Go(func() {
			done := k.end(ctx, names)
			mu.Lock()
			defer mu.Unlock()
			u.result.CleanUp = append(u.result.CleanUp, done...)
			for _, c := range done {
				if c.lost != "" {
					lost = &ending{CodeOutside, Outside, c.lost}
				}
			}
		})
	}
	wait.Wait()
	return lost
}

// after runs the commands at the end, unless nothing was begun. A second signal ends them.
func (u *run) after(ctx context.Context) {
	if !u.began {
		return
	}
	for _, r := range u.Plan.After {
		result := &CommandResult{Name: r.name()}
		u.result.After = append(u.result.After, result)
		program, err := u.Programs.Start(r.Command)
		if err != nil {
			result.Error = err.Error()
			continue
		}
		j := &job{program: program, result: result, began: time.Now()}
		select {
		case <-program.Ended():
			j.end(false)
		case <-again(ctx):
			program.Stop(stopGrace)
			j.end(true)
		}
	}
	for _, r := range u.result.After {
		if r.failed() && u.result.ExitCode == CodePassed {
			u.result.Result, u.result.ExitCode = Failed, CodeFailed
			u.result.Why = fmt.Sprintf("the command '%s' has ended with exit code %d %s", r.Name, r.Code, r.Error)
		}
	}
}

// againKey has the channel that is closed at the second signal.
type againKey struct{}

// WithAgain returns a context with the channel that is closed at the second signal.
func WithAgain(ctx context.Context, second <-chan struct{}) context.Context {
	return context.WithValue(ctx, againKey{}, second)
}

func again(ctx context.Context) <-chan struct{} {
	second, _ := ctx.Value(againKey{}).(<-chan struct{})
	return second
}

func (u *run) log(format string, values ...any) {
	u.Log(printable(fmt.Sprintf(format, values...)))
}

func (u *run) logCheck(w *watched) {
	if w.holds {
		u.log("  ✓ %s: %s", w.Name, w.result.Last)
	} else {
		u.log("  ✗ %s: %s", w.Name, w.why)
	}
}

func joined(words []string) string { return args.Words(words) }

// endsWith returns the names of the experiments that end with a stage. They are never nil,
// which would be all.
func (p *Plan) endsWith(s *Stage) []string {
	names := make([]string, 0, len(s.Faults))
	for _, f := range s.Faults {
		if !f.Keep {
			names = append(names, p.Experiment(s, f))
		}
	}
	slices.Sort(names)
	return names
}
