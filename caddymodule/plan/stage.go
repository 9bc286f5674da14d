package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// baseline waits until all checks have held for the time of the baseline. Checks on what a
// point has seen first get time to see something.
func (u *run) baseline(ctx context.Context) *ending {
	b := &BaselineResult{Started: time.Now().UTC(), Result: Passed}
	if u.Plan.Baseline == 0 {
		return nil
	}
	u.result.Baseline = b
	u.log("baseline %s", u.Plan.Baseline)
	u.part("baseline", 0)
	end := u.holdBaseline(ctx)
	b.Ended = time.Now().UTC()
	if end != nil {
		b.Result, b.Why = end.result, end.why
	}
	return end
}

func (u *run) holdBaseline(ctx context.Context) *ending {
	warm := u.warmUp()
	for {
		if end := u.holdOnce(ctx, warm); end != nil || u.allHold() {
			return end
		}
		if time.Now().Before(warm) && u.failing(false) == nil {
			continue // requests from before the load were forgotten
		}
		for _, w := range slices.SortedStableFunc(slices.Values(u.checks), func(a, b *watched) int { return b.streak - a.streak }) {
			if !w.holds {
				return &ending{CodeBaseline, Failed, fmt.Sprintf("the baseline does not hold, so nothing was injected: check %s: %s%s", w.Name, w.said(), u.failedRun())}
			}
		}
	}
}

// holdOnce waits until all checks hold, and then until they have held for the baseline or
// one of them does not hold.
func (u *run) holdOnce(ctx context.Context, warm time.Time) *ending {
	failed := func() *watched { return u.failing(time.Now().After(warm)) }
	all := func() bool { return u.allHold() || failed() != nil }
	if end := u.wait(ctx, warm, all); end != nil {
		return end
	}
	if !u.allHold() && failed() == nil { // the warm-up is longer than what fails needs
		if end := u.wait(ctx, time.Now().Add(u.slowest()), all); end != nil {
			return end
		}
	}
	if !u.allHold() {
		return nil
	}
	u.part("baseline", u.Plan.Baseline)
	return u.wait(ctx, time.Now().Add(time.Duration(u.Plan.Baseline)), func() bool { return !u.allHold() })
}

// failedRun names a command beside all stages that has failed, since a check may need its
// requests.
func (u *run) failedRun() string {
	for _, j := range u.jobs {
		if j.ended && j.result.failed() {
			return fmt.Sprintf("; the command '%s' has ended with exit code %d", j.result.Name, j.result.Code)
		}
	}
	return ""
}

// said is why a check does not hold.
func (w *watched) said() string {
	if w.why == "" {
		return "no answer yet"
	}
	return w.why
}

// warmUp returns until when checks on what a point has seen may fail.
func (u *run) warmUp() time.Time {
	longest := time.Duration(0)
	for _, w := range u.checks {
		if w.Seen != nil {
			longest = max(longest, time.Duration(w.Seen.Over+w.Every))
		}
	}
	return time.Now().Add(longest)
}

// slowest returns how long a check may take until it fails.
func (u *run) slowest() time.Duration {
	longest := time.Duration(0)
	for _, w := range u.checks {
		longest = max(longest, time.Duration(w.Fails)*time.Duration(w.Every+w.Within))
	}
	return longest
}

// failing returns a check that has failed. While points warm up, checks on them do not
// count.
func (u *run) failing(warm bool) *watched {
	for _, w := range u.checks {
		if w.fails() && (warm || w.Seen == nil) {
			return w
		}
	}
	return nil
}

// allHold reports whether all checks hold that are asked.
func (u *run) allHold() bool {
	return !slices.ContainsFunc(u.checks, func(w *watched) bool { return !w.off.Load() && !w.holds })
}

// runStage runs one stage. It returns why the plan ends with it.
func (u *run) runStage(ctx context.Context, s *Stage, result *StageResult) *ending {
	u.stage, u.spec = result, s
	result.Started = time.Now().UTC()
	u.log("stage %s %s", s.Name, lasts(s))
	u.part("stage "+s.Name, s.Duration)
	for _, w := range u.checks {
		off := slices.Contains(s.Off, w.Name)
		if off != w.off.Load() || s.Recover || s.Until != nil && s.Until.Check == w.Name {
			w.begin(off) // an answer from before says nothing about this stage
		}
	}
	before := u.countsBefore(ctx, s)
	if end := u.inject(ctx, s, result); end != nil {
		return end
	}
	u.began = true
	var end *ending
	if result.Runs, end = u.start(s.Runs, result); end != nil {
		return end
	}
	untilHeld, end := u.await(ctx, s, result)
	if end != nil {
		u.facts(ctx, result, false)
		return end
	}
	return u.judge(ctx, s, result, before, untilHeld)
}

// await waits for the end of the stage. It reports whether the check of until held.
func (u *run) await(ctx context.Context, s *Stage, result *StageResult) (held bool, end *ending) {
	var until time.Time
	if s.Duration > 0 {
		until = result.Started.Add(time.Duration(s.Duration))
	}
	done := never
	switch {
	case s.Until != nil:
		if within := result.Started.Add(time.Duration(s.Until.Within)); s.Until.Within > 0 && (until.IsZero() || within.Before(until)) {
			until = within
		}
		done = func() bool {
			held = u.watchedCheck(s.Until.Check).holds
			return held || until.IsZero() && !u.running(result)
		}
	case until.IsZero():
		done = func() bool { return !u.running(result) }
	}
	u.now.Ends = until
	u.show()
	end = u.wait(ctx, until, done) // before held is read
	return held, end
}

func (u *run) watchedCheck(name string) *watched {
	return u.checks[slices.IndexFunc(u.checks, func(w *watched) bool { return w.Name == name })]
}

// lasts says how long a stage lasts.
func lasts(s *Stage) string {
	if s.Duration > 0 {
		return s.Duration.String()
	}
	return "until its commands have ended"
}

// inject begins the faults of a stage together.
func (u *run) inject(ctx context.Context, s *Stage, result *StageResult) *ending {
	u.now.Faults = len(s.Faults) > 0
	if !u.now.Faults {
		u.healing = true
		return nil
	}
	if u.injected.IsZero() || u.healing {
		u.injected, u.healing = result.Started, false
	}
	all := make(map[string]json.RawMessage, len(s.Faults))
	for _, f := range s.Faults {
		name := u.Plan.Experiment(s, f)
		all[name] = f.Experiment
		result.Faults = append(result.Faults, &FaultResult{Name: f.Name, Experiment: name})
		u.log("  fault %s", f.Name)
	}
	u.began = true
	for _, k := range u.keepers {
		if err := k.begin(ctx, all); err != nil {
			return u.notBegun(ctx, k, s, err)
		}
	}
	return nil
}

// notBegun returns the ending after faults that could not begin.
func (u *run) notBegun(ctx context.Context, k *keeper, s *Stage, err error) *ending {
	text := u.at(k.node, err).Error()
	switch {
	case refused(err, http.StatusPreconditionFailed):
		return &ending{CodeError, Broken, fmt.Sprintf("stage %s: an experiment of the name of one of its faults runs: %s", s.Name, whyTaken)}
	case refused(err, http.StatusConflict):
		if state, failed := k.node.State(ctx); failed == nil && state.Halted {
			return &ending{CodeOutside, Outside, "faults were halted"}
		}
	}
	return &ending{CodeError, Broken, fmt.Sprintf("stage %s: the faults could not begin: %s", s.Name, text)}
}
