package grammar

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// What the words of a rule say, and can hardly mean.

// listMatchers take as many words as there are, the names of other matchers, too.
var listMatchers = []string{"path", "host", "method", "protocol", "remote_ip", "client_ip"}

// checkMatchLines refuses a second matcher in the line of a first one that takes
// it for its values. d stands on the word match.
func checkMatchLines(d caddyfile.Dispenser) error {
	tokens := d.NextSegment()[1:]
	for len(tokens) > 0 {
		n := slices.IndexFunc(tokens, func(t caddyfile.Token) bool { return t.Line != tokens[0].Line || t.File != tokens[0].File })
		if n < 0 {
			n = len(tokens)
		}
		if err := checkMatchLine(tokens[:n]); err != nil {
			return err
		}
		tokens = tokens[n:]
	}
	return nil
}

func checkMatchLine(line []caddyfile.Token) error {
	first := 0 // the first matcher of the line
	for first < len(line) && (line[first].Text == "not" || line[first].Text == "{") {
		first++
	}
	if first == len(line) || !slices.Contains(listMatchers, line[first].Text) {
		return nil
	}
	for i := first + 2; i < len(line); i++ {
		if !line[i].Quoted() && isMatcher(line[i].Text) {
			return takenForValue(line, first, i)
		}
	}
	return nil
}

// takenForValue is the error of a matcher that the first one of a line takes for a
// value.
func takenForValue(line []caddyfile.Token, first, second int) error {
	d := caddyfile.NewDispenser(line)
	d.Next()
	if d.File() == statementFile {
		return d.Errf("'%s' is a value of the matcher %s here; in one line several matchers are an expression, such as match `path('/a') && method('POST')`",
			line[second].Text, line[first].Text)
	}
	return fmt.Errorf("%w; several matchers are lines of a block:\n\tmatch {\n\t\t%s\n\t\t%s\n\t}",
		d.Errf("'%s' is a value of the matcher %s here", line[second].Text, line[first].Text), textOf(line[:second]), textOf(line[second:]))
}

func isMatcher(word string) bool {
	_, err := caddy.GetModule("http.matchers." + word)
	return err == nil
}

// textOf writes tokens as they are in a line.
func textOf(tokens []caddyfile.Token) string {
	texts := make([]string, len(tokens))
	for i, token := range tokens {
		texts[i] = token.Text
		if token.Quoted() {
			texts[i] = quoted(token.Text)
		}
		if token.Quoted() && texts[i] == token.Text {
			texts[i] = `"` + token.Text + `"`
		}
	}
	return strings.Join(texts, " ")
}

// hintAtFraction looks at the percentage of the rule.
func (p *RuleParser) hintAtFraction() {
	if line, said := p.seen["percent"]; said && line.NextArg() {
		HintAtFraction(&line)
	}
}

// HintAtFraction tells of a percentage that may be meant as a fraction. d stands on
// it.
func HintAtFraction(d *caddyfile.Dispenser) {
	if text := fractionHint(d.Val()); text != "" {
		hint.Write(caddy.Log().Named("caddyfile"), rules.SourceOf(d.File(), d.Line()), text)
	}
}

// FractionHint says the same of a rule in one line; empty: there is nothing to say.
func FractionHint(line string) string {
	statements, _ := Split(line) // an error is for ParseLine to tell
	for _, s := range statements {
		if len(s.Tokens) == 2 && s.Tokens[0].Text == "percent" {
			return fractionHint(s.Tokens[1].Text)
		}
	}
	return ""
}

// fractionHint looks at a percentage. With its sign it is meant as one.
func fractionHint(percent string) string {
	number, err := strconv.ParseFloat(percent, 64)
	if err != nil {
		return ""
	}
	if text := rules.FractionHint(number); text != "" {
		return text + "; if not, write percent " + percent + "%"
	}
	return ""
}
