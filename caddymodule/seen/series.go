package seen

import (
	"cmp"
	"slices"
	"time"
)

// Series is what points have seen in steps of equal length, for a chart. The last step
// is not complete.
type Series struct {
	At   time.Time `json:"at"`   // now
	From time.Time `json:"from"` // when the first step begins
	Step int64     `json:"step"` // in seconds

	// Since is when the first of the points began to count. Nothing is known of the time
	// before.
	Since *time.Time `json:"since,omitempty"`

	Total []uint64 `json:"total"` // all requests
	Hits  []uint64 `json:"hits"`  // those with an injected fault
	Real  []uint64 `json:"real"`  // those with a status of 500 or above and no fault

	// Rules are the rules with the most hits, most first. Other has the hits of the
	// rest.
	Rules []RuleSeries `json:"rules,omitempty"`
	Other []uint64     `json:"other,omitempty"`
}

// RuleSeries is the part of a rule in a [Series].
type RuleSeries struct {
	Point string   `json:"point"`
	Rule  string   `json:"rule"`
	Count uint64   `json:"count"`
	Hits  []uint64 `json:"hits"`
}

// topRules is the number of rules that a series tells apart.
const topRules = 10

// maxSteps is the maximum number of steps of a series.
const maxSteps = 120

// Series returns what a point has seen in a window of at most an hour. An empty name
// stands for all points together: a request that reaches two of them counts twice. To
// look at a point makes it count for an hour.
func (rec *Recorder) Series(point string, window time.Duration, byRule bool) Series {
	found := rec.find(point)
	now, length := rec.second(), int64(window/time.Second)
	step := int64(ten)
	for length/step > maxSteps {
		step += ten
	}
	n := (length + step - 1) / step
	first := now - now%step - (n-1)*step
	s := Series{
		At: rec.clock.Now().UTC(), From: rec.timeOf(first), Step: step,
		Total: make([]uint64, n), Hits: make([]uint64, n), Real: make([]uint64, n),
	}
	place := func(second int64) int64 { return min((second-first)/step, n-1) }
	began := now + 1
	var rules []RuleSeries
	for _, p := range found {
		p.look()
		p.mu.Lock()
		p.each(first-1, func(second int64, b *bucket) {
			i := place(second)
			s.Total[i] += b.total()
			s.Hits[i] += uint64(b.begun.Load())
			s.Real[i] += uint64(b.real.Load())
		})
		if byRule {
			rules = p.appendRules(rules, now, first, n, place)
		}
		began = min(began, p.began)
		p.mu.Unlock()
	}
	if began <= now {
		since := rec.timeOf(began)
		s.Since = &since
	}
	s.setRules(rules)
	return s
}

// appendRules appends the rules with hits. The caller holds the lock.
func (p *Point) appendRules(rules []RuleSeries, now, first, n int64, place func(int64) int64) []RuleSeries {
	for name, r := range p.rules {
		r.turn(now)
		rs := RuleSeries{Point: p.name, Rule: name, Hits: make([]uint64, n)}
		r.each(first-1, func(second int64, hits uint64) {
			rs.Hits[place(second)] += hits
			rs.Count += hits
		})
		if rs.Count > 0 {
			rules = append(rules, rs)
		}
	}
	return rules
}

// setRules keeps the rules with the most hits and adds up the others.
func (s *Series) setRules(rules []RuleSeries) {
	slices.SortFunc(rules, func(a, b RuleSeries) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Point, b.Point), cmp.Compare(a.Rule, b.Rule))
	})
	s.Rules = rules[:min(len(rules), topRules)]
	for _, rest := range rules[len(s.Rules):] {
		if s.Other == nil {
			s.Other = make([]uint64, len(s.Hits))
		}
		for i, hits := range rest.Hits {
			s.Other[i] += hits
		}
	}
}
