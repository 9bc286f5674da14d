package rules

import (
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Triggered has what the triggered rules of a point share: their counters and
// their limit.
type Triggered struct{ like Rule }

// Triggered returns what the triggered rules of that name share. They hit at most
// maxActive requests at a time.
func (p *Point) Triggered(name string, maxActive int) *Triggered {
	t := &Triggered{Rule{MaxActive: &maxActive}}
	t.like.gates = gatesOf(&t.like)
	t.like.counters = keep(p, keptKey{point: p.Name, rule: "?" + name}, newCounters(time.Now(), 0)) // no rule has such a name
	return t
}

// Hits returns how many requests the rules have hit.
func (t *Triggered) Hits() uint64 { return t.like.Stats().Hits }

// Reset sets Hits back to zero. Requests that are still held stay counted as active.
func (t *Triggered) Reset() { t.like.Reset() }

// Rule returns a rule that counts with the others.
func (t *Triggered) Rule(name string, chain faults.Chain, phase string, percent float64) *Rule {
	rule := t.like
	rule.Name, rule.Faults, rule.Phase, rule.percent = name, chain, phase, percent
	return &rule
}

// ExplainTriggered tells what would become of a rule that r has triggered. Above
// max_active such a rule leaves r to those of the point.
func (p *Point) ExplainTriggered(r *http.Request, rule *Rule) Verdict {
	v, _ := rule.explain(r, time.Now(), 0)
	v.Settles = v.Settles && v.Gate != maxActiveGate.name
	return v
}

// DecideTriggered decides on a rule that r has triggered, by a draw of its own.
func (p *Point) DecideTriggered(r *http.Request, rule *Rule) Decision {
	w := walk{point: p}
	w.askAlone(rule, r, rand.Float64()) //nolint:gosec // chance, not secrecy
	return w.decision()
}
