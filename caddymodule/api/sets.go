package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// SetView is a set of experiments that start together.
type SetView struct {
	Name string `json:"name"`

	// Source is the line of the configuration that has the set, such as `Caddyfile:4`.
	// Empty: the line is unknown.
	Source string `json:"source,omitempty"`

	// Experiments lists the experiments that the set starts. It is empty if the running
	// configuration no longer has the set.
	Experiments []setExperiment `json:"experiments"`

	// Running lists the names of the running experiments that the set has started.
	Running []string `json:"running"`
}

// setExperiment is an experiment of a set.
type setExperiment struct {
	Name string `json:"name"`

	// Line is the rule in the one-line grammar, for display.
	Line string `json:"line"`

	// Experiment is the experiment as configured.
	Experiment json.RawMessage `json:"experiment"`
}

// SetList is the list of sets.
type SetList struct {
	Sets []SetView `json:"sets"`
}

// SetEnded is the answer to the end of a set.
type SetEnded struct {
	// Ended lists the names of the experiments that have ended.
	Ended []string `json:"ended"`
}

// SetStart is how to start a set.
type SetStart struct {
	// TTL is how long the experiments last, instead of the ttl of each.
	TTL *caddy.Duration `json:"ttl,omitempty"`

	// Note is the note of all experiments, instead of the note of each.
	Note string `json:"note,omitempty"`
}

// listSets lists the sets of the configuration, and those of an earlier configuration
// whose experiments still run.
func (a *service) listSets(w http.ResponseWriter, _ *http.Request) error {
	running := make(map[string][]string)
	names := a.ctl.Sets()
	for _, live := range a.ctl.Store.List() {
		if live.Set != "" {
			running[live.Set] = append(running[live.Set], live.Name)
			names = append(names, live.Set)
		}
	}
	slices.Sort(names)
	views := []SetView{}
	for _, name := range slices.Compact(names) {
		view, err := a.newSetView(name, running[name])
		if err != nil {
			return err
		}
		views = append(views, view)
	}
	return Answer(w, http.StatusOK, SetList{views})
}

func (a *service) newSetView(name string, running []string) (SetView, error) {
	view := SetView{Name: name, Experiments: []setExperiment{}, Running: append([]string{}, running...)}
	set := a.ctl.FindSet(name)
	if set == nil {
		return view, nil
	}
	view.Source = set.Source
	for _, each := range set.Names() {
		data, err := set.JSON(each)
		if err != nil {
			return view, err
		}
		view.Experiments = append(view.Experiments, setExperiment{Name: each, Line: grammar.Format(data), Experiment: data})
	}
	return view, nil
}

// startSet starts the experiments of a set, or none of them. The body may be empty.
func (a *service) startSet(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	var how SetStart
	if len(body) > 0 {
		if err := strictjson.Decode(body, &how); err != nil {
			return Refuse(http.StatusBadRequest, "%v", err)
		}
	}
	name := r.PathValue("name")
	set := a.ctl.FindSet(name)
	if set == nil {
		return Refuse(http.StatusNotFound, "%v", a.ctl.UnknownSet(name))
	}
	bodies := make(map[string]json.RawMessage)
	for each, configured := range set.Experiments {
		e := *configured
		if how.TTL != nil {
			e.TTL = how.TTL
		}
		if how.Note != "" {
			e.Note = how.Note
		}
		if bodies[each], err = json.Marshal(&e); err != nil {
			return err
		}
	}
	return a.beginAll(w, r, bodies, name)
}

// endSet ends the experiments that a set has started, also if the configuration no
// longer has the set.
func (a *service) endSet(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	ended, err := a.ctl.RemoveSet(name, actor(r))
	switch {
	case errors.Is(err, experiments.ErrUnknown) && a.ctl.FindSet(name) == nil:
		return Refuse(http.StatusNotFound, "%v", a.ctl.UnknownSet(name))
	case errors.Is(err, experiments.ErrUnknown):
		return Refuse(http.StatusNotFound, "no experiment of set '%s' is on", name)
	case err != nil:
		return refuseChange(err)
	}
	return Answer(w, http.StatusOK, SetEnded{ended})
}
