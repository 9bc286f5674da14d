package rules

import "fmt"

// timesGate limits the number of hits.
var timesGate = &gate{
	name: "times", reason: ReasonCount,
	check: func(rl *Rule) error { return checkCount("times", rl.Times, 1, maxCount) },
	has:   func(rl *Rule) bool { return rl.Times != nil },
	shut:  func(rl *Rule, v visit) bool { return v.tally.turns >= uint64(*rl.Times) },
	why:   func(rl *Rule, v visit) string { return fmt.Sprintf("%d of %d hits used", v.tally.turns, *rl.Times) },
}
