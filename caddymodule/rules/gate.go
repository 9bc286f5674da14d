package rules

import (
	"slices"
	"time"
)

// gate is a condition that can keep a rule from firing. Everything about a gate is in
// its file. Deciding and explaining use the same gates, so they cannot disagree.
//
// To add a gate, add a file, an entry in [gates], a field in [Rule] and a word in
// package grammar.
type gate struct {
	name   string // name in explanations
	reason Reason // reason in metrics and logs
	timed  bool   // depends on the time
	ends   bool   // if it stops a request, no other rule hits the request

	check func(*Rule) error // checks its settings; nil: it has none
	has   func(*Rule) bool  // reports whether the rule has the gate; nil: every rule does
	shut  func(*Rule, visit) bool
	why   func(*Rule, visit) string // explains why it is shut
}

// The stages at which the gates of a rule are evaluated. The draw comes before the last
// stage. It is not a gate, because its result is unknown beforehand.
const (
	coming   = iota // after the request has matched
	counting        // after the reply has matched; under the lock
	taking          // after the draw has hit; under the lock that takes the hit
	stages
)

// gates lists all gates, in the order of evaluation.
var gates = [stages][]*gate{
	coming:   {switchGate, timeGate, followsGate},
	counting: {skipGate, everyGate, overGate},
	taking:   {timesGate, maxActiveGate},
}

// visit is a request at the gates. It is small and passed by value, because a pointer
// would escape through the function values to the heap.
type visit struct {
	now   time.Time // time of the request; zero if no rule of the point depends on it
	tally *tally    // includes the request; nil at stage coming
	key   string    // key of the request; only for a rule that follows
}

// gatesOf returns the gates that the rule has. Most rules have few, so requests skip
// the others.
func gatesOf(rl *Rule) (own [stages][]*gate) {
	for at, all := range gates {
		for _, g := range all {
			if g.has == nil || g.has(rl) {
				own[at] = append(own[at], g)
			}
		}
	}
	return own
}

// anyGate reports whether is holds for one of the rule's gates.
func (rl *Rule) anyGate(is func(*gate) bool) bool {
	return slices.ContainsFunc(rl.gates[:], func(at []*gate) bool { return slices.ContainsFunc(at, is) })
}

// shut returns the first gate of a stage that is shut, or nil.
func (rl *Rule) shut(at int, v visit) *gate {
	for _, g := range rl.gates[at] {
		if g.shut(rl, v) {
			return g
		}
	}
	return nil
}
