package importer

import (
	"cmp"
	"slices"
	"strconv"
)

// started is the first state of a scenario.
const started = "Started"

// scenarioRules returns the rules of a scenario: a chain of states for one request becomes a
// sequence. Other scenarios are left out.
func scenarioRules(name string, stubs []*stub) []*rule {
	if !slices.ContainsFunc(stubs, func(s *stub) bool { return s.faulty }) {
		stubs[0].note(Skipped, "a scenario without a fault: %s", quoted(name))
		return passing(stubs)
	}
	chain, end := chainOf(stubs)
	if chain == nil {
		for _, s := range stubs {
			s.get("scenarioName").cannot("the states of scenario %s are not a chain for one request", quoted(name))
			s.rule.problems = append(s.rule.problems, s.src.take()...)
		}
		return rulesOf(stubs)
	}
	r := chain[0].rule
	r.name, r.about = ruleName(name), "scenario "+quoted(name)
	last := chain[len(chain)-1]
	if end == endStays && last.faulty {
		after := *last.rule
		after.name = ruleName(name + "-after")
		steps := stepsOf(chain[:len(chain)-1])
		if len(steps) == 0 {
			return []*rule{&after}
		}
		r.set("times", strconv.Itoa(len(steps)))
		r.faults = []line{{words: []string{"sequence"}, block: steps}}
		return []*rule{r, &after}
	}
	words := []string{"sequence"}
	if end == endLoops {
		words = append(words, "loop")
	}
	r.faults = []line{{words: words, block: stepsOf(chain)}}
	return []*rule{r}
}

// How a chain ends.
const (
	endStays = iota // in the last state
	endGone         // in a state without a stub
	endLoops        // in the first state
)

// chainOf returns the stubs of a scenario in the order of their states, or nil.
func chainOf(stubs []*stub) (chain []*stub, end int) {
	byState := make(map[string]*stub)
	for _, s := range stubs {
		state := cmp.Or(s.get("requiredScenarioState").str(), "")
		if state == "" || byState[state] != nil || s.rule.leftOut() || s.priority != stubs[0].priority {
			return nil, 0
		}
		byState[state] = s
	}
	request := jsonText(stubs[0].get("request").node)
	for state := started; ; {
		s := byState[state]
		if s == nil {
			end = endGone
			break
		}
		if jsonText(s.get("request").node) != request {
			return nil, 0
		}
		chain = append(chain, s)
		delete(byState, state)
		next := cmp.Or(s.get("newScenarioState").str(), state)
		if next == state {
			end = endStays
			break
		}
		if next == started {
			end = endLoops
			break
		}
		state = next
	}
	if len(byState) > 0 || len(chain) == 0 {
		return nil, 0
	}
	return chain, end
}

// stepsOf returns the steps of a sequence.
func stepsOf(chain []*stub) []line {
	steps := make([]line, 0, len(chain))
	for _, s := range chain {
		steps = append(steps, step(s.rule.faults))
	}
	return steps
}

func rulesOf(stubs []*stub) []*rule {
	all := make([]*rule, 0, len(stubs))
	for _, s := range stubs {
		all = append(all, s.rule)
	}
	return all
}

// passing returns the rules of stubs without a fault. A stub that needs a state may not
// match, so a fault after it cannot be said.
func passing(stubs []*stub) []*rule {
	for _, s := range stubs {
		s.rule.unsaid = s.rule.sets
		if len(s.rule.sets) == 0 {
			s.rule.unsaid = []conds{nil}
		}
	}
	return rulesOf(stubs)
}
