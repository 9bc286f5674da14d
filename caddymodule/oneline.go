package caddymodule

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// A statement is one part of a rule in the one-line grammar, which is a rule's
// lines in a Caddyfile with semicolons between them:
//
//	percent 10; delay 200ms 2s; respond 503
//
// There are no blocks, no comments and no heredocs. A text with a semicolon in
// it is quoted.
type statement struct {
	tokens []caddyfile.Token
	start  int // where it begins in the line, in bytes
	end    int
}

// A statementError tells where in the line the error is.
type statementError struct {
	start, end int
	err        error
}

func (e *statementError) Error() string { return e.err.Error() }
func (e *statementError) Unwrap() error { return e.err }

// wrap says that err is in the statement. The place that Caddy's parser adds
// to its messages means nothing to somebody who wrote one line.
func (s statement) wrap(err error) error {
	if err == nil {
		return nil
	}
	return &statementError{s.start, s.end, errors.New(strings.TrimSuffix(err.Error(), ", at "+statementFile+":1"))}
}

const statementFile = "line"

// splitLine splits a line into its statements; empty ones are left out.
func splitLine(line string) ([]statement, error) {
	var statements []statement
	for start := 0; start < len(line); {
		length, err := statementLength(line[start:])
		s := statement{start: start, end: start + length}
		start = s.end + 1
		text := line[s.start:s.end]
		if err == nil && strings.TrimSpace(text) == "" {
			continue
		}
		if err == nil {
			s.tokens, err = caddyfile.Tokenize([]byte(text), statementFile)
		}
		if err != nil {
			return nil, s.wrap(err)
		}
		statements = append(statements, s)
	}
	return statements, nil
}

// statementLength finds the end of the first statement, a semicolon outside of
// quotes, by the rules of Caddy's lexer: a quote counts only where a word
// begins. What would be more than a line there is refused.
func statementLength(line string) (int, error) {
	var quote rune
	wordBegins, escaped := true, false
	for i, ch := range line {
		switch {
		case ch == '\n' || ch == '\r' || ch == 0:
			return i, errors.New("control characters cannot stand in a line")
		case quote != 0:
			if ch == quote && !escaped {
				quote, wordBegins = 0, true
			}
			escaped = ch == '\\' && quote == '"' && !escaped
		case ch == ';':
			return i, nil
		case unicode.IsSpace(ch):
			wordBegins = true
		case wordBegins:
			if ch == '"' || ch == '`' {
				quote = ch
				continue
			}
			if err := checkWordBegin(line[i:]); err != nil {
				return i, err
			}
			wordBegins = false
		}
	}
	if quote != 0 {
		return len(line), fmt.Errorf("a quote %c is open", quote)
	}
	return len(line), nil
}

// checkWordBegin refuses what Caddy's lexer takes for more than a word.
func checkWordBegin(rest string) error {
	switch {
	case rest[0] == '\\':
		return errors.New("a word cannot begin with a backslash")
	case rest[0] == '#':
		return errors.New("a word that begins with # would be a comment: quote it")
	case strings.HasPrefix(rest, "<<"):
		return errors.New("there are no heredocs in a line")
	}
	word := rest
	if end := strings.IndexFunc(rest, func(ch rune) bool { return unicode.IsSpace(ch) || ch == ';' }); end >= 0 {
		word = rest[:end]
	}
	if word == "{" || word == "}" {
		return errors.New("there are no blocks in a line")
	}
	return nil
}

// writtenOut is the statement in full: a bare status is the fault respond.
func (s statement) writtenOut() statement {
	if len(s.tokens) == 1 && status.LooksLike(s.tokens[0].Text) {
		respond := s.tokens[0].Clone()
		respond.Text = "respond"
		s.tokens = []caddyfile.Token{respond, s.tokens[0]}
	}
	return s
}

// parse reads the statement as a line of the rule. There are no matchers with a
// name: those are of a Caddyfile.
func (s statement) parse(p *ruleParser) error {
	d := caddyfile.NewDispenser(s.tokens)
	p.matcherToken = httpcaddyfile.Helper{Dispenser: d}.MatcherToken
	d.Next()
	if err := p.parseLine(d, d.Val()); err != nil {
		return s.wrap(err)
	}
	if d.Next() {
		return s.wrap(d.Errf("unexpected word '%s'", d.Val()))
	}
	return nil
}
