package clients

import (
	"fmt"
	"net/http"
)

// The thresholds of findings on waits, in seconds, and the evidence that they need.
const (
	atOnce      = 0.05 // a shorter wait does not count as one
	early       = 0.1  // how much before the end of Retry-After a client may come
	earlyShare  = 0.02 // the same, as a share of Retry-After
	noWaitShare = 0.8
	noWaitNeeds = 3 // waits
	atOnceNeeds = 3 // calls
	growth      = 1.3
	growthNeeds = 5 // calls
	growthWaits = 3 // in each of them

	// Of simulated clients, a spread below 15 % of the median in 10 calls told waits with
	// ±10 % of jitter from fixed ones no better than a coin. 5 % in 20 calls does. See
	// TestCalibrateNoJitter for the rates.
	jitterNeeds = 20 // calls
	jitterLeast = 0.015
	jitterShare = 0.05

	unsafeNeeds    = 3 // calls, if all of them may be repeated
	pointlessNeeds = 2 // calls
	churnNeeds     = 10
)

// judgeRetryAfter finds requests that come before their Retry-After has passed (RFC
// 9110, section 10.2.3).
func judgeRetryAfter(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Error}
	var asked, waited []float64
	for _, c := range calls {
		pairs, ignored := 0, false
		for _, w := range c.waits() {
			if w.before.RetryAfter == nil {
				continue
			}
			pairs++
			want := *w.before.RetryAfter
			if w.seconds >= want-max(early, earlyShare*want) {
				continue
			}
			asked, waited = append(asked, want), append(waited, w.seconds)
			if !ignored {
				found.Count++
				found.prove(c.proof(w.before, w.after))
			}
			ignored = true
		}
		if pairs > 0 {
			found.Of++
		}
	}
	switch {
	case found.Of == 0:
		return undecided("no attempt followed a Retry-After")
	case found.Count == 0:
		return fine
	}
	found.Text = fmt.Sprintf("waited %s (median), was told to wait %s", secs(median(waited)), secs(median(asked)))
	return verdict{found: found}
}

// judgeNoWait finds clients that try again at once. One retry at once is fine, which
// [FirstRetryAtOnce] reports.
func judgeNoWait(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Warning}
	busy, busyAtOnce, most := 0, 0, 0
	for _, c := range calls {
		free := c.freeWaits()
		most = max(most, len(free))
		for _, w := range free {
			found.Of++
			told := w.before.Status == http.StatusTooManyRequests || w.before.Status == http.StatusServiceUnavailable
			if told {
				busy++
			}
			if w.seconds >= atOnce {
				continue
			}
			found.Count++
			found.prove(c.proof(w.before, w.after))
			if told {
				busyAtOnce++
			}
		}
	}
	switch {
	case found.Of < noWaitNeeds:
		return undecided(needs(noWaitNeeds, "wait", found.Of))
	case most < 2 || float64(found.Count) < noWaitShare*float64(found.Of):
		return fine
	case busy >= noWaitNeeds && float64(busyAtOnce) >= noWaitShare*float64(busy):
		found.Level = Error
	}
	found.Text = fmt.Sprintf("%d of %d waits below %s", found.Count, found.Of, secs(atOnce))
	return verdict{found: found}
}

// needs says that there is too little evidence.
func needs(want int, thing string, has int) string {
	return fmt.Sprintf("needs %s, has %d", plural(want, thing), has)
}

// judgeFirstAtOnce finds clients that do not wait before the first retry only.
func judgeFirstAtOnce(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Info}
	var first, later []float64
	for _, c := range calls {
		w, ok := c.firstFree()
		if !ok {
			continue
		}
		first = append(first, w.seconds)
		if w.seconds < atOnce {
			found.prove(c.proof())
		}
		for _, w := range c.freeWaits()[1:] {
			later = append(later, w.seconds)
		}
	}
	found.Of = len(first)
	for _, seconds := range first {
		if seconds < atOnce {
			found.Count++
		}
	}
	switch {
	case len(first) < atOnceNeeds:
		return undecided(needs(atOnceNeeds, "call", len(first)))
	case median(first) >= atOnce || len(later) > 0 && median(later) < atOnce:
		return fine
	}
	found.Text = fmt.Sprintf("first retry after %s (median)", secs(median(first)))
	return verdict{found: found}
}

// judgeNoGrowth finds clients whose waits do not get longer.
func judgeNoGrowth(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Warning}
	var first, last []float64
	for _, c := range calls {
		free := c.freeWaits()
		if _, ok := c.firstFree(); !ok || len(free) < growthWaits || free[len(free)-1].upper {
			continue
		}
		first, last = append(first, free[0].seconds), append(last, free[len(free)-1].seconds)
		found.prove(c.proof())
	}
	found.Count, found.Of = len(first), len(first)
	switch {
	case len(first) < growthNeeds:
		return undecided(fmt.Sprintf("needs %d calls with %d waits, has %d", growthNeeds, growthWaits, len(first)))
	case median(last) >= growth*median(first):
		return fine
	}
	found.Text = fmt.Sprintf("first wait %s, last wait %s (medians)", secs(median(first)), secs(median(last)))
	return verdict{found: found}
}

// judgeNoJitter finds clients whose waits are so equal that many of them come back
// together.
func judgeNoJitter(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Warning}
	var first []float64
	for _, c := range calls {
		if w, ok := c.firstFree(); ok {
			first = append(first, w.seconds)
			found.prove(c.proof(w.before, w.after))
		}
	}
	found.Count, found.Of = len(first), len(first)
	if len(first) < jitterNeeds {
		return undecided(needs(jitterNeeds, "first wait", len(first)))
	}
	spread := spreadOf(first)
	if spread.P50 < atOnce || spread.P90-spread.P10 >= max(jitterLeast, jitterShare*spread.P50) {
		return fine
	}
	found.Text = fmt.Sprintf("first waits %s to %s (from p10 to p90)", secs(spread.P10), secs(spread.P90))
	return verdict{found: found}
}

// judgeUnsafe finds requests that are repeated although that may do their work twice
// (RFC 9110, section 9.2.2).
func judgeUnsafe(_ *view, calls []*Call) verdict {
	unsafe, told := &Finding{Level: Error}, &Finding{Level: Info}
	seen := 0
	for _, c := range calls {
		if c.MayRepeat {
			continue
		}
		seen++
		found := (*Finding)(nil)
		var proof Proof
		for i := 1; i < len(c.Attempts); i++ {
			before, after := &c.Attempts[i-1], &c.Attempts[i]
			switch {
			case before.unknown():
				found, proof = unsafe, c.proof(before, after)
			case before.failed() && found == nil:
				found, proof = told, c.proof(before, after)
			}
		}
		if found != nil {
			found.Count++
			found.prove(proof)
		}
	}
	found := unsafe
	if unsafe.Count == 0 {
		found = told
	}
	found.Of = seen
	switch {
	case len(calls) < unsafeNeeds && seen == 0:
		return undecided(needs(unsafeNeeds, "call", len(calls)))
	case found.Count == 0: // also if all calls may be repeated
		return fine
	}
	found.Text = "repeats a request that may have been carried out, after " + found.Evidence[0].Outcomes[0]
	if found == told {
		found.Text = "repeats a request that nothing makes safe to repeat, after " + found.Evidence[0].Outcomes[0]
	}
	return verdict{found: found}
}

// judgePointless finds requests that are repeated although the answer will be the same.
func judgePointless(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Warning}
	for _, c := range calls {
		looked, repeated := false, false
		for i := range c.Attempts {
			if !c.Attempts[i].pointless() {
				continue
			}
			looked = true
			if i+1 < len(c.Attempts) && !repeated {
				repeated = true
				found.prove(c.proof(&c.Attempts[i], &c.Attempts[i+1]))
			}
		}
		if looked {
			found.Of++
		}
		if repeated {
			found.Count++
		}
	}
	switch {
	case found.Of < pointlessNeeds:
		return undecided(needs(pointlessNeeds, "call", found.Of))
	case found.Count < pointlessNeeds:
		return fine
	}
	found.Text = "repeats requests after " + found.Evidence[0].Outcomes[0]
	return verdict{found: found}
}
