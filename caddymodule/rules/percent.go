package rules

import (
	"fmt"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
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
func (w *walk) share(rule *Rule) (within float64, hit bool) { return rule.share(w.u, w.sum, w.now) }

// share is like [walk.share] for the draw u. The share of the rule begins at sum.
func (rl *Rule) share(u, sum float64, now time.Time) (within float64, hit bool) {
	within, hit = share(u, sum, rl.percent)
	if !hit || rl.schedule.ramp == 0 {
		return within, hit
	}
	part := rl.schedule.part(now)
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
// draw u. The share of the rule begins at sum. explainShare returns the draw for the
// faults of the rule.
func (rl *Rule) explainShare(v *Verdict, now time.Time, u, sum float64) (within float64) {
	share := rl.part(now, sum)
	if v.Share = share; u != faults.AnyDraw && share > 0 && share < 100 {
		return rl.explainDrawn(v, now, u, sum)
	}
	switch {
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
	return faults.AnyDraw
}

// explainDrawn is explainShare for a draw that the key of the request determines.
func (rl *Rule) explainDrawn(v *Verdict, now time.Time, u, sum float64) (within float64) {
	v.Why = fmt.Sprintf("the key of sticky draws %.4g; a draw from %v to below %v hits", u*100, sum, sum+v.Share)
	within, v.Fires = rl.share(u, sum, now)
	switch {
	case !v.Fires:
		v.Gate = "percent"
		return faults.AnyDraw
	case rl.MatchResponse != nil:
		v.Gate, v.Why = "match_response", v.Why+", if the reply matches"
	default:
		v.Why, v.Settles = "", true
	}
	v.Share = 100
	return within
}
