package rules

import "fmt"

// everyGate opens for every n-th request that is not skipped.
var everyGate = &gate{
	name: "every", reason: ReasonCount,
	check: func(rl *Rule) error { return checkCount("every", rl.Every, 1, maxCount) },
	has:   func(rl *Rule) bool { return valueOr(rl.Every, 1) > 1 },
	shut:  func(rl *Rule, v visit) bool { return turn(rl, v) != 0 },
	why:   func(rl *Rule, v visit) string { return fmt.Sprintf("request %d of every %d", turn(rl, v), *rl.Every) },
}

// turn returns the position of a request in its group of n, modulo n. The request at
// position 0 is hit.
func turn(rl *Rule, v visit) uint64 { return (v.tally.came - skipped(rl)) % uint64(*rl.Every) }
