package rules

// Stats is the state of a rule and its counters.
type Stats struct {
	// Off reports that the rule is switched off at run time.
	Off bool `json:"off,omitempty"`

	// Hits is the number of requests hit since load or the last reset. A request on
	// which no fault had an effect does not count.
	Hits uint64 `json:"hits"`

	// Active is the number of requests that the rule has hit and that have not ended.
	Active int64 `json:"active,omitempty"`

	// Keys is the number of values of per that are remembered.
	Keys int `json:"keys,omitempty"`
}

// Reset restarts the numbers of the seed. The rules are reset separately, see
// [Rule.Reset].
func (p *Point) Reset() { p.draws.Store(0) }

// Stats returns the state and the counters of the rule.
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

// SwitchOff switches the rule off or on again. The switch stays until a reload changes
// the rule.
func (rl *Rule) SwitchOff(off bool) { rl.counters.off.Store(off) }

// Reset resets all counters of the rule: skip, times, every, over and the hit number.
// Active requests stay counted.
func (rl *Rule) Reset() { rl.counters.reset() }

func (c *counters) reset() {
	fresh := newKeys(c.keys) // freeing a million keys takes long, and hits wait for the lock
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits.Store(0)
	c.matched.Store(0)
	c.unasked.Store(0)
	c.all, c.byKey = tally{}, fresh
}
