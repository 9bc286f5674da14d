package importer

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
)

// line is a line of a Caddyfile: words and perhaps a block, a comment, or an empty line.
type line struct {
	words   []string
	block   []line
	comment string
	off     bool          // written as a comment, with its block
	later   func() []line // lines in place of this one, made as they are written
}

// said returns a line of words.
func said(all ...string) line { return line{words: all} }

// comment returns a comment. The text may have parts of a file.
func comment(text string) line { return line{comment: clean(text)} }

// off returns lines as comments.
func off(all []line) []line {
	for i := range all {
		all[i].off = true
	}
	return all
}

// printer writes lines as Caddy formats them.
type printer struct {
	text  strings.Builder
	begun bool // the block, or the text, has a line
	empty bool // an empty line comes before the next one
}

// lines writes lines at an indentation. A part that is commented out has a second one
// after the sign.
func (p *printer) lines(all []line, indent string) {
	for _, l := range all {
		if l.later != nil {
			p.lines(l.later(), indent)
			continue
		}
		here, inner := indent, indent+"\t"
		if l.off && !strings.Contains(indent, "#") {
			here = indent + "# "
			inner = here + "\t"
		}
		switch {
		case l.comment != "":
			p.begin(here)
			p.write("# ", strings.TrimRight(l.comment, " "), "\n")
		case len(l.words) == 0:
			p.empty = p.begun
		default:
			p.begin(here)
			p.words(l.words, here)
			if l.block != nil {
				p.write(" {\n")
				p.begun = false
				p.lines(l.block, inner)
				p.begun, p.empty = true, false
				p.write(here, "}")
			}
			p.write("\n")
		}
	}
}

// begin begins a line.
func (p *printer) begin(indent string) {
	if p.empty {
		p.write("\n")
	}
	p.begun, p.empty = true, false
	p.write(indent)
}

// write writes texts. Grow doubles the size, which WriteString alone does not.
func (p *printer) write(all ...string) {
	for _, s := range all {
		p.text.Grow(len(s))
		p.text.WriteString(s)
	}
}

func (p *printer) words(all []string, indent string) {
	for i, word := range all {
		if i > 0 {
			p.write(" ")
		}
		word = quote(word)
		if strings.Contains(indent, "#") {
			word = strings.ReplaceAll(word, "\n", "\n"+indent)
		}
		p.write(word)
	}
}

// quote returns a word as it is written in a Caddyfile.
func quote(word string) string {
	switch {
	case isPlain(word):
		return word
	case !strings.ContainsAny(word, "`\r"):
		if strings.ContainsAny(word, "\"\\\n") {
			return "`" + word + "`"
		}
		return `"` + word + `"`
	case !strings.HasSuffix(word, `\`) && !strings.Contains(word, `\"`):
		return `"` + strings.ReplaceAll(word, `"`, `\"`) + `"`
	default:
		return heredoc(word)
	}
}

// isPlain reports whether a word needs no quotes.
func isPlain(word string) bool {
	if strings.HasPrefix(word, "{") && onePlaceholder.MatchString(word) {
		return true
	}
	return word != "" && !strings.ContainsAny(word, " \"`{}#\\") && !strings.HasSuffix(word, ";") && !strings.HasPrefix(word, "<<") && word != "import" &&
		strings.IndexFunc(word, func(r rune) bool { return r > 127 || r < ' ' }) < 0
}

var onePlaceholder = regexp.MustCompile(`^\{[a-z][A-Za-z0-9._-]*\}$`)

// heredoc returns a word that has backticks and quotes.
func heredoc(word string) string {
	marker := "END"
	for i := 2; strings.Contains(word, marker); i++ {
		marker = "END" + strconv.Itoa(i)
	}
	return "<<" + marker + "\n" + word + "\n" + marker
}

var shorthands = httpcaddyfile.NewShorthandReplacer()

// survives reports whether a text arrives unchanged if it is a word of a Caddyfile.
// Caddy reads the environment for {$NAME}, and writes out short placeholders.
func survives(word string) bool {
	if strings.Contains(word, "{$") || strings.ContainsAny(word, "\x00\r") {
		return false
	}
	if !strings.Contains(word, "{") {
		return true
	}
	segment := caddyfile.Segment{{Text: word}}
	shorthands.ApplyToSegment(&segment)
	return segment[0].Text == word && !slices.ContainsFunc([]string{"{args", "{block"}, func(s string) bool { return strings.Contains(word, s) })
}
