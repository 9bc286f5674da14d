package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
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
func (p *Point) slips() (found findings) {
	if err := CheckMatchers(p.MatcherSetsRaw...); err != nil {
		found.add("", fmt.Sprintf("point '%s': %v", p.Name, err))
	}
	for _, rule := range p.Rules {
		if err := CheckMatchers(rule.MatcherSetsRaw...); err != nil {
			found.add(rule.Name, fmt.Sprintf(": %v", err))
		}
	}
	return found
}

// warnings find what a rule can hardly mean, and say it after its name.
var warnings = []func(*Point, *Rule) string{(*Point).warnOfEnd, (*Point).warnOfPer, (*Point).warnOfPercent}

// warn logs what has been found, and what there is to find now that the point is
// loaded.
func (p *Point) warn(ctx caddy.Context, group *Group, found findings) {
	for _, rule := range p.Rules {
		for _, of := range warnings {
			if text := of(p, rule); text != "" {
				found.add(rule.Name, text)
			}
		}
	}
	p.unreachable(&found)
	for _, text := range found.told() {
		if group.tell(p.Source, text) { // a site at two addresses is loaded twice
			hint.Warn(ctx, text, zap.String("point", p.Name))
		}
	}
	var hints findings
	for _, rule := range p.Rules {
		for _, text := range rule.Faults.Hints() {
			hints.add(rule.Name, ": "+text)
		}
	}
	for _, text := range hints.told() {
		if group.tell(p.Source, text) {
			hint.Info(ctx, text, zap.String("point", p.Name))
		}
	}
}

// findings are what there is to tell of the rules of a point, in the order in which
// it was found. What is the same for many rules is told once: ten thousand lines
// hide all others.
type findings struct {
	texts []string            // as they follow the name of the rule
	rules map[string][]string // by text, the rules that it is about
}

// add notes a text about a rule; without one, about the point.
func (f *findings) add(rule, text string) {
	if f.rules == nil {
		f.rules = make(map[string][]string)
	}
	if f.rules[text] == nil {
		f.texts = append(f.texts, text)
	}
	f.rules[text] = append(f.rules[text], rule)
}

// alikeShown is how many of the rules are named that a text is about as well.
const alikeShown = 3

// told returns the texts with the names of their rules.
func (f *findings) told() []string {
	told := make([]string, 0, len(f.texts))
	for _, text := range f.texts {
		rules := f.rules[text]
		if rules[0] != "" {
			text = fmt.Sprintf("rule '%s'%s", rules[0], text)
		}
		if alike := rules[1:]; len(alike) > 0 {
			more := len(alike) - alikeShown
			text += "; the same goes for '" + strings.Join(alike[:min(alikeShown, len(alike))], "', '") + "'"
			if more > 0 {
				text += fmt.Sprintf(" and %d more", more)
			}
		}
		told = append(told, text)
	}
	return told
}

// unreachable finds rules that come after others which take every request.
func (p *Point) unreachable(found *findings) {
	sum, last := 0.0, ""
	for _, rule := range p.ordered {
		if sum >= 100 {
			found.add(rule.Name, fmt.Sprintf(" can never fire: the rules before it take every request, the last of them '%s'", last))
			continue
		}
		if rule.takesItsShare() {
			if sum += rule.percent; sum > 100 {
				found.add(rule.Name, fmt.Sprintf(" is cut short: up to it the shares of the rules sum up to %v percent", sum))
			}
			last = rule.Name
		}
	}
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
