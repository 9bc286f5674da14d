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

// Verdict is what a rule would do with a request.
type Verdict struct {
	// Rule is the name of the rule.
	Rule string `json:"rule"`

	// Experiment reports that the rule is an experiment.
	Experiment bool `json:"experiment,omitempty"`

	// Trigger is where the request asks for the rule, such as `header X-Fault`. It is
	// empty for rules and experiments.
	Trigger string `json:"trigger,omitempty"`

	// Fires reports that the rule would hit the request, or could. With a percentage,
	// the draw decides. In phase response, the reply decides.
	Fires bool `json:"fires"`

	// Gate is the condition that keeps the rule from firing, or on which it still
	// depends: `trigger`, `exempt`, `preflight`, `switch`, `match`, `time`, `follows`, `observe`,
	// `match_response`, `skip`, `every`, `over`, `lasts`, `percent`, `times`,
	// `max_active`, `pass`, `dry_run`, `effect` or `before`. With `lasts`, the rule is in
	// a burst, and takes what earlier rules leave. With `effect`, only the reply shows
	// whether the faults have an effect.
	// With `before`, an earlier rule certainly takes the request. If the rule certainly
	// fires, Gate is empty.
	Gate string `json:"gate,omitempty"`

	// Why explains Gate to people.
	Why string `json:"why,omitempty"`

	// Settles reports that no later rule is evaluated.
	Settles bool `json:"-"`

	// Conditional reports that only the reply shows whether the faults have an effect.
	Conditional bool `json:"-"`

	// By is the rule. If it fires, Share is its percentage of the draw.
	By    *Rule   `json:"-"`
	Share float64 `json:"-"`
}

// GateEffect is the gate of a rule that fires, but may have no effect.
const GateEffect = "effect"

// Settle corrects the verdicts after the first one that settles the request: no later
// rule fires. The verdicts are in the order of evaluation.
func Settle(verdicts []Verdict) {
	first := slices.IndexFunc(verdicts, func(v Verdict) bool { return v.Settles })
	if first < 0 {
		return
	}
	for i := first + 1; i < len(verdicts); i++ {
		if v := &verdicts[i]; v.Fires {
			v.Fires, v.Gate, v.Why = false, "before", fmt.Sprintf("'%s' takes the request first", verdicts[first].Rule)
		}
	}
}

// Explain returns a verdict for each guest and each rule of the point, in the order of
// evaluation. It takes no draw and counts nothing. knows decides which draws a sticky key
// determines. An error means that a matcher of the point failed, so that r does not reach
// the point.
func (p *Point) Explain(r *http.Request, guests *Guests, knows Knows) (matches bool, all []Verdict, err error) {
	if no, err := refusal(p.matchers, r); no != "" {
		return false, nil, err
	}
	p.group.Settle()
	return true, p.verdicts(r, guests, knows, time.Now()), nil
}

// verdicts explains a request that reaches the point at the given time.
func (p *Point) verdicts(r *http.Request, guests *Guests, knows Knows, now time.Time) (all []Verdict) {
	sum, preflight := 0.0, p.LetsPass(r)
	own := func() float64 { return p.drawing().foresee(r, knows) }
	for _, late := range [...]bool{false, true} {
		for _, g := range guests.turns(late) {
			v, taken := g.explain(r, now, 0, func() float64 { return g.draws.foresee(r, knows) })
			if preflight {
				v.letPreflightPass(&taken)
			}
			v.Experiment = true
			if g.DryRun {
				v.OnlyTell()
			}
			all = append(all, v)
		}
		for _, rule := range p.turns(late) {
			v, taken := rule.explain(r, now, sum, own)
			if preflight {
				v.letPreflightPass(&taken)
			}
			sum += taken
			if rule.DryRun {
				v.OnlyTell()
			}
			all = append(all, v)
		}
	}
	return all
}

// Excludes reports whether the matchers of the point exclude r. It counts nothing.
func (p *Point) Excludes(r *http.Request) bool {
	no, _ := refusal(p.matchers, r)
	return no != ""
}

// OnlyTell turns the verdict of a rule that fires into that of a dry run.
func (v *Verdict) OnlyTell() {
	if v.Fires {
		v.Fires, v.Gate, v.Why = false, "dry_run", "dry run: it can fire, but injects nothing"
	}
}

// GateExempt is the gate of all rules and triggers for an exempt request.
const GateExempt = "exempt"

// Exempt turns the verdict of a rule or trigger that may fire into that on an exempt
// request.
func (v *Verdict) Exempt() {
	if v.Gate != "match" {
		v.Fires, v.Settles, v.Gate, v.Why = false, false, GateExempt, "the global option exempts the request"
	}
}

// turns returns the guests of a phase.
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

// turns returns the rules of a phase.
func (p *Point) turns(late bool) []*Rule {
	if late {
		return p.ordered[p.early:]
	}
	return p.ordered[:p.early]
}

// explain returns the verdict of one rule, whose share of the draw begins at sum. It
// also returns the share that later rules certainly do not get. drawn returns the draw,
// or [faults.AnyDraw].
func (rl *Rule) explain(r *http.Request, now time.Time, sum float64, drawn func() float64) (v Verdict, taken float64) {
	v.Rule, v.By = rl.Name, rl
	if no, _ := refusal(rl.matchers, r); no != "" {
		v.Gate, v.Why = "match", no
		return v, 0
	}
	shut, why, hit, burst := rl.foresee(rl.key.of(r), now)
	taken = rl.percent
	if rl.Observe {
		taken = 0
	}
	if shut != nil && !shut.ends || rl.MatchResponse != nil { // it may not match the reply
		taken = rl.kept()
	}
	if shut != nil {
		v.Gate, v.Why, v.Settles = shut.name, why, shut.ends && taken == 100 && rl.part(now, sum) == 100
		return v, taken
	}
	u := float64(faults.AnyDraw)
	switch {
	case rl.Observe:
		v.Gate, v.Why = "observe", "it marks the request and injects nothing"
		return v, 0
	case burst:
		taken = rl.explainBurst(&v, sum, taken)
	default:
		u = rl.explainShare(&v, now, drawn(), sum)
	}
	if v.Fires {
		v.Conditional = rl.Faults.Conditional(hit)
		switch idle, _ := rl.Faults.Idle(hit, u); {
		case idle:
			v.Fires, v.Gate, v.Why = false, "pass", fmt.Sprintf("its faults let hit %d pass", hit)
		case v.Gate == "" && v.Conditional:
			v.Gate, v.Why = GateEffect, "only if the faults have an effect on the reply"
		}
		if v.Fires {
			rl.explainMemory(&v, rl.key.of(r))
		}
	}
	return v, taken
}

// foresee returns the gate that would stop the next request of a key, and why. If no
// gate would, it returns the number of the hit, and whether the request comes in a
// burst.
func (rl *Rule) foresee(key string, now time.Time) (shut *gate, why string, hit uint64, burst bool) {
	c := rl.counters
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.peek(key)
	t.came++
	burst = t.lasts(now.Sub(c.since))
	v := visit{now: now, tally: &t, key: key}
	for stage := range gates {
		if burst && stage == counting {
			continue
		}
		if g := rl.shut(stage, v); g != nil {
			return g, g.why(rl, v), 0, burst
		}
	}
	return nil, "", t.turns + 1, burst
}

// refusal explains which matcher does not match r. It returns an empty text if the sets
// match. An error means that a matcher failed.
func refusal(sets caddyhttp.MatcherSets, r *http.Request) (why string, failed error) {
	no := ""
	for _, set := range sets {
		name, err := refusalOf(set, r)
		if name == "" {
			return "", nil
		}
		if err != nil {
			failed = fmt.Errorf("the matcher '%s' fails and does not match: %w", name, err)
		}
		no = name
	}
	switch {
	case failed != nil:
		return failed.Error(), failed
	case len(sets) == 0:
		return "", nil
	case len(sets) == 1:
		return fmt.Sprintf("the matcher '%s' does not match", no), nil
	default:
		return fmt.Sprintf("none of its %d matcher sets match", len(sets)), nil
	}
}

// refusalOf returns the name of the first matcher of a set that does not match or
// fails.
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

// ask evaluates one matcher.
func ask(matcher any, r *http.Request) (bool, error) {
	switch m := matcher.(type) {
	case caddyhttp.RequestMatcherWithError:
		return m.MatchWithError(r)
	case caddyhttp.RequestMatcher: //nolint:staticcheck // matchers of other modules may still have this type
		return m.Match(r), nil
	default:
		return false, errors.New("not a matcher")
	}
}
