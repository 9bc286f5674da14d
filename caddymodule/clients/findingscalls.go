package clients

import (
	"fmt"
	"net/http"
	"time"
)

// The thresholds of findings on calls, and the evidence that they need.
const (
	retryNeeds        = 3
	amplifies         = 3.0
	amplifiesMuch     = 5.0
	amplificationNeed = 20
	longHeld          = time.Minute
	heldNeeds         = 3
	leftNeeds         = 20
	leftShare         = 2.0
)

// judgeManyAttempts finds calls that are tried too often.
func judgeManyAttempts(v *view, calls []*Call) verdict {
	found := &Finding{Level: Warning}
	most := 0
	for _, c := range calls {
		if !c.counts() {
			continue
		}
		found.Of++
		most = max(most, c.Count)
		if c.Count <= v.settings.Attempts {
			continue
		}
		found.Count++
		found.prove(c.proof())
		if c.Count > 2*v.settings.Attempts || v.outlasts(c) {
			found.Level = Error
		}
	}
	switch {
	case found.Of == 0:
		return undecided(needs(1, "call", 0))
	case found.Count == 0:
		return fine
	}
	found.Text = fmt.Sprintf("up to %d attempts of a call", most)
	return verdict{found: found}
}

// outlasts reports whether a call began during a fault and still went on after it.
func (v *view) outlasts(c *Call) bool {
	first, last := &c.Attempts[0], &c.Attempts[len(c.Attempts)-1]
	for i := range v.periods {
		p := &v.periods[i]
		if p.Point == c.Point && p.Rule == first.Rule && !p.End.IsZero() &&
			!first.Start.Before(p.Start) && !first.Start.After(p.End) && last.Start.After(p.End) {
			return true
		}
	}
	return false
}

// judgeNoRetry finds clients that do not try again most of the calls that may be tried
// again.
func judgeNoRetry(v *view, calls []*Call) verdict {
	found := &Finding{Level: Info}
	for _, c := range closed(calls) {
		if !c.MayRepeat || !c.Attempts[0].worthRetrying(v.settings.Window) || c.Count == 1 && (c.Outcome == Lost || c.Outcome == Unseen) {
			continue
		}
		found.Of++
		if c.Count == 1 {
			found.Count++
			found.prove(c.proof())
		}
	}
	switch {
	case found.Of < retryNeeds:
		return undecided(needs(retryNeeds, "call", found.Of))
	case 2*found.Count <= found.Of:
		return fine
	}
	found.Text = fmt.Sprintf("%d of %d calls that may be repeated were not", found.Count, found.Of)
	return verdict{found: found}
}

// worthRetrying reports whether the attempt failed in a way that may pass. A client that
// was told to wait for longer than the window may give up.
func (a *Attempt) worthRetrying(window time.Duration) bool {
	if a.RetryAfter != nil && *a.RetryAfter > window.Seconds() {
		return false
	}
	if a.Outcome != Reply {
		return a.Outcome == NoReply
	}
	switch a.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// judgeAmplification finds clients whose retries multiply the load.
func judgeAmplification(_ *view, calls []*Call) verdict {
	calls = closed(calls)
	if len(calls) < amplificationNeed {
		return undecided(needs(amplificationNeed, "call", len(calls)))
	}
	found := &Finding{Level: Warning, Count: attempts(calls), Of: len(calls)}
	ratio := float64(found.Count) / float64(found.Of)
	switch {
	case ratio < amplifies:
		return fine
	case ratio >= amplifiesMuch:
		found.Level = Error
	}
	for _, c := range calls {
		if float64(c.Count) >= ratio {
			found.prove(c.proof())
		}
	}
	found.Text = fmt.Sprintf("%.1f attempts for each call", ratio)
	return verdict{found: found}
}

// judgeNoTimeout finds clients that wait for a minute or longer.
func judgeNoTimeout(v *view, calls []*Call) verdict {
	found := &Finding{Level: Warning}
	left := 0
	for _, c := range calls {
		for i := range c.Attempts {
			a := &c.Attempts[i]
			switch {
			case a.Outcome == Left && a.held(v.until) < longHeld:
				left++
			case a.Outcome != Left && a.held(v.until) >= longHeld:
				found.Count++
				found.prove(c.proof(a))
			}
		}
	}
	found.Of = found.Count + left
	switch {
	case found.Count >= heldNeeds:
		found.Text = fmt.Sprintf("still there after %s, %s", secs(longHeld.Seconds()), plural(found.Count, "time"))
		return verdict{found: found}
	case left >= heldNeeds && found.Count == 0:
		return fine
	default:
		return undecided(fmt.Sprintf("needs %d attempts that are held for %s, has %d", heldNeeds, secs(longHeld.Seconds()), found.Count))
	}
}

// judgeShortTimeout finds timeouts that normal requests come close to.
func judgeShortTimeout(v *view, calls []*Call) verdict {
	left := leftAfter(calls)
	switch {
	case len(left) < leftNeeds:
		return undecided(needs(leftNeeds, "attempt", len(left)) + " that the client left")
	case len(v.Passed) < leftNeeds:
		return undecided(needs(leftNeeds, "request", len(v.Passed)) + " that passed")
	}
	timeout, normal := median(left), median(v.Passed)
	if timeout >= leftShare*normal {
		return fine
	}
	return verdict{found: &Finding{
		Level: Info, Count: len(left), Of: len(left),
		Text: fmt.Sprintf("leaves after %s, and normal requests take %s (medians)", secs(timeout), secs(normal)),
	}}
}

// judgeChurn finds clients that open a connection for each retry.
func judgeChurn(_ *view, calls []*Call) verdict {
	found := &Finding{Level: Info}
	for _, c := range calls {
		for _, w := range c.waits() {
			if !w.before.whole() {
				continue
			}
			found.Of++
			if w.before.Conn != w.after.Conn {
				found.Count++
				found.prove(c.proof(w.before, w.after))
			}
		}
	}
	switch {
	case found.Of < churnNeeds:
		return undecided(fmt.Sprintf("needs %d retries after a whole reply, has %d", churnNeeds, found.Of))
	case 2*found.Count <= found.Of:
		return fine
	}
	found.Text = fmt.Sprintf("%d of %d retries came on another connection", found.Count, found.Of)
	return verdict{found: found}
}
