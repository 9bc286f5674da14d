package grammar

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ParseText parses a rule as people write it: in the one-line grammar, or as the lines of
// a rule in a Caddyfile, with their blocks. Only a text of several lines can have blocks.
// The place is where its faults run. own are the presets of the configuration. An error
// in the text is a [LineError].
func ParseText(text string, place faults.Place, own presets.Set) (*rules.Rule, error) {
	rule := &rules.Rule{Place: place}
	if line, one := oneLine(text); one {
		return rule, parseLineOf(rule, own, line)
	}
	tokens, err := tokensOf(text)
	if err != nil {
		return nil, err
	}
	d := caddyfile.NewDispenser(tokens)
	if err := CheckTokens(d); err != nil {
		return nil, inText(text, err)
	}
	d.Next() // consume the name of the block
	start, p := *d, NewRuleParser(rule)
	p.Presets = own
	if err := p.parseBlock(d, nil); err != nil {
		return nil, inText(text, err)
	}
	if err := p.finish(&start); err != nil {
		return nil, inText(text, err)
	}
	return rule, nil
}

// oneLine returns a text of one line without the end of the line.
func oneLine(text string) (line string, one bool) {
	line = strings.TrimRight(text, " \t\r\n")
	return line, !strings.ContainsAny(line, "\r\n")
}

// textFile is the name of the file whose lines a text is, for errors. The first line of
// the file begins the block.
const textFile = "rule"

// tokensOf returns the tokens of a block with the lines of a text.
func tokensOf(text string) ([]caddyfile.Token, error) {
	tokens, err := caddyfile.Tokenize([]byte("rule {\n"+text+"\n}"), textFile)
	if err != nil {
		return nil, inText(text, err)
	}
	depth := 0
	for i, token := range tokens {
		switch {
		case token.Quoted():
		case token.Text == "{":
			depth++
		case token.Text == "}":
			depth--
		}
		if depth == 0 && i > 0 && i < len(tokens)-1 {
			return nil, lineError(text, token.Line-1, errors.New("unexpected '}': no block is open"))
		}
	}
	if depth > 0 {
		return nil, lineError(text, tokens[len(tokens)-1].Line-2, errors.New("a block is not closed: write } on a line after its last line"))
	}
	segment := caddyfile.Segment(tokens)
	shorthands.ApplyToSegment(&segment)
	return segment, nil
}

// textPlace is how Caddy's parser names a place in a text.
var textPlace = regexp.MustCompile(`, at ` + textFile + `:([0-9]+)`)

// inText returns an error of Caddy's parser as an error of a line of the text.
func inText(text string, err error) error {
	message, line := err.Error(), 1
	if place := textPlace.FindStringSubmatch(message); place != nil {
		line, _ = strconv.Atoi(place[1])
		message = textPlace.ReplaceAllString(message, "")
	}
	return lineError(text, line-1, errors.New(words.Cut(message, words.MaxAdvice)))
}

// lineError returns an error of a line of the text, from 1. Line 0 is the whole text.
func lineError(text string, line int, err error) *LineError {
	start, end := 0, len(text)
	if lines := strings.SplitAfter(text, "\n"); line > 0 && line <= len(lines) {
		start = len(strings.Join(lines[:line-1], ""))
		end = start + len(strings.TrimRight(lines[line-1], "\r\n"))
	}
	return &LineError{start, end, err}
}

// Lines returns the lines of a rule in a Caddyfile for a text that [ParseText] reads.
func Lines(text string) (string, error) {
	line, one := oneLine(text)
	if !one {
		return text, nil
	}
	statements, err := Split(line)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, s := range statements {
		last := s.Tokens[0].Line
		for i, token := range s.WrittenOut().Tokens {
			switch {
			case token.Line != last:
				out.WriteByte('\n')
			case i > 0:
				out.WriteByte(' ')
			}
			last = token.Line
			out.WriteString(written(token))
		}
		out.WriteByte('\n')
	}
	return out.String(), nil
}

// written returns a token as in a Caddyfile.
func written(token caddyfile.Token) string {
	if !token.Quoted() && (token.Text == "{" || token.Text == "}") {
		return token.Text
	}
	return quoted(token.Text)
}

// ReadsAs reports whether ParseText reads a text as this rule, at the place of the rule.
func ReadsAs(text string, rule *rules.Rule) bool {
	read, err := ParseText(text, rule.Place, nil)
	return err == nil && SameJSON(caddyconfig.JSON(read, nil), caddyconfig.JSON(rule, nil))
}
