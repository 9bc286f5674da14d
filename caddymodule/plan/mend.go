package plan

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// mended returns a line of the file with another word, or a different line if the file
// does not have the word there.
func (p *parser) mended(at place, word, instead, otherwise string) string {
	if at.file != p.file || at.line < 1 || at.line > len(p.lines) {
		return otherwise
	}
	line, _, _ := strings.Cut(strings.TrimSpace(p.lines[at.line-1]), " #")
	fields := strings.Fields(line)
	for i, field := range fields {
		if i > 0 && field == word {
			fields[i] = instead
			return words.Cut(strings.Join(fields, " "), maxMended)
		}
	}
	return otherwise
}

// maxMended is how much of a line is worth copying.
const maxMended = 200

// validNameLike returns a valid name that resembles a word.
func validNameLike(word, kind string) string {
	if validName(word, "") && !validName(word, kind) {
		return word + "_" + kind
	}
	name := strings.Map(func(r rune) rune {
		if validName(string(r), "") {
			return r
		}
		return '-'
	}, cut(word))
	if strings.Trim(name, "-") == "" {
		return "smoke"
	}
	return name
}

// durationLike returns the duration that was probably meant. Most durations without a unit
// are seconds.
func durationLike(word, text string) string {
	if n, err := strconv.Atoi(text); err == nil && n > 0 && word != "ttl" {
		return text + "s"
	}
	return "30s"
}

// valueLike returns the value of a figure that was probably meant, or an empty text.
func valueLike(figure, text string) string {
	n, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil || n <= 0:
		return ""
	case figure == "success" && n <= 100:
		return text + "%"
	case strings.HasPrefix(figure, "p"):
		return text + "ms"
	}
	return ""
}

// opLike returns the comparison that was probably meant, or an empty text.
func opLike(figure, op string) string {
	switch op {
	case "=<", "≤":
		return "<="
	case "=>", "≥":
		return ">="
	case "=", "==":
		if strings.HasPrefix(figure, "p") {
			return "<="
		}
		return ">="
	}
	return ""
}

// verifyLike returns the expectation on a rule that was probably meant.
func verifyLike(given []string) string {
	line := []string{"expect verify", "down", "at_least", "1"}
	if len(given) > 0 {
		line[1] = cut(given[0])
	}
	if len(given) > 1 {
		if near := words.Near(given[1], []string{"at_least", "at_most", "exactly"}); len(near) > 0 {
			line[2] = near[0]
		}
	}
	if len(given) > 2 {
		if n, err := strconv.Atoi(given[2]); err == nil && n >= 0 {
			line[3] = given[2]
		}
	}
	return strings.Join(line, " ")
}

// lexical adds to a problem of Caddy's parser what to write.
func (p *parser) lexical(problem ProblemError) ProblemError {
	if problem.Write == "" && strings.Contains(problem.Text, "after '{' on same line") && problem.Line > 0 && problem.Line <= len(p.lines) {
		before, _, _ := strings.Cut(strings.TrimSpace(p.lines[problem.Line-1]), "{ ")
		problem.Write = words.Cut(before, maxMended) + "{"
		problem.Text += ": a line ends after '{', and '}' has a separate line"
	}
	return problem
}

// balanced checks that each block of the file ends. Caddy's parser accepts a file in which
// the last block does not. For other such files, its error names no block.
func (p *parser) balanced(data []byte) bool {
	tokens, err := caddyfile.Tokenize(data, p.file)
	if err != nil {
		return true // the parser says what is wrong
	}
	var open []int // the lines of the blocks that have not ended
	for _, token := range tokens {
		switch {
		case token.Quoted():
		case token.Text == "{":
			open = append(open, token.Line)
		case token.Text == "}" && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) == 0 {
		return true
	}
	p.wrong(place{p.file, open[len(open)-1]}, "}", "the file ends before the block that begins here: a '}' is missing, here or in a block in it")
	return false
}
