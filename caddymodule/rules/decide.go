package rules

import (
	"net/http"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Decision is the decision of a point about one request.
type Decision struct {
	// Rule is the rule that fires now, or nil. Run its faults and then call
	// [Decision.Release].
	Rule *Rule

	// U is the draw, rescaled to [0,1) within the part of the rule's share that fires.
	U float64

	// N is the number of this turn of the rule, from 1. With per, turns are numbered
	// separately for each key.
	N uint64

	// Status is the status of the reply on which the rule fires, in phase response.
	Status int

	// Later completes the decision when the header of the reply is known. It is nil if
	// the decision does not depend on the reply.
	Later *Later

	reach    reach  // whether the request is for the point, if the decision depended on it
	key      string // key of the request, for TakeBack
	took     grant
	released bool
}

// reach is whether a request is for a point.
type reach uint8

const (
	reachUnknown reach = iota
	reachHere
	reachElsewhere // the matchers of the point do not match
)

// Reaches reports whether the request of a decision is for the point.
func (p *Point) Reaches(r *http.Request, d *Decision) bool {
	if d.reach == reachUnknown {
		return p.Matches(r)
	}
	return d.reach == reachHere
}

// Release ends the request's use of the rule's [Rule.MaxActive].
func (d *Decision) Release() {
	if !d.released {
		d.released = true
		d.Rule.counters.release()
	}
}

// TakeBack undoes the hit: the turn goes to another request, and the request is no
// longer active. Call it if no fault has had an effect, or none can have one.
func (d *Decision) TakeBack() {
	d.Rule.counters.takeBack(d.key, d.took)
	d.Release()
}

// Spares reports whether the faults of the rule leave this request unchanged. If so,
// the request is not a hit, and Spares releases it. A step `pass` of a sequence stays
// used, so that the next hit gets the next step. If only the draw decided, as in
// choose, another request gets the turn.
func (d *Decision) Spares() bool {
	chain := d.Rule.Faults
	if idle, _ := chain.Idle(d.N, d.U); !idle {
		return false
	}
	if idle, _ := chain.Idle(d.N, faults.AnyDraw); !idle {
		d.TakeBack()
		return true
	}
	d.Rule.counters.noHit(d.key, d.took)
	d.Release()
	return true
}

// Decide returns the rule that fires for r, if any. Guests precede the point's rules. A
// request that matches no rule consumes no draw.
func (p *Point) Decide(r *http.Request, guests *Guests) Decision {
	if len(p.ordered) == 0 && guests == nil {
		return Decision{}
	}
	return p.decide(r, guests, false)
}

// DecideHealthCheck is [Point.Decide] for an active health check of a proxy.
func (p *Point) DecideHealthCheck(r *http.Request) Decision {
	return p.decide(r, nil, true)
}

func (p *Point) decide(r *http.Request, guests *Guests, check bool) Decision {
	preflight := p.LetsPass(r)
	if preflight && !p.forThem && (guests == nil || !guests.forThem) {
		return Decision{}
	}
	if !p.Matches(r) {
		return Decision{reach: reachElsewhere}
	}
	guests.see(preflight)
	var space room
	found := p.index.find(r, space[:0])
	n := len(found)
	found = guests.find(r, found)
	if len(found) == 0 {
		return Decision{reach: reachHere}
	}
	p.group.Settle()
	own, came := found[:n], found[n:]
	w := walk{point: p, check: check, preflight: preflight}
	for _, late := range [...]bool{false, true} {
		if len(came) > 0 && w.askGuests(guests, came, late, r) || w.askOwn(own, late, r) {
			guests.miss(came, preflight)
			break
		}
	}
	w.mark()
	return w.decision()
}

// askOwn evaluates the rules of the point that are in q, for one phase. They share one
// draw.
func (w *walk) askOwn(q queue, late bool, r *http.Request) (done bool) {
	end := w.point.end(late)
	for i, found := q.next(end); found; i, found = q.next(end) {
		rule := w.point.ordered[i]
		if w.check && !rule.HealthChecks || w.preflight && !rule.preflights || !w.point.matches(rule, rule.matchers, r) {
			continue
		}
		if !w.begun {
			w.begun = true
			w.u = w.point.draw(r)
			if w.point.clock != nil {
				w.now = w.point.clock()
			}
		}
		if w.ask(rule, r) {
			return true
		}
	}
	return false
}

// walk is the evaluation of the rules that match one request, in order. It depends only
// on the draw, the time and the counters.
type walk struct {
	point *Point
	draw
	check     bool      // the request is an active health check
	preflight bool      // only rules for preflights apply
	begun     bool      // the point's draw is set
	now       time.Time // time of the request; zero without a clock
	onHead    bool      // the header of the reply is known
	postponed []candidate
	marks     []candidate // observed, see mark
	found     Decision
}

// draw is a random number, and how much of it rules have used so far.
type draw struct {
	u, sum float64
	alone  bool // only one rule uses the draw
}

// candidate is a rule to evaluate again when the header of the reply is known.
type candidate struct {
	rule    *Rule
	key     string // key of the original request
	counted bool   // the request has passed the gates that count
	burst   bool   // it came in a burst of the rule
	shut    bool   // the rule only keeps its share
	draw    draw   // draw of a rule that draws alone
}

// ask evaluates the gates and the draw of a rule that matches the request. It reports
// whether the decision is final.
//
// It decides as much as possible before the upstream replies. A rule without
// match_response counts and draws when the request arrives, and waits for the reply
// only to fire. A rule that waits makes all later rules wait, because they apply only
// if it does not fire. A turn is taken when the rule fires, so a request without a
// reply takes no turn.
func (w *walk) ask(rule *Rule, r *http.Request) (done bool) {
	v := visit{now: w.now}
	if rule.Follows != nil {
		v.key = rule.key.of(r)
	}
	g := rule.shut(coming, v)
	waits := len(w.postponed) > 0
	switch {
	case g != nil && waits: // its share comes after the shares of the waiting rules
		w.point.Passed(rule, g.reason)
		w.postponed = append(w.postponed, candidate{rule: rule, shut: true, draw: w.draw})
		return false
	case g != nil:
		return w.refuse(rule, g)
	}
	if !waits && !rule.admits() && !rule.Observe {
		if _, hit := w.share(rule); !hit {
			w.miss(rule)
			return false
		}
	}
	c := candidate{rule: rule, key: rule.key.of(r), draw: w.draw}
	if waits || rule.MatchResponse != nil {
		w.postponed = append(w.postponed, c)
		return false
	}
	return w.count(c)
}

// count evaluates a rule, beginning with the stage counting.
func (w *walk) count(c candidate) (done bool) {
	rule := c.rule
	if rule.admits() && !c.counted {
		var g *gate
		if g, c.burst = rule.admit(c.key, w.now); g != nil {
			return w.refuse(rule, g)
		}
	}
	within, hit := w.u, c.burst || rule.Observe
	if !hit {
		within, hit = w.share(rule)
	}
	if !hit {
		w.miss(rule)
		return false
	}
	if rule.OnResponse() && !w.onHead {
		c.counted = true
		w.postponed = append(w.postponed, c)
		return false
	}
	if rule.Observe {
		w.observe(c)
		return false
	}
	took, g := rule.take(c.key, w.hitAt(rule))
	if g != nil {
		return w.refuse(rule, g)
	}
	if rule.DryRun {
		w.point.Passed(rule, ReasonDryRun)
	}
	w.found = Decision{Rule: rule, U: within, N: took.n, key: c.key, took: took}
	return true
}

// miss skips a rule that the draw misses. Before the reply, a rule with match_response
// is not counted as passed, because it may not match.
func (w *walk) miss(rule *Rule) {
	if rule.MatchResponse == nil || w.onHead {
		w.point.Passed(rule, ReasonPercent)
	}
	w.sum += rule.percent
}

// refuse skips a rule that a gate stops.
func (w *walk) refuse(rule *Rule, g *gate) (done bool) {
	w.point.Passed(rule, g.reason)
	w.sum += rule.kept()
	return g.ends
}

// decision returns the result of the walk.
func (w *walk) decision() Decision {
	w.found.reach = reachHere
	if len(w.postponed) > 0 {
		w.found.Later = &Later{rest: *w}
	}
	return w.found
}

// Later is the part of a decision that needs the header of the reply.
type Later struct{ rest walk }

// Decide returns the rule that fires on a reply with this header, if any.
func (l *Later) Decide(code int, header http.Header) Decision {
	w := l.rest
	w.onHead = true
	for _, c := range w.postponed {
		if w.askOnHead(c, code, header) {
			break
		}
	}
	w.mark()
	return w.found
}

// askOnHead evaluates a rule that has waited for the reply.
func (w *walk) askOnHead(c candidate, code int, header http.Header) (done bool) {
	if c.draw.alone {
		defer func(shared draw) { w.draw = shared }(w.draw)
		w.draw = c.draw
	}
	if c.shut || !c.rule.matchesResponse(code, header) {
		w.sum += c.rule.kept()
		return false
	}
	return w.count(c)
}
