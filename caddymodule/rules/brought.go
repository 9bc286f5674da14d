package rules

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Brought is what a point keeps of the rules that its requests bring with them.
// They are counted together.
type Brought struct{ like Rule }

// Brought are those rules under a name. At most maxActive requests are held by
// them at a time.
func (p *Point) Brought(name string, maxActive int) *Brought {
	b := &Brought{Rule{MaxActive: &maxActive}}
	b.like.gates = gatesOf(&b.like)
	b.like.counters = keep(p, keptKey{point: p.Name, rule: "?" + name}, newCounters(time.Now(), 0)) // no rule has such a name
	return b
}

// Hits is how many requests they have hit.
func (b *Brought) Hits() uint64 { return b.like.Stats().Hits }

// Reset sets that number back. What they hold stays counted.
func (b *Brought) Reset() { b.like.Reset() }

// Rule makes one of them.
func (b *Brought) Rule(name string, chain faults.Chain, phase string, percent float64) *Rule {
	rule := b.like
	rule.Name, rule.Faults, rule.Phase, rule.percent = name, chain, phase, percent
	return &rule
}

// ExplainBrought tells what would become of a rule that r has brought. Above
// max_active such a rule leaves r to those of the point.
func (p *Point) ExplainBrought(r *http.Request, rule *Rule) Verdict {
	v, _ := rule.explain(r, time.Now(), 0)
	v.Settles = v.Settles && v.Gate != maxActiveGate.name
	return v
}

// DecideBrought decides on a rule that r has brought, by a draw of its own.
func (p *Point) DecideBrought(r *http.Request, rule *Rule) Decision {
	w := walk{point: p}
	w.askAlone(rule, r, rand.Float64()) //nolint:gosec // chance, not secrecy
	return w.decision()
}
