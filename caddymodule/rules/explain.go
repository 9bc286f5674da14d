package rules

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Verdict is what would become of a request at one rule.
type Verdict struct {
	// Rule is its name.
	Rule string `json:"rule"`

	// Experiment says that the rule is one.
	Experiment bool `json:"experiment,omitempty"`

	// Trigger says that the request itself asks for the rule, and where, such as
	// `header X-Fault`.
	Trigger string `json:"trigger,omitempty"`

	// Fires says that the rule would hit the request, or could: with a percentage
	// the draw decides, and in phase response the reply.
	Fires bool `json:"fires"`

	// Gate is who says no, or in the end decides: `trigger`, `switch`, `match`,
	// `time`, `match_response`, `skip`, `every`, `over`, `percent`, `times`,
	// `max_active`, `pass`, `dry_run`, `effect`, where only the reply shows whether
	// the faults have one, or `before`, where one before it is certain to have the
	// request. Empty: the rule fires for certain.
	Gate string `json:"gate,omitempty"`

	// Why says it in words.
	Why string `json:"why,omitempty"`

	// Settles says that nothing behind it is asked.
	Settles bool `json:"-"`

	// Conditional says that only the reply shows whether the faults have an effect.
	Conditional bool `json:"-"`

	// By is the rule. If it fires, Share is how many percent of the draw it has.
	By    *Rule   `json:"-"`
	Share float64 `json:"-"`
}

// GateEffect is the gate of a rule that fires, and may have no effect.
const GateEffect = "effect"

// Settle tells the verdicts on one request at a point, in the order in which they
// are asked, that nothing is asked behind one that settles it.
func Settle(verdicts []Verdict) {
	first := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Settles })
	if first < 0 {
		return
	}
	for i := first + 1; i < len(verdicts); i++ {
		if v := &verdicts[i]; v.Fires {
			v.Fires, v.Gate, v.Why = false, "before", fmt.Sprintf("'%s' has the request before it", verdicts[first].Rule)
		}
	}
}

// Explain tells for each guest and each rule of the point, in the order in which
// they are asked, whether it would hit r. It takes no draw and counts nothing.
// The error is that of a matcher of the point, to which r does not come then.
func (p *Point) Explain(r *http.Request, guests *Guests) (matches bool, all []Verdict, err error) {
	if no, err := refusal(p.matchers, r); no != "" {
		return false, nil, err
	}
	p.group.Settle()
	return true, p.verdicts(r, guests, time.Now()), nil
}

// verdicts explains a request that comes to the point at the given time.
func (p *Point) verdicts(r *http.Request, guests *Guests, now time.Time) (all []Verdict) {
	sum := 0.0
	for _, late := range [...]bool{false, true} {
		for _, g := range guests.turns(late) {
			v, _ := g.explain(r, now, 0)
			v.Experiment = true
			if g.DryRun {
				v.OnlyTell()
			}
			all = append(all, v)
		}
		for _, rule := range p.turns(late) {
			v, taken := rule.explain(r, now, sum)
			sum += taken
			if rule.DryRun {
				v.OnlyTell()
			}
			all = append(all, v)
		}
	}
	return all
}

// Excludes reports whether r does not come to the point. It counts nothing.
func (p *Point) Excludes(r *http.Request) bool {
	no, _ := refusal(p.matchers, r)
	return no != ""
}

// OnlyTell makes the verdict that of a dry run.
func (v *Verdict) OnlyTell() {
	if v.Fires {
		v.Fires, v.Gate, v.Why = false, "dry_run", "it would hit, or could, but only tells so"
	}
}

// turns are the guests of a phase.
func (g *Guests) turns(late bool) []guest {
	switch {
	case g == nil:
		return nil
	case late:
		return g.ordered[g.early:]
	default:
		return g.ordered[:g.early]
	}
}

// turns are the rules of a phase.
func (p *Point) turns(late bool) []*Rule {
	if late {
		return p.ordered[p.early:]
	}
	return p.ordered[:p.early]
}

// explain is the verdict of one rule, whose share of the draw begins at sum, and
// how much of the draw the rules after it are certain not to get.
func (rl *Rule) explain(r *http.Request, now time.Time, sum float64) (v Verdict, taken float64) {
	v.Rule, v.By = rl.Name, rl
	if no, _ := refusal(rl.matchers, r); no != "" {
		v.Gate, v.Why = "match", no
		return v, 0
	}
	shut, why, hit := rl.foresee(rl.key.of(r), now)
	taken = rl.percent
	if shut != nil && !shut.ends || rl.MatchResponse != nil { // the reply may not match
		taken = rl.kept()
	}
	if shut != nil {
		v.Gate, v.Why, v.Settles = shut.name, why, shut.ends && taken == 100 && rl.part(now, sum) == 100
		return v, taken
	}
	if rl.explainShare(&v, now, sum); v.Fires {
		v.Share = rl.part(now, sum)
		v.Conditional = rl.Faults.Conditional(hit)
		switch idle, _ := rl.Faults.Idle(hit, faults.AnyDraw); {
		case idle:
			v.Fires, v.Gate, v.Why = false, "pass", fmt.Sprintf("hit %d is one that its faults let pass", hit)
		case v.Gate == "" && v.Conditional:
			v.Gate, v.Why = GateEffect, "only if it has an effect on the reply"
		}
	}
	return v, taken
}

// foresee returns the gate that the next request of a key would find shut, and
// why. If all are open, it returns the number of the hit.
func (rl *Rule) foresee(key string, now time.Time) (shut *gate, why string, hit uint64) {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.peek(key)
	t.came++
	v := visit{now: now, tally: &t}
	for stage := range gates {
		if g := rl.shut(stage, v); g != nil {
			return g, g.why(rl, v), 0
		}
	}
	return nil, "", t.turns + 1
}

// refusal is what in the matchers says no to r, empty when they say yes. The
// error is that of a matcher that says no because it fails.
func refusal(sets caddyhttp.MatcherSets, r *http.Request) (why string, failed error) {
	no := ""
	for _, set := range sets {
		name, err := refusalOf(set, r)
		if name == "" {
			return "", nil
		}
		if err != nil {
			failed = fmt.Errorf("the matcher '%s' fails, which is no match: %w", name, err)
		}
		no = name
	}
	switch {
	case failed != nil:
		return failed.Error(), failed
	case len(sets) == 0:
		return "", nil
	case len(sets) == 1:
		return fmt.Sprintf("the matcher '%s' says no", no), nil
	default:
		return fmt.Sprintf("none of its %d sets of matchers holds", len(sets)), nil
	}
}

// refusalOf is the name of the matcher of a set that says no, or fails.
func refusalOf(set caddyhttp.MatcherSet, r *http.Request) (string, error) {
	for _, m := range set {
		ok, err := ask(m, r)
		if ok && err == nil {
			continue
		}
		if mod, is := m.(caddy.Module); is {
			return mod.CaddyModule().ID.Name(), err
		}
		return fmt.Sprintf("%T", m), err
	}
	return "", nil
}

// ask is one matcher's answer.
func ask(matcher any, r *http.Request) (bool, error) {
	switch m := matcher.(type) {
	case caddyhttp.RequestMatcherWithError:
		return m.MatchWithError(r)
	case caddyhttp.RequestMatcher: //nolint:staticcheck // matchers of others may still be of this kind
		return m.Match(r), nil
	default:
		return false, errors.New("not a matcher")
	}
}
