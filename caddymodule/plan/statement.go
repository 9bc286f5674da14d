package plan

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// statement is a line of a plan with its block.
type statement struct {
	word   string
	args   []string
	block  []statement
	braces bool // the line has a block
	at     place
	tokens caddyfile.Segment
}

// statementOf reads the tokens of a line and its block.
func statementOf(tokens caddyfile.Segment) statement {
	d := caddyfile.NewDispenser(tokens)
	d.Next()
	s := statement{word: d.Val(), tokens: tokens, at: place{d.File(), d.Line()}}
	s.args = d.RemainingArgs()
	for d.NextBlock(0) {
		s.block = append(s.block, statementOf(d.NextSegment()))
	}
	s.braces = slices.ContainsFunc(tokens, func(t caddyfile.Token) bool { return t.Text == "{" && !t.Quoted() })
	return s
}

// rest returns the arguments as they can be written.
func (s *statement) rest() string { return args.Words(s.args) }

// line returns the line as it can be written, without its block.
func (s *statement) line() string { return strings.TrimSpace(s.word + " " + s.rest()) }

// cut returns the statement without its first word.
func (s statement) cut() statement {
	if len(s.args) == 0 {
		return s
	}
	s.word, s.args, s.tokens = s.args[0], s.args[1:], s.tokens[1:]
	return s
}

// takeAfter removes a word and the one after it from the end of the arguments, and
// returns the second one.
func (s *statement) takeAfter(word string) (value string, found bool) {
	if n := len(s.args); n >= 2 && s.args[n-2] == word {
		value, found = s.args[n-1], true
		s.args = s.args[:n-2]
	}
	return value, found
}
