package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// parseLine reads a whole rule in the one-line grammar, such as
//
//	match path /api/*; percent 10; delay 200ms 2s; respond 503
//
// A bare status is short for respond, and Caddy's short forms of placeholders
// mean what they mean in a Caddyfile. The error is a *statementError.
func parseLine(line string) (*rules.Rule, error) {
	statements, err := splitLine(line)
	if err != nil {
		return nil, err
	}
	p := newRuleParser(new(rules.Rule))
	last := statement{tokens: []caddyfile.Token{{File: statementFile, Line: 1}}, end: len(line)}
	for _, last = range statements {
		if err := last.written(p); err != nil {
			return nil, err
		}
	}
	d := caddyfile.NewDispenser(last.tokens)
	d.Next()
	if err := p.finish(d); err != nil {
		return nil, last.wrap(err)
	}
	return p.Rule, nil
}

var shorthands = httpcaddyfile.NewShorthandReplacer()

// written reads a statement of somebody who may configure faults.
func (s statement) written(p *ruleParser) error {
	segment := caddyfile.Segment(slices.Clone(s.tokens))
	shorthands.ApplyToSegment(&segment)
	s.tokens = segment
	p.matcherToken = matcherOfLine
	return s.withRespond().parse(p)
}

// matcherOfLine reads a matcher that is one word. There are no named ones.
func matcherOfLine(d *caddyfile.Dispenser) (caddy.ModuleMap, bool, error) {
	if !d.NextArg() {
		return nil, false, nil
	}
	switch word := d.Val(); {
	case word == "*":
		return nil, true, nil
	case strings.HasPrefix(word, "/"):
		return caddy.ModuleMap{"path": caddyconfig.JSON(caddyhttp.MatchPath{word}, nil)}, true, nil
	case strings.HasPrefix(word, "@"):
		return nil, false, fmt.Errorf("matcher '%s': named matchers are for a Caddyfile", word)
	}
	return nil, false, nil
}
