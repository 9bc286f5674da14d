package experiments

// Counter counts the entries that a query selects. It does so again and again:
// what it has counted it does not look at again, nor forgets when it is pushed
// out of the journal.
type Counter struct {
	journal *Journal
	query   Query
	ring    *ring  // nil: it has not counted
	upTo    uint64 // it has counted
	n       int
	all     bool
}

// Counter returns a counter for q, whose limit it ignores.
func (j *Journal) Counter(q Query) *Counter { return &Counter{journal: j, query: q} }

// Count returns how many entries the query selects, and whether those are all of
// the process since then. A journal of no size never knows.
func (c *Counter) Count() (n int, all bool) {
	v := c.journal.view()
	if v.ring != c.ring { // emptied or resized
		c.ring, c.upTo, c.n = v.ring, v.oldest-1, 0
		c.all = len(*v.ring) > 0 && v.lost.Before(c.query.Since)
	}
	missed := v.oldest > c.upTo+1
	for seq := max(v.oldest, c.upTo+1); seq <= v.last; seq++ {
		switch rec := v.get(seq); {
		case rec == nil:
			missed = true
		case c.query.wants(&rec.entry):
			c.n++
		}
	}
	c.upTo = v.last
	if missed {
		v = c.journal.view()
		c.all = c.all && v.lost.Before(c.query.Since)
	}
	return c.n, c.all
}
