package rules

import (
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Memory is what a rule remembers for its faults about the requests with one key.
type Memory struct {
	rule *Rule
	key  string
}

// Memory returns what the rule remembers about the key of the request.
func (d *Decision) Memory() Memory { return Memory{d.Rule, d.key} }

// Elapsed returns how long ago the rule started.
func (m *Memory) Elapsed() time.Duration { return max(0, time.Since(m.rule.schedule.start)) }

// Keep returns the value with this name, and stores a fresh one if it is missing.
func (m *Memory) Keep(name string, fresh func() any) any {
	c := m.rule.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tally(m.key)
	if value := t.value(name); value != nil {
		return value
	}
	value := fresh()
	t.values = append(t.values, namedValue{name, value})
	return value
}

// Kept returns the value with this name, or nil. It does not count as a use of the key.
func (m *Memory) Kept(name string) any {
	c := m.rule.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.peek(m.key)
	return t.value(name)
}

// namedValue is a value that a fault keeps.
type namedValue struct {
	name  string
	value any
}

// value returns the value with this name, or nil. A rule has few of them.
func (t *tally) value(name string) any {
	for i := range t.values {
		if t.values[i].name == name {
			return t.values[i].value
		}
	}
	return nil
}

// explainMemory completes the verdict on a rule that fires with what its faults foresee.
func (rl *Rule) explainMemory(v *Verdict, key string) {
	what, idle := rl.Faults.Foresee(&Memory{rl, key})
	switch {
	case idle:
		v.Fires, v.Gate, v.Why = false, "pass", ""
	case len(what) == 0:
		return
	}
	for _, text := range what {
		if v.Why != "" {
			v.Why += "; "
		}
		v.Why += text
	}
}

// Interface guards
var _ faults.Memory = (*Memory)(nil)
