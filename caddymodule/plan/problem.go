package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// ProblemError is something that is wrong in a plan, with its place and lines to write
// instead.
type ProblemError struct {
	File  string
	Line  int // 0 if the place is not known
	Text  string
	Write string
}

func (p ProblemError) Error() string {
	text := printable(p.Text)
	switch {
	case p.Line > 0:
		text = fmt.Sprintf("%s:%d: %s", printable(p.File), p.Line, text)
	case p.File != "":
		text = printable(p.File) + ": " + text
	}
	if p.Write == "" {
		return text
	}
	return text + "; write:\n\t" + strings.Join(printableLines(p.Write), "\n\t")
}

// ProblemsError are all that is wrong in a plan, in the order of the file.
type ProblemsError []ProblemError

func (all ProblemsError) Error() string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n")
}

// err returns the problems in the order of the file, or nil.
func (all ProblemsError) err() error {
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b ProblemError) int { return a.Line - b.Line })
	return slices.CompactFunc(all, func(a, b ProblemError) bool { return a == b })
}

// printable replaces characters that a terminal could take for commands.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func printableLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indent := len(line) - len(strings.TrimLeft(line, "\t"))
		lines[i] = line[:indent] + printable(line[indent:])
	}
	return lines
}

// inFile matches the place that Caddy's parser adds to an error.
var inFile = regexp.MustCompile(`,? at ([^:]+):([0-9]+)(?: import chain \[[^\]]*\])?`)

// problemOf reads an error of a parser of Caddyfiles: what is wrong, then the place, then
// the advice.
func problemOf(err error, at place) ProblemError {
	p := ProblemError{File: at.file, Line: at.line, Text: err.Error()}
	if found := inFile.FindStringSubmatchIndex(p.Text); found != nil {
		text := p.Text
		p.Line, _ = strconv.Atoi(text[found[4]:found[5]]) // the expression finds digits only
		p.Text = text[:found[0]]
		p.Write = strings.TrimPrefix(text[found[1]:], ": ")
	}
	if lines, ok := strings.CutPrefix(p.Write, "did you mean '"); ok {
		p.Write, _, _ = strings.Cut(lines, "'")
	} else if _, lines, ok := strings.Cut(p.Write, ":\n\t"); ok {
		p.Write = strings.ReplaceAll(lines, "\n\t", "\n")
	} else if advice, list, ok := strings.Cut(p.Write, "; the "); ok && strings.Contains(advice, ", such as ") { // the kinds, or the actions
		what, line, _ := strings.Cut(advice, ", such as ")
		p.Text += ": " + what + "; the " + list
		p.Write, _, _ = strings.Cut(line, " or ")
	} else if strings.Contains(p.Write, " such as ") {
		p.Text += ": " + p.Write
		p.Write = p.Write[strings.LastIndex(p.Write, " such as ")+len(" such as "):]
		p.Text = strings.TrimSuffix(p.Text, ", such as "+p.Write)
	} else if p.Write != "" {
		p.Text, p.Write = p.Text+": "+p.Write, ""
	}
	return p
}

// example returns an example of a line of a rule.
func example(word string) string {
	form, _ := words.FormOf(word)
	return form.Example
}
