package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// someSettings are settings of rules about which explaining and deciding must agree. A
// random rule has about a third of them.
var someSettings = []func(*rand.Rand) string{
	func(random *rand.Rand) string {
		return fmt.Sprintf(`"percent": %d%s`, pick(random, []int{0, 10, 30, 50, 99}), pick(random, []string{"", `, "ramp": "30s"`}))
	},
	func(random *rand.Rand) string { return fmt.Sprintf(`"skip": %d`, random.IntN(4)) },
	func(random *rand.Rand) string { return fmt.Sprintf(`"every": %d`, 1+random.IntN(3)) },
	func(random *rand.Rand) string {
		return fmt.Sprintf(`"over": {"requests": %d, "window": "%ds"}`, 1+random.IntN(3), 1+random.IntN(9))
	},
	func(random *rand.Rand) string { return fmt.Sprintf(`"times": %d`, 1+random.IntN(6)) },
	func(random *rand.Rand) string { return fmt.Sprintf(`"lasts": "%ds"`, 1+random.IntN(9)) },
	func(*rand.Rand) string { return `"start": "10s"` },
	func(*rand.Rand) string { return `"end": "50s"` },
	func(*rand.Rand) string { return `"cycle": {"on": "6s", "period": "9s"}` },
	func(*rand.Rand) string { return `"per": "{http.request.header.X-Key}"` },
	func(random *rand.Rand) string {
		return pick(random, []string{`"phase": "response"`, `"max_active": 1`, `"max_active": 2, "phase": "response"`, `"match_response": {"status_code": [5]}`})
	},
	func(*rand.Rand) string { return `"match": [{"header": {"X-Key": ["a", "b"]}}]` },
}

// someGatedPoint returns a point with up to four rules with such settings.
func someGatedPoint(random *rand.Rand) string {
	var rules []string
	for range 1 + random.IntN(4) {
		rule := closing
		for _, setting := range someSettings {
			if random.IntN(3) == 0 {
				rule += ", " + setting(random)
			}
		}
		rules = append(rules, "{"+rule+"}")
	}
	sticky := ""
	if random.IntN(3) == 0 {
		sticky = fmt.Sprintf(`"sticky": "{http.request.header.X-Key}", "seed": %d, `, random.IntN(1000))
	}
	return `{` + sticky + `"rules": [` + strings.Join(rules, ", ") + `]}`
}

// For every draw, the decision about the next request agrees with its explanation.
// Explaining does not change later explanations.
func TestExplainingAgreesWithDeciding(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		config := someGatedPoint(random)
		p := mustLoad(t, config)
		now := loaded(p)
		var held []Decision
		for step := range 60 {
			if random.IntN(2) == 0 {
				now = now.Add(time.Duration(random.IntN(4000)) * time.Millisecond)
			}
			if rule := pick(random, p.Rules); random.IntN(20) == 0 {
				rule.SwitchOff(!rule.Stats().Off)
			}
			for len(held) > 0 && random.IntN(3) > 0 {
				held[0].Release()
				held = held[1:]
			}
			c := chance{u: random.Float64(), code: pick(random, []int{200, 500}), key: pick(random, []string{"a", "b", "c"})}
			d, wrong := c.meets(p, now)
			if wrong != "" {
				t.Fatalf("seed %d, step %d of %s: %+v: %s", seed, step, config, c, wrong)
			}
			if d.Rule != nil {
				held = append(held, d)
			}
		}
		unload(t, p)
	}
}

// chance is what an explanation leaves open, and the key on which it depends.
type chance struct {
	u    float64
	code int
	key  string
}

// meets explains a request, decides it, and returns how the two disagree.
func (c chance) meets(p *Point, now time.Time) (d Decision, wrong string) {
	r := request("/", "X-Key", c.key)
	if p.Sticky != "" {
		c.u = p.draw(r)
	}
	all := p.verdicts(r, nil, known, now)
	Settle(all)
	p.Passed = func(rule *Rule, reason Reason) {
		v := all[slices.Index(p.ordered, rule)]
		if !slices.Contains(c.reasons(v), reason) {
			wrong = fmt.Sprintf("%s passed because of %s: %+v", rule.Name, reason, v)
		}
	}
	w := walk{point: p, draw: draw{u: c.u}, now: now}
	for _, rule := range p.ordered {
		if p.matches(rule, rule.matchers, r) && w.ask(rule, r) {
			break
		}
	}
	d = later(w.decision(), c.code, nil)
	if got, want := fired(d), c.winners(all); !slices.Contains(want, got) {
		wrong = fmt.Sprintf("got rule %q, want one of %q: %+v", got, want, all)
	}
	return d, wrong
}

// reasons returns the reasons with which a rule with this verdict may pass.
func (c chance) reasons(v Verdict) []Reason {
	for stage, all := range gates {
		for _, g := range all {
			switch {
			case g.name != v.Gate:
			case stage == taking:
				return []Reason{g.reason, ReasonPercent} // the draw comes first
			default:
				return []Reason{g.reason}
			}
		}
	}
	return []Reason{ReasonPercent}
}

// winners returns the rules that may fire, an empty name if none may. The verdicts give
// the draw to one of them. A rule before it may win if its share depends on the reply.
func (c chance) winners(all []Verdict) (names []string) {
	for _, v := range all {
		low, high := 0.0, 100.0
		switch {
		case !v.Fires, v.Gate == "match_response" && c.code < 500:
			continue
		case v.Gate == "match_response":
			if names = append(names, v.Rule); !strings.HasPrefix(v.Why, "100 percent") && !strings.HasPrefix(v.Why, "in a burst") && !strings.HasPrefix(v.Why, "the key of sticky draws") {
				continue
			}
		case v.Gate == "percent":
			var share float64
			if _, err := fmt.Sscanf(v.Why, "%g percent chance: a draw from %g to below %g", &share, &low, &high); err != nil {
				return nil
			}
		}
		if at := c.u * 100; low <= at && at < high {
			return append(names, v.Rule)
		}
	}
	return append(names, "")
}
