package seen

// maxRules is the maximum number of rules of a point that are told apart. The hits of
// others count for the rule with the empty name.
const maxRules = 1024

// A ring has the hits of one rule. It is guarded by the lock of its point.
type ring struct {
	hit    int64 // second of the last hit
	last   int64 // the last second of the ring
	second [seconds]uint32
	ten    [tens]uint32
}

// countRule counts a hit of a rule in a second.
func (p *Point) countRule(rule string, no int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.rules[rule]
	if r == nil {
		r = p.newRing(rule, no)
	}
	r.turn(no)
	r.hit = no
	r.second[no%seconds]++
}

// newRing returns the ring of a rule that has none.
func (p *Point) newRing(rule string, no int64) *ring {
	if p.rules == nil {
		p.rules = make(map[string]*ring)
	}
	if len(p.rules) >= maxRules {
		p.forget(no)
	}
	if len(p.rules) >= maxRules {
		rule = ""
		if r := p.rules[rule]; r != nil {
			return r
		}
	}
	r := &ring{last: no}
	p.rules[rule] = r
	return r
}

// forget forgets the rules without a hit in the last hour.
func (p *Point) forget(no int64) {
	for name, r := range p.rules {
		if r.hit <= no-keep {
			delete(p.rules, name)
		}
	}
}

// turn turns the ring to a second. A count that leaves the seconds goes to its ten.
func (r *ring) turn(no int64) {
	if no-r.last > seconds+keep {
		*r = ring{hit: r.hit, last: no}
		return
	}
	for r.last < no {
		r.last++
		left := r.last - seconds
		slot := &r.second[r.last%seconds]
		if left >= 0 {
			at := &r.ten[left/ten%tens]
			if left%ten == 0 {
				*at = 0
			}
			*at += *slot
		}
		*slot = 0
	}
}

// each calls f with each second or ten after from that has hits, and with the number of
// hits.
func (r *ring) each(from int64, f func(second int64, hits uint64)) {
	for no := max(from+1, r.last-seconds+1, 0); no <= r.last; no++ {
		if n := r.second[no%seconds]; n > 0 {
			f(no, uint64(n))
		}
	}
	last := (r.last - seconds) / ten // it may be incomplete
	if r.last < seconds {
		return
	}
	for no := max((from+ten)/ten, last-tens+1, 0); no <= last; no++ {
		if n := r.ten[no%tens]; n > 0 {
			f(no*ten, uint64(n))
		}
	}
}
