package rules

import "errors"

// A rule that observes injects nothing. It marks the requests that it would hit, for
// the rules that follow it, and leaves them to the other rules.

// checkObserve refuses settings that have no meaning without a fault.
func checkObserve(rl *Rule) error {
	switch {
	case !rl.Observe:
		return nil
	case rl.Percent != nil || rl.Ramp != nil:
		return errors.New("observe takes no share of the draw, so it cannot be combined with percent or ramp; write percent in the rule that follows")
	case rl.Lasts != nil:
		return errors.New("observe cannot be combined with lasts; write lasts in the rule that follows")
	case rl.MaxActive != nil:
		return errors.New("observe holds no request, so it cannot be combined with max_active")
	case rl.DryRun:
		return errors.New("observe injects nothing, so it cannot be combined with dry_run")
	}
	return nil
}

// observe takes a turn of a rule that observes. The mark waits for the end of the walk,
// so that the request does not follow itself.
func (w *walk) observe(c candidate) {
	if _, g := c.rule.take(c.key, w.now); g != nil {
		w.point.Passed(c.rule, g.reason)
		return
	}
	c.rule.counters.release()
	w.point.Passed(c.rule, ReasonObserve)
	if c.rule.leads {
		w.marks = append(w.marks, c)
	}
}

// mark marks the request for the rules that follow those that have observed it.
func (w *walk) mark() {
	for _, c := range w.marks {
		c.rule.mark(c.key, w.hitAt(c.rule))
	}
	w.marks = nil
}
