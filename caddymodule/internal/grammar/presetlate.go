package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Presets of the configuration in a transport. Caddy's adapter does not tell a transport
// about the global options. The transport therefore keeps its rules as text, and reads
// them when the configuration loads.

// StandIns returns a preset for each unknown name in the block that follows, so that the
// rest of the block can be checked. A name that no preset can have stays unknown.
func StandIns(d *caddyfile.Dispenser) presets.Set {
	at := *d
	tokens := at.NextSegment()
	found := make(presets.Set)
	for i := range tokens {
		if !beginsPreset(tokens, i) {
			continue
		}
		var given []string
		for next := i + 1; next < len(tokens) && sameLine(tokens[next-1], tokens[next]); next++ {
			given = append(given, tokens[next].Text)
		}
		if len(given) > 0 {
			standIn(found, given[0], given[1:])
		}
	}
	return found
}

// standIn adds a preset with a name, unless it is known, and parameters for the arguments.
func standIn(found presets.Set, name string, given []string) {
	p := found.Find(name)
	if p == nil {
		var err error
		if p, err = presets.Parse(name, "# It is defined elsewhere.\ndelay 1ms"); err != nil {
			return
		}
		p.Own, found[name] = true, p
	}
	for _, word := range given {
		if param, _, ok := strings.Cut(word, "="); ok && p.Own && p.Param(param) == nil {
			p.Params = append(p.Params, presets.Param{Name: param, Default: "text"})
		}
	}
}

// LinesOfRules returns the lines of the rules in the block that follows, without the
// options of the point and the lines that begin with one of the words.
func LinesOfRules(d *caddyfile.Dispenser, without ...string) string {
	at := *d
	var text strings.Builder
	for nesting := at.Nesting(); at.NextBlock(nesting); {
		word := at.Val()
		line := at.NextSegment()
		if word == "rule" || !slices.Contains(pointWords, word) && !slices.Contains(without, word) {
			text.WriteString(textOfTokens(line))
		}
	}
	return text.String()
}

// ParseRules parses lines of rules, as in the block of a point. The place is where their
// faults run. An error has the line.
func ParseRules(text string, place faults.Place, own presets.Set) ([]*rules.Rule, error) {
	tokens, err := tokensOf(text)
	if err != nil {
		return nil, inLine(text, err)
	}
	d := caddyfile.NewDispenser(tokens)
	if err := CheckTokens(d); err != nil {
		return nil, inLine(text, inText(text, err))
	}
	d.Next() // consume the name of the block
	point := &rules.Point{Place: place}
	p := PointParser{
		Dispenser: d, Point: point, Presets: own,
		MatcherToken: func() (caddy.ModuleMap, bool, error) { return MatcherToken(d) },
	}
	if err := p.ParseBlock(*d); err != nil {
		return nil, inLine(text, inText(text, err))
	}
	if len(point.Rules) == 0 {
		return nil, errors.New("lines: there is no rule; remove the field, or write a fault such as respond 503")
	}
	return point.Rules, nil
}

// inLine returns an error of a text with the line that it is about.
func inLine(text string, err error) error {
	at, ok := errors.AsType[*LineError](err)
	if !ok {
		return fmt.Errorf("lines: %w", err)
	}
	return fmt.Errorf("lines: in '%s': %w", words.Cut(strings.TrimSpace(text[at.Start:at.End]), words.MaxAdvice), at.err)
}
