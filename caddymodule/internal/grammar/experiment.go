package grammar

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ParseExperiment reads an experiment as people write it in a terminal: a rule
// in the one-line grammar, and matchers as they stand behind `match` in a
// Caddyfile, of which each is an alternative. Caddy's placeholder shorthands
// apply.
func ParseExperiment(line string, matchers []string) (*experiments.Experiment, error) {
	e := new(experiments.Experiment)
	p := NewRuleParser(&e.Rule)
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
	return e, statements[0].wrap(p.finish(d))
}

var shorthands = httpcaddyfile.NewShorthandReplacer()

// parseShort parses a statement with shorthands for placeholders.
func parseShort(p *RuleParser, s Statement) error {
	segment := caddyfile.Segment(s.Tokens)
	shorthands.ApplyToSegment(&segment)
	return s.Parse(p)
}

// ParseLine reads a rule in the one-line grammar, matchers included:
//
//	match path /api/*; percent 10; delay 200ms 2s; respond 503
//
// The error is a *statementError.
func ParseLine(line string) (*rules.Rule, error) {
	e, err := ParseExperiment(line, nil)
	if err != nil {
		return nil, err
	}
	return &e.Rule, nil
}
