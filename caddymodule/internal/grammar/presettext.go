package grammar

import (
	"slices"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// TextOfBlock returns the lines of a block as text, as the text of a preset. d is at the
// word before the block, and the words in its line are not part of the text.
func TextOfBlock(d *caddyfile.Dispenser) string {
	tokens := d.NextSegment()
	begin := slices.IndexFunc(tokens, func(t caddyfile.Token) bool { return t.Text == "{" && !t.Quoted() })
	if begin < 0 {
		return ""
	}
	return textOfTokens(tokens[begin+1 : len(tokens)-1])
}

// textOfTokens returns tokens as lines of a Caddyfile.
func textOfTokens(tokens []caddyfile.Token) string {
	var text strings.Builder
	depth := 0
	var before caddyfile.Token
	for i, token := range tokens {
		if token.Text == "}" && !token.Quoted() {
			depth--
		}
		switch {
		case i == 0:
		case sameLine(before, token):
			text.WriteByte(' ')
		default:
			text.WriteString("\n" + strings.Repeat("\t", depth))
		}
		text.WriteString(wordOf(token))
		if token.Text == "{" && !token.Quoted() {
			depth++
		}
		before = token
	}
	return text.String() + "\n"
}

// wordOf returns a token as it is written. A quoted text may have several lines. The
// argument of an import may be any text without quotes.
func wordOf(token caddyfile.Token) string {
	switch {
	case !token.Quoted() && isBare(token.Text):
		return token.Text
	case !strings.Contains(token.Text, "`"):
		return "`" + token.Text + "`"
	default:
		return `"` + strings.ReplaceAll(token.Text, `"`, `\"`) + `"` // a lone backslash is literal
	}
}

// isBare reports whether Caddy's lexer reads a text as one word.
func isBare(text string) bool {
	return text != "" && !strings.ContainsFunc(text, unicode.IsSpace) && !strings.ContainsAny(text[:1], "\"`#") && !strings.HasPrefix(text, "<<")
}
