package rules

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Follows makes a rule active after a hit of another rule.
type Follows struct {
	// The name of the other rule. It is at the same point and has the same `per`. With
	// `per`, a hit counts only for requests with the same key. Required.
	Rule string `json:"rule,omitempty"`

	// How long the rule is active after the last hit of the other rule. Up to one
	// year. Default: without end.
	For *caddy.Duration `json:"for,omitempty"`
}

// followsGate is open after a hit of another rule.
var followsGate = &gate{
	name: "follows", reason: ReasonFollows, timed: true,
	check: checkFollows,
	has:   func(rl *Rule) bool { return rl.Follows != nil },
	shut:  func(rl *Rule, v visit) bool { return !rl.Follows.active(rl.leader, v) },
	why: func(rl *Rule, _ visit) string {
		if rl.Follows.For == nil {
			return fmt.Sprintf("'%s' has hit no request yet", rl.Follows.Rule)
		}
		return fmt.Sprintf("'%s' has hit no request in the last %v", rl.Follows.Rule, time.Duration(*rl.Follows.For))
	},
}

// active reports whether the leader has hit a request before the visit.
func (f *Follows) active(leader *Rule, v visit) bool {
	c := leader.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.all
	if c.byKey != nil {
		kept, known := c.byKey.Peek(keptAs(v.key))
		if !known {
			return false
		}
		t = kept
	}
	return t.hasHit && (f.For == nil || v.now.Sub(c.since) < t.hitAt+time.Duration(*f.For))
}

func checkFollows(rl *Rule) error {
	if rl.Follows == nil {
		return nil
	}
	if err := ValidName(rl.Follows.Rule); err != nil {
		return fmt.Errorf("follows: %w", err)
	}
	if rl.Follows.For == nil {
		return nil
	}
	return checkLength("time of follows", *rl.Follows.For)
}

// CheckFollows checks what the rules of a point say about one another. It returns the
// index of the rule with the mistake. A rule without a name has its default name.
func CheckFollows(rules []*Rule) (at int, err error) {
	byName := make(map[string]*Rule)
	names := make([]string, 0, len(rules))
	for i, rule := range rules {
		name := rule.Name
		if name == "" {
			name = DefaultName(i)
		}
		byName[name] = rule
		names = append(names, name)
	}
	for i, rule := range rules {
		if rule.Follows == nil {
			continue
		}
		leader := byName[rule.Follows.Rule]
		switch {
		case leader == nil:
			return i, unknownLeader(rule, names)
		case leader.Per != rule.Per:
			return i, fmt.Errorf("follows '%s': both rules must have the same per, or none; this rule has per '%s', and '%s' has per '%s'",
				rule.Follows.Rule, rule.Per, rule.Follows.Rule, leader.Per)
		}
		for next, steps := leader, 0; next != nil && next.Follows != nil; next, steps = byName[next.Follows.Rule], steps+1 {
			if next == rule || steps > len(rules) {
				return i, fmt.Errorf("follows '%s' is a cycle: no rule of it would ever be active; remove one of its lines", rule.Follows.Rule)
			}
		}
		if leader == rule {
			return i, fmt.Errorf("follows '%s' is a cycle: the rule would never be active; name another rule", rule.Follows.Rule)
		}
	}
	return 0, nil
}

// unknownLeader returns the error for a rule that follows a rule that is not there.
func unknownLeader(rule *Rule, names []string) error {
	if near := words.Near(rule.Follows.Rule, names); len(near) > 0 {
		return fmt.Errorf("follows '%s': the point has no rule of this name; write follows %s", rule.Follows.Rule, near[0])
	}
	return fmt.Errorf("follows '%s': the point has no rule of this name; the first is '%s'", rule.Follows.Rule, names[0])
}

// link sets the leaders of the rules that follow another. The rules have names.
func link(rules []*Rule) error {
	if i, err := CheckFollows(rules); err != nil {
		return fmt.Errorf("rule '%s': %w", rules[i].Name, err)
	}
	byName := make(map[string]*Rule)
	for _, rule := range rules {
		byName[rule.Name] = rule
	}
	for _, rule := range rules {
		if rule.Follows != nil {
			rule.leader = byName[rule.Follows.Rule]
			rule.leader.leads = true
		}
	}
	return nil
}

// lastHit is when a key was last hit, for the rules that follow.
type lastHit struct {
	hasHit bool
	hitAt  time.Duration // after counters.since
}

// mark remembers a hit for the rules that follow.
func (l *lastHit) mark(at time.Duration) { l.hasHit, l.hitAt = true, max(l.hitAt, at) }

// unmark undoes the mark of a turn, unless there has been a later one.
func (l *lastHit) unmark(took grant) {
	if took.hitAt != 0 && l.hitAt == took.hitAt {
		*l = took.was
	}
}

// mark remembers a request that the rule observes. Later requests of its key see the
// mark.
func (rl *Rule) mark(key string, now time.Time) {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally(key).mark(now.Sub(c.since))
}
