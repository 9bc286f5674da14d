package rules

import "fmt"

// skipGate lets the first requests pass.
var skipGate = &gate{
	name: "skip", reason: ReasonCount,
	check: func(rl *Rule) error { return checkCount("skip", rl.Skip, 0, maxCount) },
	has:   func(rl *Rule) bool { return skipped(rl) > 0 },
	shut:  func(rl *Rule, v visit) bool { return v.tally.came <= skipped(rl) },
	why: func(rl *Rule, v visit) string {
		return fmt.Sprintf("request %d of the first %d, which pass", v.tally.came, *rl.Skip)
	},
}

// skipped returns the number of requests to skip.
func skipped(rl *Rule) uint64 { return uint64(valueOr(rl.Skip, 0)) }
