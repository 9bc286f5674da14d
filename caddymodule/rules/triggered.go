package rules

import (
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Triggered holds what the triggered rules of a point share: their counters and their
// limit.
type Triggered struct {
	like    Rule
	refused *atomic.Uint64
	ids     *triggerIDs
}

// Triggered returns the shared state of the triggered rules with a name. They hit at
// most maxActive requests at a time.
func (p *Point) Triggered(name string, maxActive int) *Triggered {
	t := &Triggered{like: Rule{MaxActive: &maxActive}}
	t.like.gates = gatesOf(&t.like)
	key := keptKey{point: p.Name, rule: "?" + name} // no other rule can have such a name
	t.like.counters = keep(p, key, newCounters(time.Now(), maxTriggerIDs))
	key.settings = "refused"
	t.refused = keep(p, key, new(atomic.Uint64))
	key.settings = "ids"
	t.ids = keep(p, key, newTriggerIDs())
	return t
}

// Hits returns the number of requests hit by the rules.
func (t *Triggered) Hits() uint64 { return t.like.Stats().Hits }

// Refused returns the number of requests whose trigger was refused.
func (t *Triggered) Refused() uint64 { return t.refused.Load() }

// CountRefusal counts a refused trigger with an id, or without one.
func (t *Triggered) CountRefusal(id string) {
	t.refused.Add(1)
	if id != "" {
		t.Use(id)
		t.ids.refuse(id)
	}
}

// Reset sets Hits and Refused to zero. Active requests stay counted.
func (t *Triggered) Reset() {
	t.like.Reset()
	t.refused.Store(0)
	t.ids.reset()
}

// Rule returns a rule that uses the shared counters, with the settings of asked. Its
// skip and times count the requests with the same id.
func (t *Triggered) Rule(name, id string, asked *Rule, chain faults.Chain, percent float64) *Rule {
	rule := t.like
	rule.Name, rule.Faults, rule.percent = name, chain, percent
	rule.Phase, rule.Skip, rule.Times = asked.Phase, asked.Skip, asked.Times
	rule.gates, rule.key = gatesOf(&rule), keyText{fixed: id}
	return &rule
}

// TriggerID returns the id of a rule that a request has triggered, or "" without one.
func (rl *Rule) TriggerID() string { return rl.key.fixed }

// ExplainTriggered returns the verdict of a rule that r has triggered. Above
// max_active, r goes on to the rules of the point.
func (p *Point) ExplainTriggered(r *http.Request, rule *Rule) Verdict {
	v, _ := rule.explain(r, time.Now(), 0, func() float64 { return faults.AnyDraw })
	v.Settles = v.Settles && v.Gate != maxActiveGate.name
	return v
}

// DecideTriggered decides about a rule that r has triggered, with a separate draw.
func (p *Point) DecideTriggered(r *http.Request, rule *Rule) Decision {
	w := walk{point: p}
	w.askAlone(rule, r, rand.Float64()) //nolint:gosec // chance, not secrecy
	return w.decision()
}
