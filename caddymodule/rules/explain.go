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
	// `max_active`, `pass`, `dry_run` or `before`, where one before it is certain to
	// have the request. Empty: the rule fires for certain.
	Gate string `json:"gate,omitempty"`

	// Why says it in words.
	Why string `json:"why,omitempty"`

	// Settles says that nothing behind it is asked.
	Settles bool `json:"-"`
}

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
func (p *Point) Explain(r *http.Request, guests *Guests) (matches bool, verdicts []Verdict, err error) {
	if no, err := refusal(p.matchers, r); no != "" {
		return false, nil, err
	}
	now := time.Now()
	sum := 0.0
	for _, late := range [...]bool{false, true} {
		for _, g := range guests.turns(late) {
			v := g.explain(r, now, 0)
			v.Experiment = true
			if g.DryRun {
				v.OnlyTell()
			}
			verdicts = append(verdicts, v)
		}
		for _, rule := range p.turns(late) {
			v := rule.explain(r, now, sum)
			if v.Gate != "match" && (v.Fires || v.Gate == gatePass || rule.percent < 100) {
				sum = min(100, sum+rule.percent)
			}
			if rule.DryRun {
				v.OnlyTell()
			}
			verdicts = append(verdicts, v)
		}
	}
	return true, verdicts, nil
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

// explain is the verdict of one rule, whose share begins at sum.
func (rl *Rule) explain(r *http.Request, now time.Time, sum float64) Verdict {
	v := Verdict{Rule: rl.Name}
	if no, _ := refusal(rl.matchers, r); no != "" {
		v.Gate, v.Why = "match", no
		return v
	}
	if v.Gate, v.Why = rl.shut(r, now); v.Gate != "" {
		return v
	}
	share := max(0, min(rl.percent, 100-sum)) * rl.schedule.part(now)
	switch {
	case share == 0 && sum >= 100:
		v.Gate, v.Why = "percent", "the rules before it take every request"
	case share == 0:
		v.Gate, v.Why = "percent", "its share is 0 percent just now"
	case rl.MatchResponse != nil:
		v.Fires, v.Gate, v.Why = true, "match_response", fmt.Sprintf("if the reply matches, with %v percent", share)
	case share < 100:
		v.Fires, v.Gate, v.Why = true, "percent", fmt.Sprintf("a draw from %v to below %v of 100", sum, sum+share)
	default:
		v.Fires, v.Settles = true, true
	}
	if v.Fires {
		next := rl.counters.next(rl.key.of(r))
		if idle, _ := rl.Faults.Idle(next, faults.AnyDraw); idle {
			v.Fires, v.Gate, v.Why = false, gatePass, fmt.Sprintf("hit %d is one that its faults let pass", next)
		}
	}
	return v
}

// gatePass is the gate of a hit for which the rule does nothing. It takes its
// share all the same.
const gatePass = "pass"

// shut is the gate that is closed for a request that matches, and why.
func (rl *Rule) shut(r *http.Request, now time.Time) (gate, why string) {
	if rl.counters.off.Load() {
		return "switch", "the rule has been switched off"
	}
	if !rl.schedule.active(now) {
		return "time", rl.schedule.describe(now)
	}
	return rl.counters.shut(&rl.limits, rl.key.of(r), now)
}

// describe says why a schedule is not active.
func (s *schedule) describe(now time.Time) string {
	switch since := now.Sub(s.start); {
	case since < 0:
		return fmt.Sprintf("it starts in %s", (-since).Round(time.Second))
	case !s.end.IsZero() && !now.Before(s.end):
		return fmt.Sprintf("it ended %s ago", now.Sub(s.end).Round(time.Second))
	default:
		return fmt.Sprintf("its cycle is off for another %s", (s.period - since%s.period).Round(time.Second))
	}
}

// shut is the count that would refuse the next request of a key. It changes
// nothing, not even which keys were used last.
func (c *counters) shut(l *limits, key string, now time.Time) (gate, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.peek(key)
	came := t.came + 1
	switch {
	case came <= l.skip:
		return "skip", fmt.Sprintf("request %d of the %d to skip", came, l.skip)
	case l.every > 1 && (came-l.skip)%l.every != 0:
		return "every", fmt.Sprintf("request %d of %d", (came-l.skip)%l.every, l.every)
	case l.over > 0 && !t.above(l.over, l.window, now.Sub(c.since)):
		return "over", fmt.Sprintf("at most %d requests within %s", l.over, l.window)
	case l.times > 0 && t.hits >= l.times:
		return "times", fmt.Sprintf("it has fired %d times", t.hits)
	}
	if active := c.active.Load(); l.maxActive > 0 && active >= l.maxActive {
		return "max_active", fmt.Sprintf("it holds %d requests", active)
	}
	return "", ""
}

// next is the number of the next hit of a key.
func (c *counters) next(key string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peek(key).hits + 1
}

// peek is the tally of a key, or an empty one.
func (c *counters) peek(key string) *tally {
	if c.byKey == nil {
		return &c.all
	}
	if t, known := c.byKey.Peek(keptAs(key)); known {
		return t
	}
	return new(tally)
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
