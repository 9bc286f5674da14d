package grammar

import (
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// Presets in the blocks of kinds. The kinds do not know presets, so the lines are put
// there before they read their blocks.

// nesting are the kinds whose lines can be faults.
var nesting = []string{"choose", "sequence"}

// withPresets returns a fault with the presets in its block replaced by their lines. d
// must have the tokens of the fault only.
func (p *RuleParser) withPresets(d *caddyfile.Dispenser) (*caddyfile.Dispenser, error) {
	at := *d
	at.Next()
	kind := at.Val()
	if !slices.Contains(nesting, kind) {
		return d, nil
	}
	tokens := at.NextSegment()
	if !slices.ContainsFunc(tokens, isPresetWord) {
		return d, nil
	}
	var replaced []caddyfile.Token
	for i := 0; i < len(tokens); {
		if !beginsPreset(tokens, i) {
			replaced = append(replaced, tokens[i])
			i++
			continue
		}
		end := i + 1
		for end < len(tokens) && sameLine(tokens[end-1], tokens[end]) && tokens[end].Text != "}" {
			end++
		}
		lines, err := p.nestedPreset(tokens[i:end], ownerOf(tokens[:i]) == "sequence", !firstInLine(tokens, i))
		if err != nil {
			return nil, err
		}
		replaced = appendLines(replaced, lines)
		i = end
	}
	return caddyfile.NewDispenser(replaced), nil
}

// beginsPreset reports whether the n-th token is the word preset where a line, or a fault
// after a weight, begins.
func beginsPreset(tokens []caddyfile.Token, n int) bool {
	return isPresetWord(tokens[n]) && (firstInLine(tokens, n) || isDecimal(tokens[n-1].Text) && firstInLine(tokens, n-1))
}

// firstInLine reports whether the n-th token is the first one in its line.
func firstInLine(tokens []caddyfile.Token, n int) bool {
	return n == 0 || !sameLine(tokens[n-1], tokens[n])
}

// appendLines appends whole lines. Lines of the same preset as the last token, which have
// the same numbers, come after it.
func appendLines(tokens, lines []caddyfile.Token) []caddyfile.Token {
	if len(tokens) > 0 && len(lines) > 0 && sameLine(tokens[len(tokens)-1], lines[0]) && lines[0].Text != "{" {
		last := tokens[len(tokens)-1]
		shift := last.Line + last.NumLineBreaks() + 1 - lines[0].Line
		for i := range lines {
			lines[i].Line += shift
		}
	}
	return append(tokens, lines...)
}

// ownerOf returns the kind whose block is open after some tokens, or step, or a weight.
func ownerOf(before []caddyfile.Token) string {
	var owners []string
	for i, token := range before {
		switch {
		case token.Quoted():
		case token.Text == "{":
			owners = append(owners, headOf(before[:i]))
		case token.Text == "}" && len(owners) > 0:
			owners = owners[:len(owners)-1]
		}
	}
	if len(owners) == 0 {
		return ""
	}
	return owners[len(owners)-1]
}

// headOf returns the first word of the last line. A weight before a kind does not count.
func headOf(tokens []caddyfile.Token) string {
	first := len(tokens) - 1
	for first > 0 && sameLine(tokens[first-1], tokens[first]) {
		first--
	}
	if first+1 < len(tokens) && isDecimal(tokens[first].Text) {
		first++
	}
	return tokens[first].Text
}

// nestedPreset returns the tokens in place of a preset within a fault: a step, the block
// of a weight, or lines in such a block.
func (p *RuleParser) nestedPreset(words []caddyfile.Token, step, weighted bool) ([]caddyfile.Token, error) {
	d := caddyfile.NewDispenser(words)
	d.Next()
	at := *d
	use, err := p.readPreset(d)
	if err != nil {
		return nil, err
	}
	word := func(text string) caddyfile.Token {
		token := words[0].Clone()
		token.Text = text
		return token
	}
	var tokens []caddyfile.Token
	if step {
		tokens = append(tokens, word("step"))
	}
	if step || weighted {
		tokens = append(tokens, word("{"))
	}
	for _, line := range use.lines {
		if p.settingParser(line[0].Text) != nil {
			return nil, args.Advise(&at, "write the preset as a line of the rule", "preset %s brings %s, which is a setting of a whole rule", use.preset.Name, line[0].Text)
		}
		tokens = append(tokens, line...)
	}
	if step || weighted {
		tokens = append(tokens, word("}"))
	}
	return tokens, nil
}

// sameLine reports whether a token is in the line of the token before it. The lines of an
// import may have any numbers, so Caddy decides.
func sameLine(before, token caddyfile.Token) bool {
	d := caddyfile.NewDispenser([]caddyfile.Token{before, token})
	d.Next()
	return !d.NextLine()
}
