package clients

import "time"

// Filter selects evidence. An empty field selects all.
type Filter struct {
	Client string
	Rule   string // that has hit an attempt of the call
	Point  string
	Since  time.Time // calls that began at this time or later
}

// Select returns the part of the evidence that a filter selects. A period has no client:
// a filter with one selects none.
func (ev *Evidence) Select(f Filter) Evidence {
	found := *ev
	found.Calls, found.Clients, found.Periods = []Call{}, []Client{}, []Period{}
	if f.Since.After(found.Since) {
		found.Since = f.Since
	}
	for i := range ev.Calls {
		c := &ev.Calls[i]
		if f.wants(c.Client, c.Point, c.start()) && (f.Rule == "" || c.hitBy(f.Rule)) {
			found.Calls = append(found.Calls, *c)
		}
	}
	for _, c := range ev.Clients {
		if f.Client == "" || c.Client == f.Client {
			found.Clients = append(found.Clients, c)
		}
	}
	for _, p := range ev.Periods {
		if f.wants("", p.Point, p.Start) && (f.Rule == "" || p.Rule == f.Rule) {
			found.Periods = append(found.Periods, p)
		}
	}
	return found
}

func (f *Filter) wants(client, point string, start time.Time) bool {
	return (f.Client == "" || client == f.Client) && (f.Point == "" || point == f.Point) && !start.Before(f.Since)
}

// hitBy reports whether a rule has hit an attempt that is kept.
func (c *Call) hitBy(rule string) bool {
	for i := range c.Attempts {
		if c.Attempts[i].Rule == rule {
			return true
		}
	}
	return false
}

// End records that the fault of a rule has ended at all points. Without a rule, all
// faults have ended.
func (r *Recorder) End(rule string) {
	now := r.clock.now()
	for _, p := range r.allPoints() {
		p.end(rule, now)
	}
}

// Judge judges the part of what has been recorded that a filter selects.
func (r *Recorder) Judge(f Filter) Report {
	ev := r.Evidence()
	return Judge(ev.Select(f), *r.settings.Load())
}
