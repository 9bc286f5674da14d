package rules

import "fmt"

// maxActiveGate bounds the requests that the rule holds at a time. Their number
// grows only under the lock of the tally.
var maxActiveGate = &gate{
	name: "max_active", reason: ReasonOverflow, ends: true,
	check: func(rl *Rule) error { return checkCount("max_active", rl.MaxActive, 1, maxCount) },
	has:   func(rl *Rule) bool { return rl.MaxActive != nil },
	shut:  func(rl *Rule, _ visit) bool { return rl.counters.active.Load() >= int64(*rl.MaxActive) },
	why: func(rl *Rule, _ visit) string { // a release may come after shut
		return fmt.Sprintf("it holds %d requests", max(rl.counters.active.Load(), int64(*rl.MaxActive)))
	},
}
