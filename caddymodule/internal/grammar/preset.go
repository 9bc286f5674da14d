package grammar

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// PresetWord is the word of a rule that stands for the lines of a preset.
const PresetWord = "preset"

// isFault reports whether a word begins a line with faults: it is a kind, or the word
// preset.
func isFault(word string) bool { return word == PresetWord || faults.IsKind(word) }

// brought is a setting that a preset brings.
type brought struct {
	preset string
	line   []caddyfile.Token
	at     caddyfile.Dispenser // at the word preset
}

// parsePreset reads `preset <name> [<parameter>=<value>...]`. d is at the word preset. The
// faults of the preset take its place. Its settings wait for the end of the rule, because
// those of the rule win.
func (p *RuleParser) parsePreset(d *caddyfile.Dispenser) error {
	at := *d
	use, err := p.readPreset(d)
	if err != nil {
		return err
	}
	for _, line := range use.lines {
		word := line[0].Text
		switch {
		case p.settingParser(word) == nil:
			if err := p.ParseFault(caddyfile.NewDispenser(line)); err != nil {
				return at.WrapErr(err)
			}
			if p.fromPreset == nil {
				p.fromPreset = make(map[int]bool)
			}
			p.fromPreset[len(p.Chain.Faults)-1] = true
		case p.untrusted != nil && !slices.Contains(p.untrusted, word):
			return at.Errf("preset %s brings %s, which a trigger cannot have", use.preset.Name, word)
		default:
			p.brought = append(p.brought, brought{use.preset.Name, line, at})
		}
	}
	return nil
}

// Distrust makes the parser refuse what a client may not choose: texts and placeholders as
// values of a preset, and presets that bring settings other than these.
func (p *RuleParser) Distrust(settings []string) { p.untrusted = settings }

// FromPreset reports whether the n-th fault of the chain comes from a preset, and not from
// the line itself.
func (p *RuleParser) FromPreset(n int) bool { return p.fromPreset[n] }

// presetUse is a preset with its values.
type presetUse struct {
	preset *presets.Preset
	lines  [][]caddyfile.Token
}

// ApplyPresets applies the settings of presets that the rule does not have itself. It is
// called after the last line of the rule.
func (p *RuleParser) ApplyPresets() error {
	from := make(map[string]string)
	for i := range p.brought {
		b := &p.brought[i]
		word := b.line[0].Text
		if other, again := from[word]; again {
			return args.Advise(&b.at, "write it in the rule, which then decides, such as "+textOf(b.line), "presets %s and %s both bring %s", other, b.preset, word)
		}
		if _, said := p.seen[word]; said {
			continue
		}
		from[word] = b.preset
		d := caddyfile.NewDispenser(b.line)
		d.Next()
		if err := p.parseSetting(d, word); err != nil {
			return b.at.WrapErr(err)
		}
	}
	p.brought = nil
	return nil
}

// readPreset reads the words after preset. d is at the word preset.
func (p *RuleParser) readPreset(d *caddyfile.Dispenser) (*presetUse, error) {
	at := *d
	given := d.RemainingArgs()
	if len(given) == 0 {
		return nil, args.Missing(&at, PresetWord)
	}
	preset := p.Presets.Find(given[0])
	if preset == nil {
		no := p.Presets.Unknown(given[0])
		if p.untrusted != nil && p.Presets == nil && len(p.Presets.Near(given[0])) == 0 {
			no.Advice += "; for one of the configuration, the trigger needs allow preset"
		}
		return nil, refusePreset(&at, no)
	}
	values, err := preset.Bind(given[1:])
	if err == nil && p.untrusted != nil {
		err = preset.CheckUntrusted(values)
	}
	if err != nil {
		return nil, refusePreset(&at, err)
	}
	lines, err := presetLines(preset, values)
	if err != nil {
		return nil, at.WrapErr(err)
	}
	return &presetUse{preset, lines}, nil
}

// refusePreset returns an error of package presets with its place.
func refusePreset(d *caddyfile.Dispenser, err error) error {
	no, ok := errors.AsType[*presets.Error](err)
	if !ok {
		return d.WrapErr(err)
	}
	return fmt.Errorf("%w: %s", d.Err(no.What), words.Cut(no.Advice, words.MaxAdvice))
}

// presetLines returns the lines of a preset with values in their words. A value stays in
// its word, so it never changes the grammar. The place of an error is the preset and its
// line.
func presetLines(preset *presets.Preset, values presets.Values) ([][]caddyfile.Token, error) {
	tokens, err := caddyfile.Tokenize([]byte(preset.Text), PresetWord+" "+preset.Name)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(tokens, isPresetWord); i >= 0 {
		return nil, fmt.Errorf("preset %s:%d: a preset cannot have a preset within; write its lines", preset.Name, tokens[i].Line)
	}
	segment := caddyfile.Segment(tokens)
	shorthands.ApplyToSegment(&segment)
	var lines [][]caddyfile.Token
	for d := caddyfile.NewDispenser(segment); d.Next(); {
		line := d.NextSegment()
		texts := make([]string, len(line))
		for i := range line {
			line[i].Text = values.Replace(line[i].Text)
			texts[i] = line[i].Text
		}
		switch {
		case line[0].Text == "match":
			return nil, fmt.Errorf("preset %s:%d: a preset has no match; write it in the rule", preset.Name, line[0].Line)
		case !presets.IsNoDelay(texts):
			lines = append(lines, line)
		}
	}
	return lines, nil
}

func isPresetWord(token caddyfile.Token) bool { return token.Text == PresetWord && !token.Quoted() }

// PresetsIn returns the names of the presets in a line.
func PresetsIn(line string) []string {
	var names []string
	statements, _ := Split(line) // ParseLine reports errors
	for _, s := range statements {
		if len(s.Tokens) > 1 && isPresetWord(s.Tokens[0]) {
			names = append(names, s.Tokens[1].Text)
		}
	}
	return names
}

// CheckPreset reads a preset of a configuration as a rule with the defaults of all
// parameters. It is for directives, for transports, or for both.
func CheckPreset(preset *presets.Preset) error {
	err := checkPresetAt(faults.InHandler, preset)
	if err != nil && checkPresetAt(faults.InTransport, preset) == nil {
		return nil
	}
	return err
}

// checkPresetAt is CheckPreset for one place.
func checkPresetAt(place faults.Place, preset *presets.Preset) error {
	values, err := preset.Bind(nil)
	if err != nil {
		return err
	}
	lines, err := presetLines(preset, values)
	if err != nil {
		return err
	}
	p := NewRuleParser(&rules.Rule{Place: place})
	for _, line := range lines {
		d := caddyfile.NewDispenser(line)
		d.Next()
		if err := p.parseLine(d, d.Val()); err != nil {
			return err
		}
	}
	if len(lines) == 0 {
		return fmt.Errorf("preset %s has no fault with its defaults: write one, such as respond 503; a delay of 0s is left out", preset.Name)
	}
	first := caddyfile.NewDispenser(lines[0])
	first.Next()
	return p.finish(first)
}

// PresetInfo says what the text of a preset does.
type PresetInfo struct {
	// Status is the status of its reply, or empty.
	Status string

	// Settings is set if it has settings of a rule. It is then only possible as a line of
	// a rule.
	Settings bool
}

// AboutPreset reads the text of a preset.
func AboutPreset(preset *presets.Preset) PresetInfo {
	var info PresetInfo
	values, err := preset.Bind(nil)
	if err != nil {
		return info
	}
	lines, _ := presetLines(preset, values) // a test, or the load of the configuration, has read it
	for _, line := range lines {
		switch word := line[0].Text; {
		case !faults.IsKind(word):
			info.Settings = true
		case (word == "respond" || word == "error") && len(line) > 1:
			info.Status = line[1].Text[strings.IndexByte(line[1].Text, ':')+1:] // without its family
		case word == "grpc" && len(line) > 1:
			info.Status = line[1].Text
		}
	}
	return info
}
