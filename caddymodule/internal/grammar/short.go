package grammar

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// A Short is the line of a point with one fault after the matcher, such as `fault
// /api/* delay 2s`.
type Short struct {
	// Name is the directive, or another beginning of the line.
	Name string

	// Matcher is the matcher, or empty without one.
	Matcher string

	// Words are the words after the matcher.
	Words []caddyfile.Token

	// BlockOnly reports that a fault cannot be written in the line.
	BlockOnly bool
}

// TakeShort takes the remaining words in the line of d.
func TakeShort(d *caddyfile.Dispenser, name, matcher string) Short {
	s := Short{Name: name, Matcher: matcher}
	for d.NextArg() {
		s.Words = append(s.Words, d.Token().Clone())
	}
	return s
}

// Fault returns the tokens of the fault, or nil if the words are not a fault. A bare
// status becomes the fault respond.
func (s Short) Fault() []caddyfile.Token {
	first := s.Words[0]
	switch {
	case isFault(first.Text):
		return s.Words
	case len(s.Words) == 1 && status.LooksLike(first.Text):
		respond := first.Clone()
		respond.Text = "respond"
		return []caddyfile.Token{respond, first}
	}
	return nil
}

// CheckMatchers refuses a matcher after the fault. The fault could take it for its own
// text.
func (s Short) CheckMatchers(d *caddyfile.Dispenser) error {
	for i := 1; i < len(s.Words); i++ {
		if word := s.Words[i]; !word.Quoted() && looksLikeMatcher(word.Text) && s.Matcher == "" {
			rest := slices.Delete(slices.Clone(s.Words), i, i+1)
			return args.Advise(d, write(s.with(word.Text, rest)), "the matcher comes first")
		}
	}
	return nil
}

func looksLikeMatcher(word string) bool {
	return strings.HasPrefix(word, "/") || strings.HasPrefix(word, "@") || word == "*"
}

// line returns a line of the point with another matcher and other words.
func (s Short) line(matcher, rest string) string {
	return strings.Join(slices.DeleteFunc([]string{s.Name, matcher, rest}, func(word string) bool { return word == "" }), " ")
}

// with returns the line of the point with another matcher and other words. If they do
// not load, with returns a line or a block that does.
func (s Short) with(matcher string, rest []caddyfile.Token) string {
	s.Matcher, s.Words = matcher, rest
	if len(rest) == 0 {
		return s.line(matcher, "")
	}
	if fault := s.Fault(); fault != nil && s.load([]string{textOf(fault)}) {
		return s.line(matcher, textOf(rest))
	}
	switch lines := s.lines(); {
	case len(lines) == 0:
		return s.line(matcher, "respond 503")
	case len(lines) == 1 && lines[0].kind && len(lines[0].inside) == 0:
		return s.line(matcher, lines[0].text)
	default:
		return strings.TrimPrefix(block(s.line(matcher, ""), flatten(lines)...), ":\n\t")
	}
}

// write returns the advice to write one line or several.
func write(text string) string {
	if strings.Contains(text, "\n") {
		return "write:\n\t" + text
	}
	return "write " + text
}

// Refuse returns the error for words that are not one fault. err is the error of the
// kind if they begin with one.
func (s Short) Refuse(d *caddyfile.Dispenser, err error) error {
	first := s.Words[0].Text
	switch {
	case s.Words[0].Quoted():
	case looksLikeMatcher(first) && s.Matcher != "":
		return s.secondMatcher(d)
	case strings.ContainsAny(first, "/*") && !status.LooksLike(first) && !isRate(first):
		return s.badPath(d)
	}
	lines := s.lines()
	switch {
	case len(lines) == 1 && len(lines[0].inside) == 0 && !s.BlockOnly && lines[0].kind && err == nil:
		return args.Advise(d, "write "+s.line(s.Matcher, lines[0].text), "unexpected argument '%s' after the status", s.Words[1].Text)
	case err != nil && (len(lines) == 0 || len(lines) == 1 && len(lines[0].inside) == 0 && !s.BlockOnly):
		return err
	case len(lines) > 0:
		text := "'%s' needs a block"
		if len(lines) > 1 && (status.LooksLike(first) || faults.IsKind(first)) {
			text = "'%s' and more need a block"
		}
		if s.BlockOnly {
			text = "unexpected argument '%s': rules and faults are lines of the block"
		}
		return args.Advise(d, "write"+block(s.line(s.Matcher, ""), flatten(lines)...), text, first)
	}
	return s.unknown(d)
}

// secondMatcher returns the error for a line with two matchers.
func (s Short) secondMatcher(d *caddyfile.Dispenser) error {
	second, rest := s.Words[0].Text, s.Words[1:]
	if strings.HasPrefix(s.Matcher, "/") && strings.HasPrefix(second, "/") {
		return args.Advise(d, "name a matcher with both paths:\n\t@paths path "+s.Matcher+" "+second+"\n\t"+s.with("@paths", rest),
			"'%s' is a second matcher", second)
	}
	return args.Advise(d, "name one matcher for both, or "+write(s.with(s.Matcher, rest)), "'%s' is a second matcher", second)
}

// badPath returns the error for a word that was meant as a path.
func (s Short) badPath(d *caddyfile.Dispenser) error {
	word, rest := s.Words[0].Text, s.Words[1:]
	if suffix, isSuffix := strings.CutPrefix(word, "*"); isSuffix {
		name := "@" + strings.TrimLeft(suffix, "./")
		if !isMatcherName(name) {
			name = "@paths"
		}
		return args.Advise(d, "name a matcher for paths by their ends:\n\t"+name+" path "+word+"\n\t"+s.with(name, rest),
			"'%s' is not a path: a path begins with '/'", word)
	}
	return args.Advise(d, write(s.with(rules.MeantPath(word), rest)), "'%s' is not a path: a path begins with '/'", word)
}

// unknown returns the error for an unknown first word.
func (s Short) unknown(d *caddyfile.Dispenser) error {
	at := caddyfile.NewDispenser(s.Words)
	at.Next()
	first := at.Val()
	if name, isVariable := strings.CutPrefix(first, "{env."); isVariable && !s.BlockOnly {
		return args.Advise(d, "write "+s.line(s.Matcher, "{$"+name)+", which has its value when the file is read", "'%s' has no value yet", first)
	}
	lines := NewRuleParser(new(rules.Rule)).meant(at, first)
	if lines == nil {
		lines = args.Corrected(at, "", words.Near(first, slices.Concat(Settings, faults.Kinds(), pointWords, []string{PresetWord})))
	}
	if len(lines) == 0 {
		return args.Advise(d, words.Usage("fault")+"; the kinds of fault are "+strings.Join(faults.Kinds(), ", "), "unexpected argument '%s'", first)
	}
	lines = s.loadable(lines)
	kind, _, _ := strings.Cut(lines[0], " ")
	if s.BlockOnly || !isFault(kind) || strings.Contains(lines[0], "\n") {
		if !isFault(kind) && kind != "trigger" {
			lines = []string{lines[0], "respond 503"}
		}
		inside := strings.Split(strings.Join(lines[:min(len(lines), 2)], "\n"), "\n")
		return args.Advise(d, "did you mean"+block(s.line(s.Matcher, ""), inside...), "unknown word '%s'", first)
	}
	for i, line := range lines {
		lines[i] = s.line(s.Matcher, line)
	}
	return args.Advise(d, words.Suggest(lines), "unknown word '%s'", first)
}
