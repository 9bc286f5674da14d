package clients

import "slices"

// Closed returns the evidence as it is once no client can come again: calls that are open
// have been given up or, if the last reply said not to repeat them, refused.
func (ev *Evidence) Closed() Evidence {
	found := *ev
	found.Calls = slices.Clone(ev.Calls)
	for i := range found.Calls {
		c := &found.Calls[i]
		if c.Outcome != Open {
			continue
		}
		c.Outcome = GaveUp
		if n := len(c.Attempts); n > 0 && c.Attempts[n-1].Outcome == Reply && saysNo(c.Attempts[n-1].Status) {
			c.Outcome = Refused
		}
	}
	return found
}
