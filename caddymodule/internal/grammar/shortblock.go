package grammar

import (
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
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
// line. lines returns nil if the first word is something else, and if the lines do not
// load.
func (s Short) lines() []blockLine {
	var lines [][]caddyfile.Token
	for _, word := range s.Words {
		first, full := "", false
		if len(lines) > 0 {
			line := lines[len(lines)-1]
			first, full = line[0].Text, line[0].Text == "percent" && len(line) > 1
		}
		missing := beginsLine(word, first, full)
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
	for _, made := range [][]blockLine{complete(lines), s.withOption()} {
		if made != nil && s.load(flatten(made)) {
			return made
		}
	}
	return nil
}

// withOption makes a fault of the words that has an option in its block. It returns
// nil if none of the words is an option.
func (s Short) withOption() []blockLine {
	kind, line := s.Words[0].Text, textOf(s.Words[:1])
	if status.LooksLike(kind) {
		kind, line = "respond", "respond "+line
	}
	options := words.Options(kind)
	for i, word := range s.Words {
		if i > 0 && !word.Quoted() && slices.Contains(options, word.Text) {
			text := strings.TrimSpace(line + " " + textOf(s.Words[1:i]))
			return []blockLine{{text, true, []string{textOf(s.Words[i:])}}}
		}
	}
	return nil
}

// load reports whether the block of the point can have these lines.
func (s Short) load(lines []string) bool {
	tokens, err := caddyfile.Tokenize([]byte("fault {\n"+strings.Join(lines, "\n")+"\n}"), "")
	if err != nil {
		return false
	}
	d := caddyfile.NewDispenser(tokens)
	d.Next()
	p := PointParser{Dispenser: d, Point: new(rules.Point), MatcherToken: func() (caddy.ModuleMap, bool, error) {
		set, isToken, err := MatcherToken(d)
		if strings.HasPrefix(d.Val(), "@") {
			return nil, true, nil // the site may define it
		}
		return set, isToken, err
	}}
	if s.BlockOnly {
		p.Point.Place = faults.InTransport
	}
	p.Own = map[string]func() error{"trigger": func() error {
		d.RemainingArgs()
		return nil
	}}
	return p.ParseBlock(*d) == nil
}

// loadable returns lines with examples in place of those that do not load.
func (s Short) loadable(lines []string) []string {
	for i, line := range lines {
		name, _, _ := strings.Cut(line, " ")
		if form, known := words.FormOf(name); known && isFirstWord(name) && !s.load([]string{line}) && !s.load([]string{line, "respond 503"}) {
			lines[i] = form.Example
		}
	}
	return lines
}

// beginsLine returns the name of the setting or fault of a bare value, such as 503 or
// 10%. first is the first word of the line before, and full is set if that line can have
// no more words. It returns "" for other words.
func beginsLine(word caddyfile.Token, first string, full bool) string {
	switch {
	case word.Quoted():
	case (first == "" || full) && status.LooksLike(word.Text):
		return "respond"
	case isPercentage(word.Text) && (full || !slices.Contains([]string{"truncate", "corrupt", "percent"}, first)):
		return "percent"
	case isDuration(word.Text) && (first == "respond" || full):
		return "delay"
	}
	return ""
}

func isFirstWord(word string) bool {
	return slices.Contains(Settings, word) || slices.Contains(pointWords, word) || isFault(word)
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
	made := blockLine{text: strings.TrimSpace(first + " " + rest), kind: isFault(first)}
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
	case first == "trigger" && !strings.Contains(form.Syntax+" ", "trigger "+line[1].Text+" "):
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
