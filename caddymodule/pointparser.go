package caddymodule

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// pointParser parses the block of an injection point, wherever that stands:
//
//	point  <name>
//	sticky <key>
//	seed   <number>
//	halted
//
//	# one rule: its settings and faults directly, see ruleParser ...
//	<setting>
//	<fault>
//
//	# ... or several
//	rule [<name>] {
//	    <setting>
//	    <fault>
//	}
type pointParser struct {
	*caddyfile.Dispenser
	point        *rules.Point
	matcherToken func() (caddy.ModuleMap, bool, error)
	own          map[string]func() error // parsers of the words that this place alone has
	direct       *ruleParser             // the rule without a rule block, if there is one
}

// parseBlock parses the block that follows; start stands on the first word of
// the point.
func (p *pointParser) parseBlock(start caddyfile.Dispenser) error {
	seen := make(map[string]bool)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		if err := p.parseWord(p.Val(), seen); err != nil {
			return err
		}
	}
	if p.direct != nil {
		return p.direct.finish(&start)
	}
	return p.checkDefaultNames(&start)
}

// parseWord parses a line of the block.
func (p *pointParser) parseWord(word string, seen map[string]bool) error {
	switch word {
	case "point", "sticky", "seed", "halted":
		if seen[word] {
			return p.Errf("%s already specified", word)
		}
		seen[word] = true
		return p.parseOption(word)
	case "rule":
		return p.parseRule()
	}
	if parse := p.own[word]; parse != nil {
		return parse()
	}
	return p.parseDirect(word)
}

// checkDefaultNames refuses a rule that has the name another one gets for want
// of its own.
func (p *pointParser) checkDefaultNames(start *caddyfile.Dispenser) error {
	for i, rule := range p.point.Rules {
		name := rules.DefaultName(i)
		taken := slices.ContainsFunc(p.point.Rules, func(other *rules.Rule) bool { return other.Name == name })
		if rule.Name == "" && taken {
			return start.Errf("rule '%s' already specified: it is also the name of rule number %d, which has none of its own", name, i+1)
		}
	}
	return nil
}

// parseOption parses a setting of the point itself.
func (p *pointParser) parseOption(word string) error {
	if word == "halted" {
		p.point.Halted = true
		return noArgs(p.Dispenser)
	}
	var value string
	if !p.AllArgs(&value) {
		return p.ArgErr()
	}
	switch word {
	case "point":
		if err := rules.ValidName(value); err != nil {
			return p.WrapErr(fmt.Errorf("point: %w", err))
		}
		p.point.Name = value
	case "sticky":
		if value == "" {
			return p.Err("sticky '' is empty: want a key such as {header.X-User}")
		}
		p.point.Sticky = value
	case "seed":
		seed, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return p.Errf("bad seed '%s': want a whole number", value)
		}
		p.point.Seed = &seed
	}
	return nil
}

// parseRule parses a rule block.
func (p *pointParser) parseRule() error {
	if p.direct != nil {
		return p.Errf("a rule block cannot stand beside '%s', which is a rule already", p.direct.first)
	}
	rule := p.newRule()
	start := *p.Dispenser
	if p.NextArg() {
		rule.Name = p.Val()
		if err := rules.ValidRuleName(rule.Name); err != nil {
			return p.WrapErr(fmt.Errorf("rule: %w", err))
		}
		for _, other := range p.point.Rules[:len(p.point.Rules)-1] {
			if other.Name == rule.Name {
				return p.Errf("rule '%s' already specified", rule.Name)
			}
		}
	}
	if p.NextArg() {
		return p.Errf("unexpected argument '%s': a rule's matcher is a line of its block, match %s", p.Val(), p.Val())
	}
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		if err := rule.parseLine(p.Dispenser, p.Val()); err != nil {
			return err
		}
	}
	return rule.finish(&start)
}

// parseDirect parses a line of a rule without a rule block.
func (p *pointParser) parseDirect(word string) error {
	if p.direct == nil && len(p.point.Rules) > 0 {
		return p.Errf("'%s' cannot stand beside rule blocks: write it into one", word)
	}
	if p.direct == nil {
		p.direct = p.newRule()
	}
	return p.direct.parseLine(p.Dispenser, word)
}

// newRule adds a rule to the point.
func (p *pointParser) newRule() *ruleParser {
	rule := &rules.Rule{Place: p.point.Place}
	p.point.Rules = append(p.point.Rules, rule)
	parser := newRuleParser(rule)
	parser.matcherToken = p.matcherToken
	return parser
}
