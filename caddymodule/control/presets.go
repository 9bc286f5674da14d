package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

// Preset is a fragment of a rule under a name, for the line `preset <name>`. A rule of a
// Caddyfile has its lines when it is adapted. Triggers with `allow preset`, and lines that
// the API parses, find it while Caddy runs.
type Preset struct {
	// The parameters with their defaults. Default: none.
	Params map[string]string `json:"params,omitempty"`

	// The lines of the fragment as in a Caddyfile. `{preset.<name>}` stands for the value
	// of a parameter. Required.
	Text string `json:"text,omitempty"`
}

// whatOwn is the sentence of each preset of a configuration.
const whatOwn = "A preset of the configuration."

// ownPresets reads the presets of a configuration.
func ownPresets(configured map[string]*Preset) (presets.Set, error) {
	own := make(presets.Set, len(configured))
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		if configured[name] == nil {
			return nil, fmt.Errorf("preset %s is null; remove it, or give it a text", name)
		}
		preset, err := newPreset(name, configured[name])
		if err != nil {
			return nil, err
		}
		if err := own.Add(preset); err != nil {
			return nil, err
		}
	}
	return own, nil
}

// newPreset reads one preset, and checks it as a rule.
func newPreset(name string, configured *Preset) (*presets.Preset, error) {
	var head strings.Builder
	head.WriteString("# " + whatOwn + "\n")
	for _, param := range slices.Sorted(maps.Keys(configured.Params)) {
		value := configured.Params[param]
		if strings.ContainsAny(param+value, " \t\r\n|") {
			return nil, fmt.Errorf("preset %s: bad parameter '%s=%s': want one word without spaces and vertical bars", name, param, value)
		}
		head.WriteString("# param: " + param + "=" + value + "\n")
	}
	preset, err := presets.Parse(name, head.String()+"\n"+configured.Text)
	if err != nil {
		return nil, err
	}
	preset.Own = true
	return preset, grammar.CheckPreset(preset)
}

// OwnPresets returns the presets of the configuration.
func (a *App) OwnPresets() presets.Set { return a.own }

// OwnPresets returns the presets of the current configuration.
func (c *Control) OwnPresets() presets.Set {
	if app := c.Current(); app != nil {
		return app.own
	}
	return nil
}

// PresetsOf returns the presets in the global option fault of a Caddyfile. The adapter has
// the option as JSON. It has been checked.
func PresetsOf(option any) presets.Set {
	adapted, ok := option.(httpcaddyfile.App)
	if !ok {
		return nil
	}
	var app struct {
		Presets map[string]*Preset `json:"presets"`
	}
	if json.Unmarshal(adapted.Value, &app) != nil {
		return nil
	}
	own, _ := ownPresets(app.Presets)
	return own
}

// unmarshalPreset parses the option preset. Syntax:
//
//	preset <name> [<parameter>=<default>...] {
//	    <a line of a rule, see [grammar.RuleParser]>
//	}
func (a *App) unmarshalPreset(d *caddyfile.Dispenser) error {
	at := *d
	text := grammar.TextOfBlock(d)
	words := at
	given := words.RemainingArgs()
	if len(given) == 0 || strings.TrimSpace(text) == "" {
		return args.Missing(&at, "global preset")
	}
	name, preset := given[0], &Preset{Text: text}
	for _, word := range given[1:] {
		param, value, ok := strings.Cut(word, "=")
		switch _, again := preset.Params[param]; {
		case !ok:
			return args.Advise(&at, "write "+word+"=<default>", "parameter '%s' of preset %s has no default", word, name)
		case again:
			return at.Errf("parameter %s of preset %s already specified", param, name)
		}
		if preset.Params == nil {
			preset.Params = make(map[string]string)
		}
		preset.Params[param] = value
	}
	if a.Presets[name] != nil {
		return at.Errf("preset '%s' already specified", name)
	}
	if a.Presets == nil {
		a.Presets = make(map[string]*Preset)
	}
	a.Presets[name] = preset
	if _, err := ownPresets(a.Presets); err != nil {
		return at.WrapErr(err)
	}
	return nil
}
