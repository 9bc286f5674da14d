package rules

import (
	"fmt"
	"time"
)

func checkPercent(rl *Rule) error {
	if rl.Percent == nil {
		return nil
	}
	return ValidPercent(*rl.Percent)
}

// ValidPercent checks a percentage.
func ValidPercent(p float64) error {
	if !(p >= 0 && p <= 100) { // not a number fails both
		return fmt.Errorf("bad percent '%v': want 0 to 100", p)
	}
	return nil
}

// share tells whether the draw lies in the part of the rule's share that fires,
// and where within it.
func (w *walk) share(rule *Rule) (within float64, hit bool) {
	within, hit = share(w.u, w.sum, rule.percent)
	if !hit || rule.schedule.ramp == 0 {
		return within, hit
	}
	part := rule.schedule.part(w.now)
	if within >= part {
		return 0, false
	}
	return below1(within / part), true
}

// share tells whether the draw u, in [0,1), lies in the share of percent that
// begins at sum, and where within it, rescaled to [0,1). What reaches beyond
// 100 is cut off.
func share(u, sum, percent float64) (within float64, hit bool) {
	at := u * 100
	if at < sum || at >= sum+percent {
		return 0, false
	}
	return below1((at - sum) / min(percent, 100-sum)), true
}

// kept is the share of a rule that cannot fire. It stays taken, so that the shares
// of the others do not move. A rule of 100 percent counts as absent, because the
// rules after it would never fire.
func (rl *Rule) kept() float64 {
	if rl.percent == 100 {
		return 0
	}
	return rl.percent
}

// below1 keeps what has been rounded up in [0,1).
func below1(x float64) float64 { return min(x, 1-0x1p-53) }

// part is how much of 100 the draw has for the rule to fire.
func (rl *Rule) part(now time.Time, sum float64) float64 {
	return max(0, min(rl.percent, 100-sum)) * rl.schedule.part(now)
}

// explainShare completes the verdict on a rule whose gates are open: it says what
// the draw decides. The share of the rule begins at sum.
func (rl *Rule) explainShare(v *Verdict, now time.Time, sum float64) {
	switch share := rl.part(now, sum); {
	case share == 0 && sum >= 100:
		v.Gate, v.Why = "percent", "the rules before it take every request"
	case share == 0:
		v.Gate, v.Why = "percent", "its share is 0 percent just now"
	case rl.MatchResponse != nil:
		v.Fires, v.Gate, v.Why = true, "match_response", fmt.Sprintf("if the reply matches, with %v percent", share)
	case share < 100:
		v.Fires, v.Gate, v.Why = true, "percent", fmt.Sprintf("a draw from %v to below %v of 100", sum, sum+share)
	default:
		v.Fires, v.Settles = true, true
	}
}
