package rules

import (
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// moment is a start or an end: an instant, or a time from load.
type moment struct {
	at    time.Time
	after time.Duration // with no at
}

// parseMoment reads the setting of this name.
func parseMoment(name, text string) (moment, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return moment{at: at}, nil
	}
	if after, err := caddy.ParseDuration(text); err == nil && after > 0 {
		return moment{after: after}, nil
	}
	return moment{}, fmt.Errorf("bad %s '%s': want an instant such as 2026-11-22T20:00:00Z, or a duration from load such as 10m", name, text)
}

// from is the instant, for a rule that was loaded then.
func (m moment) from(load time.Time) time.Time {
	if m.at.IsZero() {
		return load.Add(m.after)
	}
	return m.at
}

// before tells the order of two moments where it does not depend on when they
// are loaded: a configuration that loads today must load tomorrow.
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

// schedule is when a rule is active. The zero value is always.
type schedule struct {
	wall   bool // start or end is an instant of the wall clock
	start  time.Time
	end    time.Time     // zero: none
	on     time.Duration // of each period
	period time.Duration // 0: no cycle
	ramp   time.Duration // 0: none
}

// newSchedule is the one of a rule loaded at the given time.
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

// part is how much of the rule's share fires, from 0 to 1.
func (s *schedule) part(now time.Time) float64 {
	if s.ramp == 0 {
		return 1
	}
	return min(1, float64(now.Sub(s.start))/float64(s.ramp))
}

// newClock is what tells the rules of a point the time of a request, nil if
// none of them asks. Without an instant it does not read the wall clock, which
// would double its cost.
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

// timed reports whether the rule asks for the time.
func (rl *Rule) timed() bool {
	return rl.Ramp != nil || rl.anyGate(func(g *gate) bool { return g.timed })
}
