package grammar

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// A Statement is one part of a rule in the one-line grammar, which is a rule's
// lines in a Caddyfile with semicolons between them:
//
//	percent 10; delay 200ms 2s; respond 503
//
// There are no blocks, no comments and no heredocs. A text with a semicolon in
// it is quoted.
type Statement struct {
	// Tokens are its words.
	Tokens []caddyfile.Token

	// Start and End are where it stands in the line, in bytes.
	Start, End int
}

// A LineError says which statement of a line is wrong.
type LineError struct {
	// Start and End are where the statement stands in the line, in bytes.
	Start, End int

	err error
}

// Error says what is wrong.
func (e *LineError) Error() string { return e.err.Error() }

// Unwrap returns the error of the parser.
func (e *LineError) Unwrap() error { return e.err }

// wrap says that err is in the statement. The place that Caddy's parser adds
// to its messages means nothing to somebody who wrote one line.
func (s Statement) wrap(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), ", at "+statementFile+":1", "")
	return &LineError{s.Start, s.End, errors.New(inOneLine(text))}
}

// inOneLine writes the lines that an error advises as statements. A block can be in a
// Caddyfile only.
func inOneLine(text string) string {
	what, lines, more := strings.Cut(text, "\n\t")
	switch {
	case !more:
		return text
	case strings.Contains(lines, "{\n"):
		return strings.Join(strings.Fields(text), " ") + " (a block is for a Caddyfile)"
	default:
		return strings.Replace(what, "swap the two lines", "swap the two", 1) + " " + strings.ReplaceAll(lines, "\n\t", "; ")
	}
}

const statementFile = "line"

// Split splits a line into its statements; empty ones are left out.
func Split(line string) ([]Statement, error) {
	var statements []Statement
	for start := 0; start < len(line); {
		length, err := statementLength(line[start:])
		s := Statement{Start: start, End: start + length}
		start = s.End + 1
		text := line[s.Start:s.End]
		if err == nil && strings.TrimSpace(text) == "" {
			continue
		}
		if err == nil {
			s.Tokens, err = caddyfile.Tokenize([]byte(text), statementFile)
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
		return errors.New("there are no blocks in a line: write the rule in a Caddyfile or as JSON")
	}
	return nil
}

// WrittenOut is the statement in full: a bare status is the fault respond.
func (s Statement) WrittenOut() Statement {
	if len(s.Tokens) == 1 && status.LooksLike(s.Tokens[0].Text) {
		respond := s.Tokens[0].Clone()
		respond.Text = "respond"
		s.Tokens = []caddyfile.Token{respond, s.Tokens[0]}
	}
	return s
}

// Parse reads the statement as a line of the rule. There are no matchers with a
// name: those are of a Caddyfile.
func (s Statement) Parse(p *RuleParser) error {
	d := caddyfile.NewDispenser(s.Tokens)
	p.matcherToken = func() (caddy.ModuleMap, bool, error) {
		return matcherToken(d, "named matchers are for a Caddyfile; write the matcher itself, such as match path /api/*")
	}
	d.Next()
	if err := p.parseLine(d, d.Val()); err != nil {
		return s.wrap(err)
	}
	if d.Next() {
		return s.wrap(d.Errf("unexpected word '%s'", d.Val()))
	}
	return nil
}
