package command

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func presetsCommand() *cobra.Command {
	return jsonFlag(&cobra.Command{
		Use:   "presets [<name>|<text>] [--json]",
		Short: "List well-known failures of real services, or show one",
		Long: `
A preset has the faults of a well-known failure, such as a rate limit of OpenAI.
Write 'preset <name>' as a line of a rule, in an experiment or in a trigger. The
column PARAMETERS has the parameters of a preset with their defaults.

The argument selects presets by a text in the name or the description. For a full
name, the command prints the lines of the preset, to read and to paste.

If Caddy runs, the list also has the presets of its configuration. If no Caddy
answers, the list has the presets of this binary.`,
		Example: `  caddy fault presets openai
  caddy fault presets anthropic-overloaded
  caddy fault run --point '*' 'percent 10; preset stripe-rate-limit'`,
		Args: oneText,
		RunE: inSession(cmdPresets),
	})
}

func cmdPresets(s *session) error {
	list, err := s.presets()
	if err != nil {
		return err
	}
	if len(s.args) > 0 {
		text := s.args[0]
		if i := slices.IndexFunc(list.Presets, func(p api.PresetView) bool { return p.Name == text }); i >= 0 {
			return s.showPreset(&list.Presets[i])
		}
		found := matchingPresets(list.Presets, text)
		if len(found) == 0 {
			return presets.Set(nil).Unknown(text)
		}
		list.Presets = found
	}
	if s.wantsJSON() {
		return api.Encode(s.OutOrStdout(), list)
	}
	return printPresets(s.OutOrStdout(), list.Presets)
}

// matchingPresets returns the presets with a text in their names or sentences.
func matchingPresets(all []api.PresetView, text string) []api.PresetView {
	text = strings.ToLower(text)
	return slices.DeleteFunc(slices.Clone(all), func(p api.PresetView) bool {
		return !strings.Contains(p.Name, text) && !strings.Contains(strings.ToLower(p.What), text)
	})
}

// presets gets the presets of the running Caddy, or returns those of this binary if no
// Caddy answers.
func (s *session) presets() (*api.PresetList, error) {
	data, err := s.ask(http.MethodGet, "/presets", nil)
	if away, ok := errors.AsType[*unreachableError](err); ok {
		s.hint(fmt.Sprintf("no Caddy answers at %s: the list has the presets of this binary", away.address))
		list := api.NewPresetList(presets.Set(nil).All())
		return &list, nil
	}
	if err != nil {
		return nil, err
	}
	list := new(api.PresetList)
	return list, readAnswer(data, list)
}

func (s *session) showPreset(p *api.PresetView) error {
	if s.wantsJSON() {
		return api.Encode(s.OutOrStdout(), p)
	}
	return writeLines(s.OutOrStdout(), p.Text)
}

func printPresets(out io.Writer, views []api.PresetView) error {
	t := newTable(out, "NAME", "STATUS", "WHAT", "PARAMETERS")
	for _, p := range views {
		params := make([]string, len(p.Params))
		for i, param := range p.Params {
			params[i] = param.Name + "=" + param.Default
		}
		t.row(p.Name, p.Status, p.What, strings.Join(params, " "))
	}
	return t.Flush()
}

// parseRule parses a rule in one line. It gets presets that only the configuration has
// from the running Caddy.
func (s *session) parseRule(line string, matchers []string) (*rules.Rule, error) {
	own := make(presets.Set)
	for _, name := range grammar.PresetsIn(line) {
		if own.Find(name) != nil {
			continue
		}
		data, err := s.ask(http.MethodGet, "/presets/"+url.PathEscape(name), nil)
		if err != nil {
			return nil, err
		}
		var view api.PresetView
		if err := readAnswer(data, &view); err != nil {
			return nil, err
		}
		own[name] = &presets.Preset{Name: name, What: view.What, Params: view.Params, Text: view.Fragment, Own: true}
	}
	return grammar.ParseLineAnywhere(own, line, matchers...)
}
