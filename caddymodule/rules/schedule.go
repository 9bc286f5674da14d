package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// moment is a start or an end: a time, or a duration after load.
type moment struct {
	at    time.Time
	after time.Duration // if at is zero
}

// parseMoment parses the setting with this name.
func parseMoment(name, text string) (moment, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return moment{at: at}, nil
	}
	if after, err := caddy.ParseDuration(text); err == nil && after > 0 {
		return moment{after: after}, nil
	}
	return moment{}, fmt.Errorf("bad %s '%s': want an instant such as 2026-11-22T20:00:00Z, or a duration from load such as 10m", name, text)
}

// from returns the time of the moment for a rule loaded at a time.
func (m moment) from(load time.Time) time.Time {
	if m.at.IsZero() {
		return load.Add(m.after)
	}
	return m.at
}

// before reports whether m is before end. A duration and a time are not compared,
// because a configuration that loads today must load tomorrow.
func (m moment) before(end moment) bool {
	switch {
	case m.at.IsZero() != end.at.IsZero():
		return true
	case m.at.IsZero():
		return m.after < end.after
	default:
		return m.at.Before(end.at)
	}
}

// schedule defines when a rule is active. The zero value means always.
type schedule struct {
	wall   bool // start or end is a time of the wall clock
	start  time.Time
	end    time.Time     // zero: never
	on     time.Duration // active part of each period
	period time.Duration // 0: no cycle
	ramp   time.Duration // 0: no ramp
}

// newSchedule returns the schedule of a rule loaded at the given time.
func newSchedule(rl *Rule, load time.Time) (schedule, error) {
	s := schedule{start: load, ramp: time.Duration(valueOr(rl.Ramp, 0))}
	if rl.Cycle != nil {
		s.on, s.period = time.Duration(rl.Cycle.On), time.Duration(rl.Cycle.Period)
	}
	if rl.Start != "" {
		start, err := parseMoment("start", rl.Start)
		if err != nil {
			return s, err
		}
		s.start, s.wall = start.from(load), !start.at.IsZero()
	}
	if rl.End != "" {
		end, err := parseMoment("end", rl.End)
		if err != nil {
			return s, err
		}
		s.end, s.wall = end.from(load), s.wall || !end.at.IsZero()
	}
	return s, nil
}

// part returns how much of the rule's share fires, from 0 to 1.
func (s *schedule) part(now time.Time) float64 {
	if s.ramp == 0 {
		return 1
	}
	return min(1, float64(now.Sub(s.start))/float64(s.ramp))
}

// newClock returns a clock for the requests of a point, or nil if no rule depends on
// the time. Reading the wall clock doubles the cost, so the clock avoids it unless a
// rule has a time.
func newClock(rules []*Rule) func() time.Time {
	switch {
	case slices.ContainsFunc(rules, func(rl *Rule) bool { return rl.schedule.wall }):
		return time.Now
	case slices.ContainsFunc(rules, (*Rule).timed):
		load := time.Now()
		return func() time.Time { return load.Add(time.Since(load)) }
	default:
		return nil
	}
}

// timed reports whether the rule depends on the time.
func (rl *Rule) timed() bool {
	return rl.Ramp != nil || rl.Lasts != nil || rl.anyGate(func(g *gate) bool { return g.timed })
}
