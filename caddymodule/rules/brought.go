package rules

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Brought is what a point keeps of the rules that its requests bring with them.
// They are counted together.
type Brought struct {
	limits   limits
	counters *counters
}

// Brought are those rules under a name. At most maxActive requests are held by
// them at a time.
func (p *Point) Brought(name string, maxActive int) *Brought {
	return &Brought{
		limits:   limits{every: 1, maxActive: int64(maxActive)},
		counters: keep(p, keptKey{point: p.Name, rule: "?" + name}, newCounters(time.Now(), 0)), // no rule has such a name
	}
}

// Hits is how many requests they have hit.
func (b *Brought) Hits() uint64 {
	b.counters.mu.Lock()
	defer b.counters.mu.Unlock()
	return b.counters.hits
}

// Reset sets that number back. What they hold stays counted.
func (b *Brought) Reset() { b.counters.reset() }

// Rule makes one of them.
func (b *Brought) Rule(name string, chain faults.Chain, phase string, percent float64) *Rule {
	return &Rule{Name: name, Phase: phase, Faults: chain, percent: percent, limits: b.limits, counters: b.counters}
}

// ExplainBrought tells what would become of a rule that r has brought.
func (p *Point) ExplainBrought(r *http.Request, rule *Rule) Verdict {
	return rule.explain(r, time.Now(), 0)
}

// DecideBrought decides on a rule that r has brought, by a draw of its own.
func (p *Point) DecideBrought(r *http.Request, rule *Rule) Decision {
	w := walk{point: p}
	w.askAlone(rule, r, rand.Float64()) //nolint:gosec // chance, not secrecy
	return w.decision()
}
