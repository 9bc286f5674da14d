package clients

import (
	"strconv"
	"time"
)

// wait is the time between two attempts that follow each other.
type wait struct {
	call          *Call
	before, after *Attempt
	seconds       float64

	// upper reports that seconds is more than the client waited: the end of the attempt
	// before was noticed late, so that it counts from start to start.
	upper bool
}

// waits returns the waits between the attempts that are kept. Attempts that overlap have
// none, nor have guessed ones with another body, nor those between which a clock went
// back.
func (c *Call) waits() (found []wait) {
	for i := 1; i < len(c.Attempts); i++ {
		before, after := &c.Attempts[i-1], &c.Attempts[i]
		if after.N != before.N+1 || after.Overlap || c.By == ByGuess && after.Body == OtherBody {
			continue
		}
		w := wait{call: c, before: before, after: after, upper: before.Late}
		from := before.End
		if before.Late {
			from = before.Start
		}
		if from.IsZero() || after.Start.Before(from) {
			continue
		}
		w.seconds = after.Start.Sub(from).Seconds()
		found = append(found, w)
	}
	return found
}

// free reports whether the client chose how long to wait. A client may close the
// connection of a request that timed out only after its wait, as urllib3 does. So a
// client that leaves and comes at once says nothing about its wait.
func (w *wait) free() bool {
	return w.before.RetryAfter == nil && (w.before.Outcome != Left || w.seconds >= atOnce)
}

// freeWaits returns the waits that the client chose.
func (c *Call) freeWaits() (found []wait) {
	for _, w := range c.waits() {
		if w.free() {
			found = append(found, w)
		}
	}
	return found
}

// firstFree returns the wait after the first attempt, if the client chose it and it is
// known exactly.
func (c *Call) firstFree() (w wait, ok bool) {
	all := c.freeWaits()
	if len(all) == 0 || all[0].before.N != 1 || all[0].upper {
		return wait{}, false
	}
	return all[0], true
}

// whole reports whether the client got a whole reply.
func (a *Attempt) whole() bool { return a.Outcome == Reply || a.Outcome == Passed }

// failed reports whether the attempt has ended without what the client wanted.
func (a *Attempt) failed() bool {
	switch a.Outcome {
	case Passed, Waiting:
		return false
	case Reply:
		return a.Status >= 400
	default:
		return true
	}
}

// text returns the outcome for people.
func (a *Attempt) text() string { return a.Outcome.text(a.Status) }

func (o Outcome) text(status int) string {
	if o == Reply {
		return string(Reply) + " " + strconv.Itoa(status)
	}
	return string(o)
}

// unknown reports whether the client cannot know if the request was carried out.
func (a *Attempt) unknown() bool {
	switch a.Outcome {
	case NoReply, Cut, Left:
		return true
	case Reply:
		return a.Status >= 500 && a.Status != 501 && a.Status != 503 && a.Status != 505
	default:
		return false
	}
}

// pointless reports whether the same request gets the same answer. 409 is left out: the
// SDKs of OpenAI and Stripe repeat it, since another request may have ended.
func (a *Attempt) pointless() bool {
	return a.Outcome == Reply && (saysNo(a.Status) && a.Status != 409 || a.Status == 501 || a.Status == 505)
}

// leftAfter returns how long clients waited before they left, in seconds. Attempts whose
// end was noticed late are left out.
func leftAfter(calls []*Call) (found []float64) {
	for _, c := range calls {
		for i := range c.Attempts {
			if a := &c.Attempts[i]; a.Outcome == Left && !a.Late {
				found = append(found, max(a.End.Sub(a.Start), 0).Seconds())
			}
		}
	}
	return found
}

// held returns how long the attempt took, or has taken until now.
func (a *Attempt) held(now time.Time) time.Duration {
	if a.End.IsZero() {
		return now.Sub(a.Start)
	}
	return a.End.Sub(a.Start)
}

// proof returns attempts of a call as evidence.
func (c *Call) proof(from ...*Attempt) Proof {
	if len(from) == 0 {
		for i := range c.Attempts[:min(len(c.Attempts), maxProofTimes)] {
			from = append(from, &c.Attempts[i])
		}
	}
	p := Proof{Call: c.ID, Point: c.Point, Path: c.Path}
	for _, a := range from {
		if p.Rule == "" {
			p.Rule = a.Rule
		}
		p.Times, p.Outcomes = append(p.Times, a.Start), append(p.Outcomes, a.text())
	}
	return p
}

// prove adds evidence to a finding.
func (f *Finding) prove(p Proof) {
	if len(f.Evidence) < maxProofs {
		f.Evidence = append(f.Evidence, p)
	}
}
