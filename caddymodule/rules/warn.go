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

// This file finds settings that load, but never have the intended effect. The point
// logs a warning for each.

// slips returns warnings about matchers of the point and its rules that never match.
// Call it before the matchers are loaded.
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

// warnings return the text of a warning about a rule, to follow its name, or an empty
// text.
var warnings = []func(*Point, *Rule) string{(*Point).warnOfEnd, (*Point).warnOfPer, (*Point).warnOfPercent, (*Point).warnOfObserve}

// warn logs the warnings found so far and those that need a loaded point.
func (p *Point) warn(ctx caddy.Context, group *Group, found findings) {
	for _, rule := range p.Rules {
		for _, of := range warnings {
			if text := of(p, rule); text != "" {
				found.add(rule.Name, text)
			}
		}
	}
	p.unreachable(&found)
	for _, text := range found.lines() {
		if group.isNew(p.Source, text) { // a site with two addresses is loaded twice
			hint.Warn(ctx, text, zap.String("point", p.Name))
		}
	}
	var hints findings
	for _, rule := range p.Rules {
		for _, text := range rule.Faults.Hints() {
			hints.add(rule.Name, ": "+text)
		}
	}
	for _, text := range hints.lines() {
		if group.isNew(p.Source, text) {
			hint.Info(ctx, text, zap.String("point", p.Name))
		}
	}
}

// findings are warnings about the rules of a point, in the order in which they were
// found. A warning about many rules is logged once, because ten thousand lines would
// hide all others.
type findings struct {
	texts []string            // texts that follow the name of a rule
	rules map[string][]string // names of the rules, by text
}

// add adds a text about a rule, or about the point if rule is empty.
func (f *findings) add(rule, text string) {
	if f.rules == nil {
		f.rules = make(map[string][]string)
	}
	if f.rules[text] == nil {
		f.texts = append(f.texts, text)
	}
	f.rules[text] = append(f.rules[text], rule)
}

// alikeShown is the maximum number of further rules that a warning names.
const alikeShown = 3

// lines returns the warnings with the names of their rules.
func (f *findings) lines() []string {
	lines := make([]string, 0, len(f.texts))
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
		lines = append(lines, text)
	}
	return lines
}

// unreachable finds rules after other rules that take every request.
func (p *Point) unreachable(found *findings) {
	sum, last := 0.0, ""
	for _, rule := range p.ordered {
		if sum >= 100 && !rule.Observe {
			found.add(rule.Name, fmt.Sprintf(" can never fire: earlier rules take every request, the last of them '%s'", last))
			continue
		}
		if rule.takesItsShare() {
			rest := 100 - sum
			if sum += rule.percent; sum > 100 {
				found.add(rule.Name, fmt.Sprintf(" gets only %s percent: up to this rule, the percentages add up to %s", rounded(rest), rounded(sum)))
			}
			last = rule.Name
		}
	}
}

// rounded returns a sum of percentages as people write it: 33.4, not 33.400000000000006.
func rounded(percent float64) string {
	return strconv.FormatFloat(math.Round(percent*1e6)/1e6, 'f', -1, 64)
}

// warnOfEnd warns of a rule whose end has passed or is before its start. A duration
// counts from now here, so it has never passed.
func (*Point) warnOfEnd(rule *Rule) string {
	s, err := newSchedule(rule, time.Now())
	switch {
	case err != nil || s.end.IsZero():
	case s.wall && !time.Now().Before(s.end):
		return fmt.Sprintf(" can never fire: its end %s has passed", rule.End)
	case !s.start.Before(s.end):
		return fmt.Sprintf(" can never fire: its end %s is before its start %s", rule.End, rule.Start)
	}
	return ""
}

// warnOfPer warns of keys without a setting that counts. Faults that may leave a
// request alone depend on the number of the hit, which counts.
func (*Point) warnOfPer(rule *Rule) string {
	counts := rule.Skip != nil || rule.Every != nil || rule.Over != nil || rule.Times != nil || rule.Lasts != nil || rule.Follows != nil || rule.leads
	if rule.Per == "" || counts || slices.ContainsFunc(rule.Faults, dependsOnKey) {
		return ""
	}
	return fmt.Sprintf(": per has no effect without a setting that counts, such as times 2; to give the same answer to each key, write sticky %s at the point", rule.Per)
}

// warnOfObserve warns of marks that no rule reads.
func (*Point) warnOfObserve(rule *Rule) string {
	if rule.Observe && !rule.leads {
		return fmt.Sprintf(" has no effect: it observes, and no rule follows it; write follows %s in another rule", rule.Name)
	}
	return ""
}

// dependsOnKey reports whether a fault may do something else for each key.
func dependsOnKey(f faults.Fault) bool {
	if _, ok := f.(faults.Idle); ok {
		return true
	}
	keeper, ok := f.(faults.Keeper)
	return ok && keeper.Keeps()
}

// warnOfPercent warns of a percentage that may be meant as a fraction. In a Caddyfile
// only the parser knows whether the percentage has a percent sign, so the parser warns.
func (p *Point) warnOfPercent(rule *Rule) string {
	if text := FractionHint(rule.percent); p.Source == "" && text != "" {
		return ": " + text
	}
	return ""
}

// FractionHint returns a hint about a percentage below 1, or an empty text. Many people
// write 0.1 for a tenth.
func FractionHint(percent float64) string {
	if !(percent > 0 && percent < 1) {
		return ""
	}
	number := func(x float64, digits int) string { return strconv.FormatFloat(x, 'f', digits, 64) }
	return fmt.Sprintf("percent %s is 1 request in %s; if a share of %[1]s is meant, write percent %[3]s",
		number(percent, -1), number(100/percent, 0), number(math.Round(percent*1e8)/1e6, -1))
}
