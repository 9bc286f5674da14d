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
	if !(p >= 0 && p <= 100) { // NaN fails both comparisons
		return fmt.Errorf("bad percent '%v': want 0 to 100", p)
	}
	return nil
}

// share reports whether the draw is in the part of the rule's share that fires, and
// returns its position there.
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

// share reports whether the draw u, in [0,1), is in the share of percent that begins at
// sum. It returns the position in the share, rescaled to [0,1). The share is cut off at
// 100.
func share(u, sum, percent float64) (within float64, hit bool) {
	at := u * 100
	if at < sum || at >= sum+percent {
		return 0, false
	}
	return below1((at - sum) / min(percent, 100-sum)), true
}

// kept returns the share that a rule that cannot fire keeps, so that the shares of
// other rules do not move. A rule with 100 percent keeps none, because later rules
// would never fire.
func (rl *Rule) kept() float64 {
	if rl.percent == 100 {
		return 0
	}
	return rl.percent
}

// below1 keeps a number that was rounded up below 1.
func below1(x float64) float64 { return min(x, 1-0x1p-53) }

// part returns the percentage of the draw for which the rule fires.
func (rl *Rule) part(now time.Time, sum float64) float64 {
	return max(0, min(rl.percent, 100-sum)) * rl.schedule.part(now)
}

// explainShare completes the verdict on a rule whose gates are open: it explains the
// draw. The share of the rule begins at sum.
func (rl *Rule) explainShare(v *Verdict, now time.Time, sum float64) {
	switch share := rl.part(now, sum); {
	case share == 0 && sum >= 100:
		v.Gate, v.Why = "percent", "earlier rules take every request"
	case share == 0:
		v.Gate, v.Why = "percent", "the percentage is currently 0"
	case rl.MatchResponse != nil:
		v.Fires, v.Gate, v.Why = true, "match_response", fmt.Sprintf("%v percent, if the reply matches", share)
	case share < 100:
		v.Fires, v.Gate, v.Why = true, "percent", fmt.Sprintf("%v percent chance: a draw from %v to below %v", share, sum, sum+share)
	default:
		v.Fires, v.Settles = true, true
	}
}
