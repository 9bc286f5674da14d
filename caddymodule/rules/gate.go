package rules

import (
	"slices"
	"time"
)

// gate is one condition that can keep a rule from firing. Its file holds all
// that is particular to it. Deciding and explaining ask the same gates, so they
// cannot disagree about the order or about what is shut.
//
// A new gate is a file and a place in [gates], beside its field in [Rule] and
// its word in package grammar.
type gate struct {
	name   string // in explanations
	reason Reason // in metrics and logs
	timed  bool   // it looks at the time
	ends   bool   // a request that it stops is not hit by any other rule

	check func(*Rule) error // of its settings; nil: it has none
	has   func(*Rule) bool  // whether the rule has the gate; nil: every rule does
	shut  func(*Rule, visit) bool
	why   func(*Rule, visit) string // it is shut, in words
}

// The stages at which a rule asks its gates. The draw comes before the last. It
// is not a gate, because nobody knows beforehand whether it hits.
const (
	coming   = iota // a request matches
	counting        // its reply matches as well; the gates count under the lock
	taking          // the draw hits; the gates run under the lock that takes the hit
	stages
)

// gates are all gates, in the order in which a request passes them.
var gates = [stages][]*gate{
	coming:   {switchGate, timeGate},
	counting: {skipGate, everyGate, overGate},
	taking:   {timesGate, maxActiveGate},
}

// visit is a request at the gates. It is passed by value, because a pointer would
// escape through the function values, and is small for the same hot path.
type visit struct {
	now   time.Time // when the request came; zero if no rule of the point is timed
	tally *tally    // the request included; nil at the stage coming
}

// gatesOf returns the gates that the rule has. Most rules have few, and pay for
// no others.
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

// shut returns the first gate of a stage that is shut, nil if all are open.
func (rl *Rule) shut(at int, v visit) *gate {
	for _, g := range rl.gates[at] {
		if g.shut(rl, v) {
			return g
		}
	}
	return nil
}
