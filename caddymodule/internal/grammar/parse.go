package grammar

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ParseLine parses a rule in the one-line grammar, including its matchers:
//
//	match path /api/*; percent 10; delay 200ms 2s; respond 503
//
// More matcher sets can be passed separately, each as written after `match` in a
// Caddyfile. The rule matches a request if one of the sets matches. Caddy's placeholder
// shorthands can be used. An error in the line is a [LineError].
func ParseLine(line string, matchers ...string) (*rules.Rule, error) {
	rule := new(rules.Rule)
	return rule, parseLineOf(rule, nil, line, matchers...)
}

// ParseLineAnywhere is ParseLine with the presets of a configuration, for points that may
// be transports. As in [ParseExperiment], a rule is refused if it is wrong in both places.
func ParseLineAnywhere(own presets.Set, line string, matchers ...string) (*rules.Rule, error) {
	rule := new(rules.Rule)
	err := parseLineOf(rule, own, line, matchers...)
	if err == nil {
		return rule, nil
	}
	rule = &rules.Rule{Place: faults.InTransport}
	if parseLineOf(rule, own, line, matchers...) != nil {
		return nil, err
	}
	rule.Place = faults.InHandler // loading decides
	return rule, nil
}

// parseLineOf is ParseLine for a rule that may have a place.
func parseLineOf(rule *rules.Rule, own presets.Set, line string, matchers ...string) error {
	p := NewRuleParser(rule)
	p.Presets = own
	for _, matcher := range matchers {
		tokens, err := caddyfile.Tokenize([]byte("match "+matcher), statementFile) // it may have lines and blocks
		if err == nil {
			err = parseShort(p, Statement{Tokens: tokens})
		}
		if err != nil {
			return fmt.Errorf("matcher '%s': %w", matcher, err)
		}
	}
	statements, err := Split(line)
	if err != nil {
		return err
	}
	for _, s := range statements {
		if err := parseShort(p, s.WrittenOut()); err != nil {
			return err
		}
	}
	if len(statements) == 0 {
		return Statement{End: len(line)}.wrap(errors.New("the line is empty; write a fault, such as 'percent 10; delay 2s'"))
	}
	d := caddyfile.NewDispenser(statements[0].Tokens)
	d.Next()
	return statements[0].wrap(p.finish(d))
}

var shorthands = httpcaddyfile.NewShorthandReplacer()

// parseShort parses a statement with shorthands for placeholders.
func parseShort(p *RuleParser, s Statement) error {
	segment := caddyfile.Segment(s.Tokens)
	shorthands.ApplyToSegment(&segment)
	return s.Parse(p)
}
