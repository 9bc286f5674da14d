package rules

import "fmt"

// skipGate lets the first requests pass.
var skipGate = &gate{
	name: "skip", reason: ReasonCount,
	check: func(rl *Rule) error { return checkCount("skip", rl.Skip, 0, maxCount) },
	has:   func(rl *Rule) bool { return skipped(rl) > 0 },
	shut:  func(rl *Rule, v visit) bool { return v.tally.came <= skipped(rl) },
	why: func(rl *Rule, v visit) string {
		return fmt.Sprintf("request %d of the %d to skip", v.tally.came, *rl.Skip)
	},
}

// skipped is the number of requests that stop at this gate.
func skipped(rl *Rule) uint64 { return uint64(valueOr(rl.Skip, 0)) }
