package rules

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
)

// A guest is a rule that does not belong to a point. It is added at run time, is
// evaluated before the point's rules, and has a separate draw.

// LoadGuest loads a rule as a guest, with separate counters. The loaded modules belong
// to ctx. LoadGuest clears the raw JSON of matchers and faults.
//
// People who add a guest do not see the log, so LoadGuest refuses matchers for which a
// point only logs a warning.
func LoadGuest(ctx caddy.Context, rule *Rule, draws Draws) error {
	if err := CheckMatchers(rule.MatcherSetsRaw...); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	if err := CheckGuest(rule); err != nil {
		return err
	}
	if err := draws.Check(); err != nil {
		return err
	}
	if err := rule.provision(ctx, 0); err != nil {
		return err
	}
	rule.draws = newDraws(draws, rule.Name, rule.Place)
	return rule.remember(newCounters(time.Now(), rule.maxKeys()))
}

// CheckGuest refuses settings that a guest cannot have.
func CheckGuest(rule *Rule) error {
	if rule.Follows != nil || rule.Observe {
		return errors.New("follows and observe are about other rules of a point, so they are only possible in the rules of a site")
	}
	return nil
}

// Dismiss signals the end of a guest to all who wait for it. Call it once.
func (rl *Rule) Dismiss() { close(rl.counters.gone) }

// Guests are the guests of one point, in the order of evaluation. Nil means no guests.
type Guests struct {
	ordered []guest // like the rules of a point
	early   int
	index   index
	clock   func() time.Time
	came    *atomic.Uint64 // number of requests that reached the point
	forThem bool           // some guest is for preflights
}

// guest is a guest at a point. With once, it is at several points and is decided only
// at the first one that a request reaches.
type guest struct {
	*Rule
	once bool
}

// NewGuests returns the guests of a point. The function once reports whether a rule is
// a guest of other points also. The counter came counts the requests that reach the
// point.
func NewGuests(rules []*Rule, once func(*Rule) bool, came *atomic.Uint64) *Guests {
	if len(rules) == 0 {
		return nil
	}
	ordered, early := inOrder(rules)
	g := &Guests{early: early, clock: newClock(rules), came: came}
	for i, rule := range ordered {
		g.ordered = append(g.ordered, guest{rule, once(rule)})
		g.index.add(i, rule.matchers)
		g.forThem = g.forThem || rule.preflights
	}
	return g
}

// find adds to q the guests that r can match.
func (g *Guests) find(r *http.Request, q queue) queue {
	if g == nil {
		return q
	}
	return g.index.find(r, q)
}

// see counts a request that reaches the point. A preflight counts only if a guest is
// for preflights.
func (g *Guests) see(preflight bool) {
	if g != nil && (!preflight || g.forThem) {
		g.came.Add(1)
	}
}

// miss counts a request as unasked for the guests that are left in q. They could match
// the request, but an earlier rule has taken it.
func (g *Guests) miss(q queue, preflight bool) {
	for i, found := q.next(g.end(true)); found; i, found = q.next(g.end(true)) {
		if guest := g.ordered[i]; !preflight || guest.preflights {
			guest.counters.unasked.Add(1)
		}
	}
}

// Seen returns the number of requests that a guest has matched at all its points. It
// also returns the number of requests for which the guest was not evaluated, because an
// earlier rule took them.
func (rl *Rule) Seen() (matched, unasked uint64) {
	return rl.counters.matched.Load(), rl.counters.unasked.Load()
}

// end returns the index after the last guest of a phase.
func (g *Guests) end(late bool) int {
	switch {
	case g == nil:
		return 0
	case late:
		return len(g.ordered)
	default:
		return g.early
	}
}

// askGuests evaluates the guests that are in q, for one phase. Each has a separate
// draw.
func (w *walk) askGuests(guests *Guests, q queue, late bool, r *http.Request) (done bool) {
	end := guests.end(late)
	for i, found := q.next(end); found; i, found = q.next(end) {
		g := guests.ordered[i]
		if w.preflight && !g.preflights || !w.point.matches(g.Rule, g.matchers, r) {
			continue
		}
		g.counters.matched.Add(1)
		if g.once && !first(r, g.Rule) {
			continue
		}
		if w.now.IsZero() && guests.clock != nil {
			w.now = guests.clock()
		}
		if w.askAlone(g.Rule, r, g.draws.draw(r)) {
			return true
		}
	}
	return false
}

// askAlone evaluates a rule that does not share its draw.
func (w *walk) askAlone(rule *Rule, r *http.Request, u float64) (done bool) {
	shared := w.draw
	w.draw = draw{u: u, alone: true}
	defer func() { w.draw = shared }()
	return w.ask(rule, r)
}

// decided holds the guests that have been decided for a request.
const decided private.Slot[[]*Rule] = "decided"

// first reports whether the guest has not been decided for r yet. It records that it
// now is.
func first(r *http.Request, rule *Rule) bool {
	known := decided.Get(r)
	if slices.Contains(known, rule) {
		return false
	}
	decided.Set(r, append(slices.Clip(known), rule))
	return true
}
