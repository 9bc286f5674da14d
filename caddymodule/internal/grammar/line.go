package grammar

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// A Statement is one part of a rule in the one-line grammar. The one-line grammar has
// the lines of a rule in a Caddyfile, joined by semicolons:
//
//	percent 10; delay 200ms 2s; respond 503
//
// It has no blocks, no comments and no heredocs. A text that contains a semicolon must
// be quoted. Some options can follow their fault as a statement, as in `respond 503;
// retry_after 5s`.
type Statement struct {
	// Tokens are the words of the statement.
	Tokens []caddyfile.Token

	// Start and End are the place of the statement in the line, in bytes.
	Start, End int
}

// A LineError says which statement of a line is wrong.
type LineError struct {
	// Start and End are the place of the statement in the line, in bytes.
	Start, End int

	err error
}

// Error returns the message of the parser, without the place.
func (e *LineError) Error() string { return e.err.Error() }

// Unwrap returns the error of the parser.
func (e *LineError) Unwrap() error { return e.err }

// wrap returns err as an error of the statement. It removes the place that Caddy's
// parser adds, because a file and a line mean nothing in a one-line rule.
func (s Statement) wrap(err error) error {
	if err == nil {
		return nil
	}
	text := statementPlace.ReplaceAllString(err.Error(), "")
	return &LineError{s.Start, s.End, errors.New(Printable(words.Cut(inOneLine(text), words.MaxAdvice)))}
}

// Printable replaces characters that a terminal could take for commands. A line, a path
// or a host may come from elsewhere.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// inOneLine rewrites the advice of an error from lines to statements. Blocks are only
// possible in a Caddyfile.
func inOneLine(text string) string {
	what, lines, more := strings.Cut(text, "\n\t")
	switch {
	case !more:
		return text
	case strings.Contains(lines, "{\n"):
		return strings.Join(strings.Fields(text), " ") + " (a block is only possible in a Caddyfile)"
	default:
		return strings.Replace(what, "swap the two lines", "swap the two", 1) + " " + strings.ReplaceAll(lines, "\n\t", "; ")
	}
}

const statementFile = "line"

// statementPlace is how Caddy's parser names a place in a statement.
var statementPlace = regexp.MustCompile(`, at ` + statementFile + `:[0-9]+`)

// Split splits a line into its statements, without empty ones.
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
		if last := len(statements) - 1; last >= 0 && statements[last].continuesWith(s) {
			statements[last] = statements[last].join(s)
			continue
		}
		statements = append(statements, s)
	}
	return statements, nil
}

// continuesWith reports whether next is an option of the fault in s, see
// [faults.Continued].
func (s Statement) continuesWith(next Statement) bool {
	return continues(s.WrittenOut().Tokens[0].Text, next.Tokens[0].Text)
}

// continues reports whether a kind of fault has an option that can follow it in one
// line.
func continues(kind, option string) bool {
	info, err := caddy.GetModule(faults.Namespace + "." + kind)
	if err != nil {
		return false
	}
	fault, ok := info.New().(faults.Continued)
	return ok && slices.Contains(fault.Continues(), option)
}

// join returns the statement with next as a line of the block of its fault.
func (s Statement) join(next Statement) Statement {
	tokens := slices.Clone(s.WrittenOut().Tokens)
	end := len(tokens) - 1
	if tokens[end].Line == 1 { // no block yet
		tokens = append(tokens, caddyfile.Token{File: statementFile, Line: 1, Text: "{"})
	} else {
		tokens = tokens[:end]
	}
	line := tokens[len(tokens)-1].Line + 1
	for _, token := range next.Tokens {
		token.Line = line
		tokens = append(tokens, token)
	}
	s.Tokens, s.End = append(tokens, caddyfile.Token{File: statementFile, Line: line + 1, Text: "}"}), next.End
	return s
}

// statementLength returns the length of the first statement. It ends at a semicolon
// outside of quotes. As in Caddy's lexer, a quote counts only at the beginning of a
// word. The function returns an error for text that Caddy's lexer would read as more
// than one line.
func statementLength(line string) (int, error) {
	var quote rune
	wordBegins, escaped := true, false
	for i, ch := range line {
		switch {
		case ch == '\n' || ch == '\r' || ch == 0:
			return i, errors.New("control characters are not allowed in a line")
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
		return len(line), fmt.Errorf("the quote %c is not closed", quote)
	}
	return len(line), nil
}

// checkWordBegin refuses words that have a special meaning for Caddy's lexer.
func checkWordBegin(rest string) error {
	switch {
	case rest[0] == '\\':
		return errors.New("a word cannot begin with a backslash")
	case strings.HasPrefix(rest, "\ufeff"):
		return errors.New("a word cannot begin with a byte order mark; remove it")
	case rest[0] == '#':
		return errors.New("a word that begins with # would be a comment; quote it")
	case strings.HasPrefix(rest, "<<"):
		return errors.New("heredocs are not allowed in a line; quote the text")
	}
	word := rest
	if end := strings.IndexFunc(rest, func(ch rune) bool { return unicode.IsSpace(ch) || ch == ';' }); end >= 0 {
		word = rest[:end]
	}
	if word == "{" || word == "}" {
		return errors.New("blocks are not allowed in a line; write the rule in a Caddyfile or as JSON")
	}
	return nil
}

// WrittenOut returns the statement in full. A bare status becomes the fault respond.
func (s Statement) WrittenOut() Statement {
	if len(s.Tokens) == 1 && status.LooksLike(s.Tokens[0].Text) {
		respond := s.Tokens[0].Clone()
		respond.Text = "respond"
		s.Tokens = []caddyfile.Token{respond, s.Tokens[0]}
	}
	return s
}

// Parse parses the statement as a line of the rule. Named matchers are not allowed,
// because only a Caddyfile can define them.
func (s Statement) Parse(p *RuleParser) error {
	d := caddyfile.NewDispenser(s.Tokens)
	p.matcherToken = func() (caddy.ModuleMap, bool, error) {
		return matcherToken(d, "named matchers are only possible in a Caddyfile; write the matcher itself, such as match path /api/*")
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
