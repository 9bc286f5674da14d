package rules

import (
	"math"
	"net/http"
)

// Decision is what a point decided for one request.
type Decision struct {
	// Rule fires now. Nil: none does.
	Rule *Rule

	// U is the draw rescaled to [0,1) within the rule's share.
	U float64

	// N is the number of this hit of the rule, from 1.
	N uint64

	// Later are the rules of phase response that may fire on the head of the
	// reply, see [Point.DecideLater]. Empty: the reply need not be watched.
	Later []Candidate
}

// Candidate is a rule in whose share the draw may lie.
type Candidate struct {
	rule *Rule
	u    float64
}

// Decide finds the rule that fires for r, if any. A request that matches no
// rule consumes no draw.
func (p *Point) Decide(r *http.Request) (Decision, error) {
	if len(p.ordered) == 0 {
		return Decision{}, nil
	}
	if ok, err := p.Matches(r); !ok || err != nil {
		return Decision{}, err
	}
	w := walk{point: p, u: -1}
	for _, rule := range p.ordered {
		if ok, err := rule.matches(r); err != nil {
			return Decision{}, err
		} else if !ok {
			continue
		}
		if w.u < 0 {
			w.u = p.draw(r)
		}
		if w.step(rule) {
			break
		}
	}
	return w.found, nil
}

// walk goes along the shares of the rules that match a request. Apart from the
// hits that it counts it depends on nothing but the draw.
type walk struct {
	point *Point
	u     float64 // the draw
	sum   float64 // of the shares so far
	found Decision
}

// step gives the rule its share and reports whether the decision is made.
func (w *walk) step(rule *Rule) (done bool) {
	within, hit := share(w.u, w.sum, rule.percent)
	switch {
	case !hit:
		w.point.pass(rule)
		w.sum += rule.percent
		return false
	case !rule.OnResponse():
		w.found = w.point.fire(rule, within)
		return true
	default:
		w.found.Later = append(w.found.Later, Candidate{rule, within})
		// a rule of 100 percent whose reply does not match will count as
		// absent, and the next one has the draw
		return rule.percent < 100 || rule.MatchResponse == nil
	}
}

// DecideLater finds the rule that fires on the head of the reply, if any.
func (p *Point) DecideLater(later []Candidate, code int, header http.Header) Decision {
	for _, c := range later {
		if c.rule.matchesResponse(code, header) {
			return p.fire(c.rule, c.u)
		}
	}
	return Decision{}
}

// fire counts a hit of the rule.
func (p *Point) fire(rule *Rule, u float64) Decision {
	if rule.DryRun {
		p.Passed(rule, ReasonDryRun)
		return Decision{Rule: rule, U: u}
	}
	return Decision{Rule: rule, U: u, N: rule.counters.hits.Add(1)}
}

// pass tells of a rule that matched and missed its draw. With match_response
// nobody knows whether it would have matched.
func (p *Point) pass(rule *Rule) {
	if rule.MatchResponse == nil {
		p.Passed(rule, ReasonPercent)
	}
}

// share tells whether the draw u, in [0,1), lies in the share of percent that
// begins at sum, and where within it, rescaled to [0,1). Whoever asks has seen
// u miss the shares before it. What reaches beyond 100 is cut off.
func share(u, sum, percent float64) (within float64, hit bool) {
	at := u * 100
	if at >= sum+percent {
		return 0, false
	}
	width := math.Min(percent, 100-sum)
	return math.Min((at-sum)/width, math.Nextafter(1, 0)), true
}
