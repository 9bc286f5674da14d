package grammar

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ParseLine reads a rule in the one-line grammar, matchers included:
//
//	match path /api/*; percent 10; delay 200ms 2s; respond 503
//
// More matchers may be given apart, as they stand after `match` in a Caddyfile;
// each is an alternative. Caddy's placeholder shorthands apply. An error of the
// line is a [LineError].
func ParseLine(line string, matchers ...string) (*rules.Rule, error) {
	rule := new(rules.Rule)
	p := NewRuleParser(rule)
	for _, matcher := range matchers {
		tokens, err := caddyfile.Tokenize([]byte("match "+matcher), statementFile) // it may have lines and blocks
		if err == nil {
			err = parseShort(p, Statement{Tokens: tokens})
		}
		if err != nil {
			return nil, fmt.Errorf("matcher '%s': %w", matcher, err)
		}
	}
	statements, err := Split(line)
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		if err := parseShort(p, s.WrittenOut()); err != nil {
			return nil, err
		}
	}
	if len(statements) == 0 {
		return nil, Statement{End: len(line)}.wrap(errors.New("the line is empty: say what goes wrong, such as 'percent 10; delay 2s'"))
	}
	d := caddyfile.NewDispenser(statements[0].Tokens)
	d.Next()
	return rule, statements[0].wrap(p.finish(d))
}

var shorthands = httpcaddyfile.NewShorthandReplacer()

// parseShort parses a statement with shorthands for placeholders.
func parseShort(p *RuleParser, s Statement) error {
	segment := caddyfile.Segment(s.Tokens)
	shorthands.ApplyToSegment(&segment)
	return s.Parse(p)
}
