package rules

import "fmt"

// maxActiveGate limits the number of active requests of the rule. The number grows only
// under the lock of the tally.
var maxActiveGate = &gate{
	name: "max_active", reason: ReasonOverflow, ends: true,
	check: func(rl *Rule) error { return checkCount("max_active", rl.MaxActive, 1, maxCount) },
	has:   func(rl *Rule) bool { return rl.MaxActive != nil },
	shut:  func(rl *Rule, _ visit) bool { return rl.counters.active.Load() >= int64(*rl.MaxActive) },
	why: func(rl *Rule, _ visit) string { // a request may have been released since shut
		return fmt.Sprintf("%d requests are active", max(rl.counters.active.Load(), int64(*rl.MaxActive)))
	},
}
