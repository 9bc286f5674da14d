package rules

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Cycle alternates between active and inactive, from start or else from load.
type Cycle struct {
	// How long the rule is active at the beginning of each period. Required.
	On caddy.Duration `json:"on,omitempty"`

	// The length of a period. Required.
	Period caddy.Duration `json:"period,omitempty"`
}

// timeGate is open while the schedule is active.
var timeGate = &gate{
	name: "time", reason: ReasonTime, timed: true,
	check: checkTime,
	has:   func(rl *Rule) bool { return rl.Start != "" || rl.End != "" || rl.Cycle != nil },
	shut:  func(rl *Rule, v visit) bool { return !rl.schedule.active(v.now) },
	why:   func(rl *Rule, v visit) string { return rl.schedule.describe(v.now) },
}

// active reports whether now is within start, end and the cycle.
func (s *schedule) active(now time.Time) bool {
	since := now.Sub(s.start)
	switch {
	case since < 0, !s.end.IsZero() && !now.Before(s.end):
		return false
	case s.period > 0:
		return since%s.period < s.on
	default:
		return true
	}
}

// describe explains why a schedule is not active.
func (s *schedule) describe(now time.Time) string {
	switch since := now.Sub(s.start); {
	case since < 0:
		return fmt.Sprintf("it starts in %s", (-since).Round(time.Second))
	case !s.end.IsZero() && !now.Before(s.end):
		return fmt.Sprintf("it ended %s ago", now.Sub(s.end).Round(time.Second))
	default:
		return fmt.Sprintf("its cycle is off for another %s", (s.period - since%s.period).Round(time.Second))
	}
}

// checkTime checks the settings that depend on the clock, including ramp.
func checkTime(rl *Rule) error {
	if rl.Ramp != nil {
		if err := positive("ramp", *rl.Ramp); err != nil {
			return err
		}
	}
	if rl.Cycle != nil {
		if err := rl.Cycle.check(); err != nil {
			return err
		}
	}
	return rl.checkStartAndEnd()
}

func (c *Cycle) check() error {
	if err := positive("time on of cycle", c.On); err != nil {
		return err
	}
	if err := positive("period of cycle", c.Period); err != nil {
		return err
	}
	if c.On > c.Period {
		return fmt.Errorf("bad cycle: active for '%v' of each '%v'; the first cannot exceed the second", time.Duration(c.On), time.Duration(c.Period))
	}
	return nil
}

func (rl *Rule) checkStartAndEnd() error {
	var start, end moment
	var err error
	if rl.Start != "" {
		if start, err = parseMoment("start", rl.Start); err != nil {
			return err
		}
	}
	if rl.End != "" {
		if end, err = parseMoment("end", rl.End); err != nil {
			return err
		}
	}
	if rl.Start != "" && rl.End != "" && !start.before(end) {
		return fmt.Errorf("start '%s' and end '%s' cannot be combined: the rule would never be active; write an end after the start", rl.Start, rl.End)
	}
	return nil
}
