package rules

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/private"
)

// A guest is a rule that no point has: it comes while Caddy runs, is stronger
// than the point's own rules, and has a draw of its own.

// LoadGuest loads a rule as a guest, with counters of its own. What it loads
// belongs to ctx. The settings that it had as JSON are gone afterwards.
//
// Who asks for a guest reads no log, so matchers that are a slip are refused.
func LoadGuest(ctx caddy.Context, rule *Rule) error {
	if err := CheckMatchers(rule.MatcherSetsRaw...); err != nil {
		return fmt.Errorf("match: %w", err)
	}
	if err := rule.provision(ctx, 0); err != nil {
		return err
	}
	return rule.remember(newCounters(time.Now(), rule.maxKeys()))
}

// Dismiss tells everything that waits for the end of a guest that it has come.
// It is called once.
func (rl *Rule) Dismiss() { close(rl.counters.gone) }

// Guests are those that come to one point, in the order in which they are asked.
// Nil is none.
type Guests struct {
	ordered []guest // as those of a point
	early   int
	index   index
	clock   func() time.Time
	came    *atomic.Uint64 // requests to the point
}

// guest is one of them. One that comes to several points is decided at the
// first of a request only.
type guest struct {
	*Rule
	once bool
}

// NewGuests orders rules as guests of a point. Those that once is true of come
// to others, too. The requests that come to the point are counted in came.
func NewGuests(rules []*Rule, once func(*Rule) bool, came *atomic.Uint64) *Guests {
	if len(rules) == 0 {
		return nil
	}
	ordered, early := inOrder(rules)
	g := &Guests{early: early, clock: newClock(rules), came: came}
	for i, rule := range ordered {
		g.ordered = append(g.ordered, guest{rule, once(rule)})
		g.index.add(i, rule.matchers)
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

// see counts a request that comes to the point.
func (g *Guests) see() {
	if g != nil {
		g.came.Add(1)
	}
}

// miss counts a request for those that could match it and were not asked, which are
// in q: one before them has the request.
func (g *Guests) miss(q queue) {
	for i, found := q.next(g.end(true)); found; i, found = q.next(g.end(true)) {
		g.ordered[i].counters.unasked.Add(1)
	}
}

// Seen returns how many requests a guest has matched, at all its points, and which
// of those that came there it was not asked about.
func (rl *Rule) Seen() (matched, unasked uint64) {
	return rl.counters.matched.Load(), rl.counters.unasked.Load()
}

// end is behind the last guest of a phase.
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

// askGuests lets those guests of a phase that are in q decide, each by a draw of
// its own.
func (w *walk) askGuests(guests *Guests, q queue, late bool, r *http.Request) (done bool) {
	end := guests.end(late)
	for i, found := q.next(end); found; i, found = q.next(end) {
		g := guests.ordered[i]
		if !w.point.matches(g.Rule, g.matchers, r) {
			continue
		}
		g.counters.matched.Add(1)
		if g.once && !first(r, g.Rule) {
			continue
		}
		if w.now.IsZero() && guests.clock != nil {
			w.now = guests.clock()
		}
		if w.askAlone(g.Rule, r, rand.Float64()) { //nolint:gosec // chance, not secrecy
			return true
		}
	}
	return false
}

// askAlone asks a rule that shares its draw with no other.
func (w *walk) askAlone(rule *Rule, r *http.Request, u float64) (done bool) {
	shared := w.draw
	w.draw = draw{u: u, alone: true}
	defer func() { w.draw = shared }()
	return w.ask(rule, r)
}

// decided has the guests that have been decided for a request.
const decided private.Slot[[]*Rule] = "decided"

// first reports whether the guest has not been decided for r yet, and notes
// that it has.
func first(r *http.Request, rule *Rule) bool {
	known := decided.Get(r)
	if slices.Contains(known, rule) {
		return false
	}
	decided.Set(r, append(slices.Clip(known), rule))
	return true
}
