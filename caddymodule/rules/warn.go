package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
)

// What a point loads with a warning: rules that can never fire, or hardly as they
// are meant.

// slips are the matchers that match nothing, of the point and of its rules, as
// they are before they are loaded.
func (p *Point) slips() []string {
	var slips []string
	if err := CheckMatchers(p.MatcherSetsRaw...); err != nil {
		slips = append(slips, fmt.Sprintf("point '%s': %v", p.Name, err))
	}
	for _, rule := range p.Rules {
		if err := CheckMatchers(rule.MatcherSetsRaw...); err != nil {
			slips = append(slips, fmt.Sprintf("rule '%s': %v", rule.Name, err))
		}
	}
	return slips
}

// warnings find what a rule can hardly mean, and say it after its name.
var warnings = []func(*Point, *Rule) string{(*Point).warnOfEnd, (*Point).warnOfPer, (*Point).warnOfPercent}

// warn logs what has been found, and what there is to find now that the point is
// loaded.
func (p *Point) warn(ctx caddy.Context, group *Group, found []string) {
	for _, rule := range p.Rules {
		for _, of := range warnings {
			if text := of(p, rule); text != "" {
				found = append(found, fmt.Sprintf("rule '%s'%s", rule.Name, text))
			}
		}
	}
	for _, text := range append(found, p.unreachable()...) {
		if group.tell(p.Source, text) { // a site at two addresses is loaded twice
			hint.Warn(ctx, text, zap.String("point", p.Name))
		}
	}
	for _, rule := range p.Rules {
		for _, text := range rule.Faults.Hints() {
			if text = fmt.Sprintf("rule '%s': %s", rule.Name, text); group.tell(p.Source, text) {
				hint.Info(ctx, text, zap.String("point", p.Name))
			}
		}
	}
}

// unreachable tells of rules that come after others which take every request.
func (p *Point) unreachable() (texts []string) {
	sum, last := 0.0, ""
	for _, rule := range p.ordered {
		if sum >= 100 {
			texts = append(texts, fmt.Sprintf("rule '%s' can never fire: the rules before it take every request, the last of them '%s'", rule.Name, last))
			continue
		}
		if rule.takesItsShare() {
			if sum += rule.percent; sum > 100 {
				texts = append(texts, fmt.Sprintf("rule '%s' is cut short: up to it the shares of the rules sum up to %v percent", rule.Name, sum))
			}
			last = rule.Name
		}
	}
	return texts
}

// warnOfEnd tells of a rule whose time is over for good. One whose end is counted
// from its first load has had its time.
func (*Point) warnOfEnd(rule *Rule) string {
	s, err := newSchedule(rule, time.Now())
	switch {
	case err != nil || s.end.IsZero():
	case s.wall && !time.Now().Before(s.end):
		return fmt.Sprintf(" can never fire: its end %s has passed", rule.End)
	case !s.start.Before(s.end):
		return fmt.Sprintf(" can never fire: its end %s comes before its start %s", rule.End, rule.Start)
	}
	return ""
}

// warnOfPer tells of keys for which nothing is counted. A fault that may leave a
// request alone goes by the number of the hit.
func (*Point) warnOfPer(rule *Rule) string {
	counts := rule.Skip != nil || rule.Every != nil || rule.Over != nil || rule.Times != nil
	if rule.Per == "" || counts || slices.ContainsFunc(rule.Faults, func(f faults.Fault) bool { _, ok := f.(faults.Idle); return ok }) {
		return ""
	}
	return fmt.Sprintf(": it has per, and nothing that is counted for each key, such as times 2; for the same answer to the same key write sticky %s at the point", rule.Per)
}

// warnOfPercent tells of a percentage that may be meant as a fraction. In a
// Caddyfile it may have its sign, and the parser has told.
func (p *Point) warnOfPercent(rule *Rule) string {
	if text := FractionHint(rule.percent); p.Source == "" && text != "" {
		return ": " + text
	}
	return ""
}

// FractionHint says what a small percentage is, and is empty for others: many who
// write 0.1 mean a tenth.
func FractionHint(percent float64) string {
	if !(percent > 0 && percent < 1) {
		return ""
	}
	number := func(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	return fmt.Sprintf("percent %s is 1 request in %s; if a share of %[1]s is meant, write percent %[3]s",
		number(percent, -1), number(100/percent, 0), number(math.Round(percent*1e8)/1e6, -1))
}
