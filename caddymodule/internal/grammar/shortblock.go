package grammar

import (
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// Advice for a line with more than one fault: the block to write instead.

// blockLine is a line of that block.
type blockLine struct {
	text   string
	kind   bool     // the line is a fault
	inside []string // lines of its block
}

// lines splits the words into lines. Each setting, fault and option of a point begins a
// line. lines returns nil if the first word is something else.
func (s Short) lines() []blockLine {
	var lines [][]caddyfile.Token
	for _, word := range s.Words {
		first := ""
		if len(lines) > 0 {
			first = lines[len(lines)-1][0].Text
		}
		missing := beginsLine(word, first)
		switch {
		case missing != "":
			name := word.Clone()
			name.Text = missing
			lines = append(lines, []caddyfile.Token{name, word})
		case !word.Quoted() && isFirstWord(word.Text) && (first != "truncate" || word.Text != "close" && word.Text != "reset"):
			lines = append(lines, []caddyfile.Token{word})
		case len(lines) == 0:
			return nil
		default:
			lines[len(lines)-1] = append(lines[len(lines)-1], word)
		}
	}
	return complete(lines)
}

// beginsLine returns the name of the setting or fault of a bare value, such as 503 or
// 10%. first is the first word of the line before. It returns "" for other words.
func beginsLine(word caddyfile.Token, first string) string {
	switch {
	case word.Quoted():
	case first == "" && status.LooksLike(word.Text):
		return "respond"
	case isPercentage(word.Text) && !slices.Contains([]string{"truncate", "corrupt", "percent"}, first):
		return "percent"
	case isDuration(word.Text) && first == "respond":
		return "delay"
	}
	return ""
}

func isFirstWord(word string) bool {
	return slices.Contains(Settings, word) || slices.Contains(pointWords, word) || faults.IsKind(word)
}

// complete makes a valid rule of the lines. It adds missing parts and moves faults that
// end a request to the end.
func complete(lines [][]caddyfile.Token) []blockLine {
	var settings, early, last []blockLine
	for _, line := range lines {
		made := completeLine(line)
		switch first := line[0].Text; {
		case !made.kind:
			settings = append(settings, made)
		case first == "delay" || first == "throttle" || first == "dribble":
			early = append(early, made)
		default:
			last = append(last, made)
		}
	}
	if len(early)+len(last) == 0 && slices.ContainsFunc(lines, func(line []caddyfile.Token) bool { return slices.Contains(Settings, line[0].Text) }) {
		last = []blockLine{{text: "respond 503", kind: true}}
	}
	return slices.Concat(settings, early, last)
}

// completeLine adds a block to a line that needs one, and a source to a trigger.
func completeLine(line []caddyfile.Token) blockLine {
	first, rest := line[0].Text, textOf(line[1:])
	made := blockLine{text: strings.TrimSpace(first + " " + rest), kind: faults.IsKind(first)}
	form, _ := words.FormOf(first)
	example := strings.Split(form.Example, "\n")
	switch {
	case len(example) > 1 && first != "rule":
		made.text = strings.TrimSuffix(example[0], " {")
		for _, inside := range example[1 : len(example)-1] {
			made.inside = append(made.inside, strings.TrimPrefix(inside, "\t"))
		}
	case len(line) == 1:
		made.text = strings.ReplaceAll(form.Example, "\n", "\n\t\t")
	case first == "trigger" && !slices.Contains([]string{"header", "cookie", "baggage", "envoy"}, line[1].Text):
		made.text = "trigger header " + rest
	}
	return made
}

// flatten returns the texts of lines with their blocks.
func flatten(lines []blockLine) []string {
	var texts []string
	for _, line := range lines {
		if len(line.inside) == 0 {
			texts = append(texts, line.text)
			continue
		}
		texts = append(texts, line.text+" {")
		for _, inside := range line.inside {
			texts = append(texts, "\t"+inside)
		}
		texts = append(texts, "}")
	}
	return texts
}

var isMatcherName = regexp.MustCompile(`^@[A-Za-z][A-Za-z0-9_-]*$`).MatchString
