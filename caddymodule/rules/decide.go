package rules

import (
	"net/http"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Decision is what a point decided for one request.
type Decision struct {
	// Rule fires now. Nil: none does. Whoever runs its faults calls
	// [Decision.Release] when they have returned.
	Rule *Rule

	// U is the draw rescaled to [0,1) within the part of the rule's share that
	// fires.
	U float64

	// N is the number of this turn of the rule, from 1; with per, among the
	// requests of the same key.
	N uint64

	// Status is that of the reply on which the rule fires, in phase response.
	Status int

	// Later makes the rest of the decision, on the head of the reply. Nil: the
	// reply need not be watched.
	Later *Later

	key      string // of the request, for TakeBack
	released bool
}

// Release ends the hold of the request by the rule that fired, see
// [Rule.MaxActive].
func (d *Decision) Release() {
	if !d.released {
		d.released = true
		d.Rule.counters.release()
	}
}

// TakeBack gives the turn of the request to another one, and ends its hold: no
// fault had an effect, or may have one.
func (d *Decision) TakeBack() {
	d.Rule.counters.takeBack(d.key)
	d.Release()
}

// Spares reports whether the faults of the rule would leave this hit alone. Then
// it is none, and is not held. A turn of a sequence that passes stays used, so
// that the next hit gets the next one; where only the draw decided, as in choose,
// the number is given back.
func (d *Decision) Spares() bool {
	chain := d.Rule.Faults
	if idle, _ := chain.Idle(d.N, d.U); !idle {
		return false
	}
	if idle, _ := chain.Idle(d.N, faults.AnyDraw); !idle {
		d.TakeBack()
		return true
	}
	d.Release()
	return true
}

// Decide finds the rule that fires for r, if any: first of the guests, then of
// the point's own rules. A request that matches no rule consumes no draw.
func (p *Point) Decide(r *http.Request, guests *Guests) Decision {
	if len(p.ordered) == 0 && guests == nil {
		return Decision{}
	}
	return p.decide(r, guests, false)
}

// DecideHealthCheck does the same for r as an active health check of a proxy.
func (p *Point) DecideHealthCheck(r *http.Request) Decision {
	return p.decide(r, nil, true)
}

func (p *Point) decide(r *http.Request, guests *Guests, check bool) Decision {
	if !p.Matches(r) {
		return Decision{}
	}
	guests.see()
	var space room
	found := p.index.find(r, space[:0])
	n := len(found)
	found = guests.find(r, found)
	if len(found) == 0 {
		return Decision{}
	}
	p.group.Settle()
	own, came := found[:n], found[n:]
	w := walk{point: p, check: check}
	for _, late := range [...]bool{false, true} {
		if len(came) > 0 && w.askGuests(guests, came, late, r) || w.askOwn(own, late, r) {
			guests.miss(came)
			break
		}
	}
	return w.decision()
}

// askOwn lets those of the point's own rules of a phase that are in q decide,
// by the draw that they share.
func (w *walk) askOwn(q queue, late bool, r *http.Request) (done bool) {
	end := w.point.end(late)
	for i, found := q.next(end); found; i, found = q.next(end) {
		rule := w.point.ordered[i]
		if w.check && !rule.HealthChecks || !w.point.matches(rule, rule.matchers, r) {
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

// walk goes along the shares of the rules that match a request. It depends on
// nothing but the draw, the time and the counters.
type walk struct {
	point *Point
	draw
	check     bool      // of an active health check
	begun     bool      // the point has drawn
	now       time.Time // when the request came; zero without a clock
	onHead    bool      // of the reply
	postponed []candidate
	found     Decision
}

// draw is a number drawn, and the shares of it that are taken.
type draw struct {
	u, sum float64
	alone  bool // no other rule has a share of it
}

// candidate is a rule that has to be asked again on the head of the reply.
type candidate struct {
	rule    *Rule
	key     string // of the request as it came
	counted bool   // the gates that count have let it on
	shut    bool   // it only keeps its share
	draw    draw   // of a rule that draws alone
}

// ask leads a request that matches the rule through its gates and the draw. It
// reports whether the decision is made.
//
// What can be decided now is: a rule without match_response counts and draws
// when the request comes, and waits for the head only to fire. The first rule
// that waits makes those behind it wait as well, for whether a request comes
// to them depends on it. A hit is taken where the rule fires, so a reply that
// never comes takes nothing.
func (w *walk) ask(rule *Rule, r *http.Request) (done bool) {
	g := rule.shut(coming, visit{now: w.now})
	waits := len(w.postponed) > 0
	switch {
	case g != nil && waits: // its share follows theirs
		w.point.Passed(rule, g.reason)
		w.postponed = append(w.postponed, candidate{rule: rule, shut: true, draw: w.draw})
		return false
	case g != nil:
		return w.refuse(rule, g)
	}
	if !waits && len(rule.gates[counting]) == 0 {
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

// count asks a rule from the stage counting on.
func (w *walk) count(c candidate) (done bool) {
	rule := c.rule
	if len(rule.gates[counting]) > 0 && !c.counted {
		if g := rule.admit(c.key, w.now); g != nil {
			return w.refuse(rule, g)
		}
	}
	within, hit := w.share(rule)
	if !hit {
		w.miss(rule)
		return false
	}
	if rule.OnResponse() && !w.onHead {
		c.counted = true
		w.postponed = append(w.postponed, c)
		return false
	}
	n, g := rule.take(c.key, w.now)
	if g != nil {
		return w.refuse(rule, g)
	}
	if rule.DryRun {
		w.point.Passed(rule, ReasonDryRun)
	}
	w.found = Decision{Rule: rule, U: within, N: n, key: c.key}
	return true
}

// miss leaves a rule whose draw has missed. With match_response nobody knows,
// before the head, whether it would have matched.
func (w *walk) miss(rule *Rule) {
	if rule.MatchResponse == nil || w.onHead {
		w.point.Passed(rule, ReasonPercent)
	}
	w.sum += rule.percent
}

// refuse leaves a rule at a gate that is shut.
func (w *walk) refuse(rule *Rule, g *gate) (done bool) {
	w.point.Passed(rule, g.reason)
	w.sum += rule.kept()
	return g.ends
}

// decision is what the walk has come to.
func (w *walk) decision() Decision {
	if len(w.postponed) > 0 {
		w.found.Later = &Later{rest: *w}
	}
	return w.found
}

// Later is the rest of a decision, for which the head of the reply is needed.
type Later struct{ rest walk }

// Decide finds the rule that fires on the head of the reply, if any.
func (l *Later) Decide(code int, header http.Header) Decision {
	w := l.rest
	w.onHead = true
	for _, c := range w.postponed {
		if w.askOnHead(c, code, header) {
			break
		}
	}
	return w.found
}

// askOnHead asks a rule that has waited.
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
