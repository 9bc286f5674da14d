package rules

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Triggered has what the triggered rules of a point share: their counters and
// their limit.
type Triggered struct {
	like    Rule
	refused *atomic.Uint64
}

// Triggered returns what the triggered rules of that name share. They hit at most
// maxActive requests at a time.
func (p *Point) Triggered(name string, maxActive int) *Triggered {
	t := &Triggered{like: Rule{MaxActive: &maxActive}}
	t.like.gates = gatesOf(&t.like)
	key := keptKey{point: p.Name, rule: "?" + name} // no rule has such a name
	t.like.counters = keep(p, key, newCounters(time.Now(), 0))
	key.settings = "refused"
	t.refused = keep(p, key, new(atomic.Uint64))
	return t
}

// Hits returns how many requests the rules have hit.
func (t *Triggered) Hits() uint64 { return t.like.Stats().Hits }

// Refused returns how many requests have asked for what they may not have.
func (t *Triggered) Refused() uint64 { return t.refused.Load() }

// CountRefusal notes one more of them.
func (t *Triggered) CountRefusal() { t.refused.Add(1) }

// Reset sets Hits and Refused back to zero. Requests that are still held stay
// counted as active.
func (t *Triggered) Reset() {
	t.like.Reset()
	t.refused.Store(0)
}

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
