package rules

// Stats is what a rule has done so far.
type Stats struct {
	// Off says that the rule has been switched off while running.
	Off bool `json:"off,omitempty"`

	// Hits is how many requests were hit, since load or since the last reset. A
	// request on which no fault had an effect is none of them.
	Hits uint64 `json:"hits"`

	// Active is how many requests the rule has hit that are not over.
	Active int64 `json:"active,omitempty"`

	// Keys is how many values of per are remembered.
	Keys int `json:"keys,omitempty"`
}

// Reset begins the numbers of the seed again. The rules have resets of their own.
func (p *Point) Reset() { p.draws.Store(0) }

// Stats reads the rule's counters.
func (rl *Rule) Stats() Stats {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Stats{Off: c.off.Load(), Hits: c.hits.Load(), Active: c.active.Load()}
	if c.byKey != nil {
		s.Keys = c.byKey.Len()
	}
	return s
}

// CountHit counts a request on which a fault is about to have an effect.
func (rl *Rule) CountHit() { rl.counters.hits.Add(1) }

// SwitchOff makes the rule match nothing, or match again. It holds until a
// reload changes the rule.
func (rl *Rule) SwitchOff(off bool) { rl.counters.off.Store(off) }

// Reset sets all counts of the rule back to the start: skip, times, every, over
// and the hit number. What it holds stays counted.
func (rl *Rule) Reset() { rl.counters.reset() }

func (c *counters) reset() {
	fresh := newKeys(c.keys) // to delete a million keys takes long, and hits wait for the lock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits.Store(0)
	c.matched.Store(0)
	c.unasked.Store(0)
	c.all, c.byKey = tally{}, fresh
}
