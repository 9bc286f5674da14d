package grammar

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// PointParser parses the block of an injection point, in a directive or a transport:
//
//	point  <name>
//	sticky <key>
//	seed   <number>
//	halted
//	cors   [<origin>...]
//
//	# one rule: its settings and faults directly, see RuleParser ...
//	<setting>
//	<fault>
//
//	# ... or several
//	rule [<name>] {
//	    <setting>
//	    <fault>
//	}
type PointParser struct {
	*caddyfile.Dispenser
	// Point receives the result.
	Point *rules.Point

	// MatcherToken parses a token that means a set of matchers, see [MatcherToken].
	MatcherToken func() (caddy.ModuleMap, bool, error)

	// Own has parsers for words that are only known in this place.
	Own map[string]func() error

	// Presets are the presets of the configuration.
	Presets presets.Set

	// Direct is the rule without a rule block, or nil without one.
	Direct *RuleParser

	named   map[string]bool // names of the rules that have one in the configuration
	parsers []*RuleParser   // of the rules
}

// ParseBlock parses the block that follows. start is at the first word of the point.
func (p *PointParser) ParseBlock(start caddyfile.Dispenser) error {
	p.Point.Source = rules.SourceOf(start.File(), start.Line())
	seen := make(map[string]bool)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		if err := p.parseWord(p.Val(), seen); err != nil {
			return err
		}
	}
	if p.Direct != nil {
		p.Direct.hintAtFraction()
		if err := p.Direct.finish(&start); err != nil {
			return err
		}
		return p.checkFollows()
	}
	if err := p.checkDefaultNames(&start); err != nil {
		return err
	}
	return p.checkFollows()
}

// checkFollows checks what the rules say about one another.
func (p *PointParser) checkFollows() error {
	if i, err := rules.CheckFollows(p.Point.Rules); err != nil {
		line := p.parsers[i].seen["follows"]
		return line.WrapErr(err)
	}
	return nil
}

// parseWord parses a line of the block.
func (p *PointParser) parseWord(word string, seen map[string]bool) error {
	switch word {
	case "point", "sticky", "seed", "halted", "cors":
		if seen[word] {
			return p.Errf("%s already specified", word)
		}
		seen[word] = true
		return p.parseOption(word)
	case "rule":
		return p.parseRule()
	}
	if parse := p.Own[word]; parse != nil {
		return parse()
	}
	return p.parseDirect(word)
}

// checkDefaultNames refuses a rule whose name is the default name of another rule.
func (p *PointParser) checkDefaultNames(start *caddyfile.Dispenser) error {
	for i, rule := range p.Point.Rules {
		if name := rules.DefaultName(i); rule.Name == "" && p.named[name] {
			return start.Errf("rule '%s' already specified: it is also the default name of rule number %d; give that rule a name", name, i+1)
		}
	}
	return nil
}

// parseOption parses an option of the point.
func (p *PointParser) parseOption(word string) error {
	switch word {
	case "halted":
		p.Point.Halted = true
		return args.None(p.Dispenser, word)
	case "cors":
		p.Point.CORS = &rules.CORS{Origins: p.RemainingArgs()}
		if err := p.Point.CORS.Validate(); err != nil {
			return p.WrapErr(err)
		}
		return nil
	case "sticky":
		return parseSticky(p.Dispenser, &p.Point.Sticky)
	case "seed":
		return parseSeed(p.Dispenser, &p.Point.Seed)
	}
	if !p.AllArgs(&p.Point.Name) {
		return args.Count(p.Dispenser, word)
	}
	if err := rules.ValidName(p.Point.Name); err != nil {
		return p.WrapErr(fmt.Errorf("point: %w", err))
	}
	return nil
}

// parseRule parses a rule block.
func (p *PointParser) parseRule() error {
	if p.Direct != nil {
		return args.Advise(p.Dispenser, "move the line into a rule block"+block("rule", p.Direct.firstLine()),
			"'%s' is outside of the rule blocks of the point", p.Direct.First)
	}
	rule := p.NewRule()
	start := *p.Dispenser
	if p.NextArg() {
		rule.Name = p.Val()
		if err := rules.ValidRuleName(rule.Name); err != nil {
			return p.WrapErr(fmt.Errorf("rule: %w", err))
		}
		if p.named[rule.Name] {
			return p.Errf("rule '%s' already specified", rule.Name)
		}
		if p.named == nil {
			p.named = make(map[string]bool)
		}
		p.named[rule.Name] = true
	}
	if p.NextArg() {
		return args.Advise(p.Dispenser, "a rule's matcher is a line of its block: match "+p.Val(), "unexpected argument '%s' of rule", p.Val())
	}
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		if err := rule.parseLine(p.Dispenser, p.Val()); err != nil {
			return err
		}
	}
	rule.hintAtFraction()
	return rule.finish(&start)
}

// parseDirect parses a line of the rule without a rule block.
func (p *PointParser) parseDirect(word string) error {
	if p.Direct == nil && len(p.Point.Rules) > 0 {
		return args.Advise(p.Dispenser, "move the line into a rule block"+block("rule", args.Line(p.Dispenser)),
			"'%s' is outside of the rule blocks of the point", word)
	}
	if p.Direct == nil {
		p.Direct = p.NewRule()
	}
	p.Direct.more = pointWords
	return p.Direct.parseLine(p.Dispenser, word)
}

// NewRule adds a rule to the point and returns its parser.
func (p *PointParser) NewRule() *RuleParser {
	rule := &rules.Rule{Place: p.Point.Place}
	p.Point.Rules = append(p.Point.Rules, rule)
	parser := NewRuleParser(rule)
	parser.matcherToken, parser.Presets = p.MatcherToken, p.Presets
	p.parsers = append(p.parsers, parser)
	return parser
}

// CheckTokens refuses semicolons, which belong to the one-line grammar. Caddy's lexer
// already refuses a block on one line.
func CheckTokens(d *caddyfile.Dispenser) error {
	defer d.Reset()
	for d.Next() {
		if token := d.Token(); !token.Quoted() && strings.HasSuffix(token.Text, ";") {
			return d.Errf("'%s' ends in ';': in a Caddyfile each statement is a separate line; if the semicolon is part of the text, quote it", token.Text)
		}
	}
	return nil
}

// MatcherToken parses a token that means a set of matchers, such as * or /path. Only
// directives know named matchers.
func MatcherToken(d *caddyfile.Dispenser) (caddy.ModuleMap, bool, error) {
	return matcherToken(d, "in a transport write the matcher itself, such as match header X-Chaos *, or a block of matchers")
}

// matcherToken is MatcherToken with the advice for a named matcher.
func matcherToken(d *caddyfile.Dispenser, instead string) (caddy.ModuleMap, bool, error) {
	set, isToken, err := httpcaddyfile.Helper{Dispenser: d}.MatcherToken()
	if err != nil {
		err = args.Advise(d, instead, "unknown matcher '%s'", d.Val())
	}
	return set, isToken, err
}
