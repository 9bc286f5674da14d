package caddymodule

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func init() {
	httpcaddyfile.RegisterDirective("fault", parseDirective)
	// under encode, intercept and authentication, and above everything that
	// may answer: a fault of the site reaches every handle block, and what it
	// sends is never run as a template
	httpcaddyfile.RegisterDirectiveOrder("fault", httpcaddyfile.Before, "templates")
	httpcaddyfile.RegisterGlobalOption("fault", parseGlobalOption)
}

// parseDirective sets up an injection point. Syntax:
//
//	fault [<matcher>] [<status>] {
//	    point  <name>
//	    sticky <key>
//	    seed   <number>
//	    halted
//	    trigger <source> [<name>] {
//	        ...
//	    }
//
//	    # one rule: its settings and faults directly, see ruleParser ...
//	    <setting>
//	    <fault>
//
//	    # ... or several
//	    rule [<name>] {
//	        <setting>
//	        <fault>
//	    }
//	}
//
// A status is short for the fault `respond <status>`. Without a status and
// without rules the point does nothing until an experiment says so.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if err := checkTokens(h.Dispenser); err != nil {
		return nil, err
	}
	h.Next() // consume directive
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next() // once more: the look-ahead has gone back
	p := pointParser{Helper: h, handler: new(Handler)}
	if matcher != nil {
		p.handler.MatcherSetsRaw = append(p.handler.MatcherSetsRaw, matcher)
	}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, p.handler), nil
}

// checkTokens refuses the semicolons of the one-line grammar. (Its blocks on one
// line are refused by Caddy's lexer.)
func checkTokens(d *caddyfile.Dispenser) error {
	defer d.Reset()
	for d.Next() {
		if token := d.Token(); !token.Quoted() && strings.HasSuffix(token.Text, ";") {
			return d.Errf("'%s' ends in ';': in a Caddyfile each statement has a line of its own; quote the text if it is meant", token.Text)
		}
	}
	return nil
}

// pointParser parses one directive.
type pointParser struct {
	httpcaddyfile.Helper
	handler *Handler
	direct  *ruleParser // the rule without a rule block, if there is one
}

func (p *pointParser) parse() error {
	start := *p.Dispenser
	p.handler.Point.Name = p.defaultName()
	if err := p.parseStatus(); err != nil {
		return err
	}
	seen := make(map[string]bool)
	for nesting := p.Nesting(); p.NextBlock(nesting); {
		word := p.Val()
		switch word {
		case "point", "sticky", "seed", "halted":
			if seen[word] {
				return p.Errf("%s already specified", word)
			}
			seen[word] = true
			if err := p.parseOption(word); err != nil {
				return err
			}
		case "trigger":
			if err := p.parseTrigger(); err != nil {
				return err
			}
		case "rule":
			if err := p.parseRule(); err != nil {
				return err
			}
		default:
			if err := p.parseDirect(word); err != nil {
				return err
			}
		}
	}
	if p.direct != nil {
		return p.direct.finish(&start)
	}
	return p.checkDefaultNames(&start)
}

// checkDefaultNames refuses a rule that has the name another one gets for want
// of its own.
func (p *pointParser) checkDefaultNames(start *caddyfile.Dispenser) error {
	for i, rule := range p.handler.Rules {
		name := rules.DefaultName(i)
		taken := slices.ContainsFunc(p.handler.Rules, func(other *rules.Rule) bool { return other.Name == name })
		if rule.Name == "" && taken {
			return start.Errf("rule '%s' already specified: it is also the name of rule number %d, which has none of its own", name, i+1)
		}
	}
	return nil
}

// parseStatus parses what stands behind the directive and its matcher.
func (p *pointParser) parseStatus() error {
	if !p.NextArg() {
		return nil
	}
	word := p.Val()
	if !faults.IsStatus(word) {
		return p.Errf("unexpected argument '%s': want a status such as 551 or smtp:551; other faults are lines of a block", word)
	}
	status := p.Token().Clone()
	if p.NextArg() {
		if next := p.Val(); strings.HasPrefix(next, "/") || strings.HasPrefix(next, "@") || next == "*" {
			return p.Errf("the matcher comes first: fault %s %s", next, word)
		}
		return p.Errf("unexpected argument '%s' behind the status: write a block with respond %s and more", p.Val(), word)
	}
	p.direct = p.newRule()
	respond := status.Clone()
	respond.Text = "respond"
	p.direct.first = word
	return p.direct.parseFault(caddyfile.NewDispenser([]caddyfile.Token{respond, status}))
}

// parseOption parses a setting of the point itself.
func (p *pointParser) parseOption(word string) error {
	if word == "halted" {
		p.handler.Halted = true
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
		p.handler.Point.Name = value
	case "sticky":
		if value == "" {
			return p.Err("sticky '' is empty: want a key such as {header.X-User}")
		}
		p.handler.Sticky = value
	case "seed":
		seed, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return p.Errf("bad seed '%s': want a whole number", value)
		}
		p.handler.Seed = &seed
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
		if err := rules.ValidName(rule.Name); err != nil {
			return p.WrapErr(fmt.Errorf("rule: %w", err))
		}
		for _, other := range p.handler.Rules[:len(p.handler.Rules)-1] {
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
	if p.direct == nil && len(p.handler.Rules) > 0 {
		return p.Errf("'%s' cannot stand beside rule blocks: write it into one", word)
	}
	if p.direct == nil {
		p.direct = p.newRule()
	}
	return p.direct.parseLine(p.Dispenser, word)
}

// newRule adds a rule to the point.
func (p *pointParser) newRule() *ruleParser {
	rule := new(rules.Rule)
	p.handler.Rules = append(p.handler.Rules, rule)
	parser := newRuleParser(rule)
	parser.matcherToken = func(*caddyfile.Dispenser) (caddy.ModuleMap, bool, error) { return p.MatcherToken() }
	return parser
}

// defaultName numbers the directives as they are written, named or not.
func (p *pointParser) defaultName() string {
	prefix := ""
	if p.IsNamedRoute() {
		prefix = p.routeName() + "-"
	}
	const state = "fault.directives."
	n, _ := p.State[state+prefix].(int)
	p.State[state+prefix] = n + 1
	return fmt.Sprintf("%sfault%d", prefix, n+1)
}

// routeName is the name of the named route that the directive stands in. The
// adapter keeps it in a field that it shows nobody; a route whose name cannot
// be had, or cannot be part of a point's, is just "route".
func (p *pointParser) routeName() string {
	const fallback = "route"
	keys := reflect.ValueOf(p.Helper).FieldByName("parentBlock").FieldByName("Keys")
	if !keys.IsValid() || keys.Len() == 0 {
		return fallback
	}
	text := keys.Index(0).FieldByName("Text")
	if !text.IsValid() || rules.ValidName(text.String()) != nil {
		return fallback
	}
	return text.String()
}

// parseGlobalOption sets up what all injection points have in common. Syntax:
//
//	fault {
//	    halted
//	    dry_run
//	    disclose   <header>|off
//	    max_active <number>
//	    journal    <number>
//	    halt_when  <number> <window>
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // consume option
	if existing != nil {
		return nil, d.Err("global option fault already specified")
	}
	if d.NextArg() {
		return nil, d.Errf("unexpected argument '%s'", d.Val())
	}
	app, seen := new(App), make(map[string]bool)
	for d.NextBlock(0) {
		word := d.Val()
		if seen[word] {
			return nil, d.Errf("%s already specified", word)
		}
		seen[word] = true
		if err := app.unmarshalOption(d, word); err != nil {
			return nil, err
		}
		if err := app.Validate(); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	return httpcaddyfile.App{Name: "fault", Value: caddyconfig.JSON(app, nil)}, nil
}

func (a *App) unmarshalOption(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "halted":
		a.Halted = true
		return noArgs(d)
	case "dry_run":
		a.DryRun = true
		return noArgs(d)
	case "disclose":
		return textParser(&a.Disclose)(d)
	case "max_active":
		var number *int
		err := countParser(&number)(d)
		if err == nil && *number == 0 {
			return d.Err("bad max_active '0': want 1 or more")
		}
		if err == nil {
			a.MaxActive = int64(*number)
		}
		return err
	case "journal":
		return countParser(&a.Journal)(d)
	case "halt_when":
		return a.unmarshalHaltWhen(d)
	default:
		return d.Errf("unrecognized option '%s' of fault", word)
	}
}

func (a *App) unmarshalHaltWhen(d *caddyfile.Dispenser) error {
	var number, window string
	if !d.AllArgs(&number, &window) {
		return d.Err("halt_when needs a number of errors and a window, such as halt_when 50 1m")
	}
	errors, err := parseCount(d, "halt_when", number)
	if err != nil {
		return err
	}
	length, err := parseDuration(d, "window of halt_when", window)
	a.HaltWhen = &HaltWhen{Errors: errors, Window: length}
	return err
}

// noArgs refuses arguments behind an option that is its word alone.
func noArgs(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("unexpected argument '%s'", d.Val())
	}
	return nil
}
