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

// Checks for rules that are valid but probably mean something else.

// listMatchers are matchers with any number of values. They accept the name of another
// matcher as a value.
var listMatchers = []string{"path", "host", "method", "protocol", "remote_ip", "client_ip"}

// checkMatchLines refuses the name of a second matcher among the values of the first. d
// is at the word match.
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

// takenForValue returns the error for a matcher among the values of the first matcher
// of a line.
func takenForValue(line []caddyfile.Token, first, second int) error {
	d := caddyfile.NewDispenser(line)
	d.Next()
	if d.File() == statementFile {
		return d.Errf("'%s' is a value of the matcher %s here; in one line, write several matchers as an expression, such as match `path('/a') && method('POST')`",
			line[second].Text, line[first].Text)
	}
	return fmt.Errorf("%w; write several matchers as lines of a block:\n\tmatch {\n\t\t%s\n\t\t%s\n\t}",
		d.Errf("'%s' is a value of the matcher %s here", line[second].Text, line[first].Text), textOf(line[:second]), textOf(line[second:]))
}

func isMatcher(word string) bool {
	_, err := caddy.GetModule("http.matchers." + word)
	return err == nil
}

// textOf returns tokens as they are written in a line.
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

// hintAtFraction checks the percentage of the rule.
func (p *RuleParser) hintAtFraction() {
	if line, said := p.seen["percent"]; said && line.NextArg() {
		HintAtFraction(&line)
	}
}

// HintAtFraction warns about a percentage that may be meant as a fraction, such as 0.1.
// d is at the percentage.
func HintAtFraction(d *caddyfile.Dispenser) {
	if text := fractionHint(d.Val()); text != "" {
		hint.Write(caddy.Log().Named("caddyfile"), rules.SourceOf(d.File(), d.Line()), text)
	}
}

// FractionHint returns the same warning for a rule in one line, or "" without one.
func FractionHint(line string) string {
	statements, _ := Split(line) // ParseLine reports errors
	for _, s := range statements {
		if len(s.Tokens) == 2 && s.Tokens[0].Text == "percent" {
			return fractionHint(s.Tokens[1].Text)
		}
	}
	return ""
}

// fractionHint returns the warning for a percentage, or "". A percentage with a percent
// sign is never a fraction.
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
