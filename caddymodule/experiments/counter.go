package experiments

// Counter counts the entries that a query selects. Repeated calls look only at new
// entries. Entries that are pushed out of the journal remain counted.
type Counter struct {
	journal *Journal
	query   Query
	ring    *ring  // nil: not counted yet
	upTo    uint64 // the last entry counted
	n       int
	all     bool
}

// Counter returns a counter for q. It ignores the limit of q.
func (j *Journal) Counter(q Query) *Counter { return &Counter{journal: j, query: q} }

// Count returns how many entries the query selects, and whether these are all entries
// of the process since the query's start. A journal of size 0 never reports all.
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
		case c.query.wants(rec, v.event):
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
