package api

import (
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

// PresetView is a preset: a fragment of a rule under a name.
type PresetView struct {
	Name string `json:"name"`

	// What says in one sentence what it injects.
	What string `json:"what"`

	// Status is the status of its reply with the defaults. It is missing without one.
	Status string `json:"status,omitempty"`

	// Params are its parameters.
	Params []presets.Param `json:"params"`

	// Line is the line of a rule that uses it.
	Line string `json:"line"`

	// Settings reports whether it has settings of a whole rule, such as percent. It is
	// then a line of a rule, and not of choose or sequence.
	Settings bool `json:"settings"`

	// Own reports whether it comes from the configuration.
	Own bool `json:"own"`

	// Sources are where its facts come from.
	Sources []string `json:"sources"`

	// Modelled says which part is not from a source.
	Modelled string `json:"modelled,omitempty"`

	// Text has the lines that it stands for, with the defaults.
	Text string `json:"text"`

	// Fragment has the same lines with placeholders such as {preset.wait} for the values.
	Fragment string `json:"fragment"`
}

// PresetList is the list of presets.
type PresetList struct {
	Presets []PresetView `json:"presets"`
}

// NewPresetView returns the view of a preset.
func NewPresetView(p *presets.Preset) PresetView {
	about := grammar.AboutPreset(p)
	return PresetView{
		Name: p.Name, What: p.What, Status: about.Status, Params: append([]presets.Param{}, p.Params...), Line: p.Line(),
		Settings: about.Settings, Own: p.Own, Sources: append([]string{}, p.Sources...), Modelled: p.Modelled, Text: p.Show(), Fragment: p.Text,
	}
}

// NewPresetList returns the views of presets.
func NewPresetList(all []*presets.Preset) PresetList {
	list := PresetList{Presets: make([]PresetView, len(all))}
	for i, p := range all {
		list.Presets[i] = NewPresetView(p)
	}
	return list
}

// listPresets lists the presets of the binary and of the configuration.
func (a *service) listPresets(w http.ResponseWriter, _ *http.Request) error {
	return Answer(w, http.StatusOK, NewPresetList(a.ctl.OwnPresets().All()))
}

func (a *service) getPreset(w http.ResponseWriter, r *http.Request) error {
	own, name := a.ctl.OwnPresets(), r.PathValue("name")
	p := own.Find(name)
	if p == nil {
		return Refuse(http.StatusNotFound, "%v", own.Unknown(name))
	}
	return Answer(w, http.StatusOK, NewPresetView(p))
}
