package control

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Set is experiments that start together, by the name of the set. A reload that changes
// or removes the set does not affect the experiments that it has started.
type Set struct {
	// The experiments by name. Required.
	Experiments map[string]*experiments.Experiment `json:"experiments,omitempty"`

	// Place of the set in the configuration, for people, such as `Caddyfile:12`. The
	// Caddyfile adapter writes it. Default: unknown.
	Source string `json:"source,omitempty"`
}

// Names returns the names of the experiments, sorted.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.Experiments)) }

// JSON returns an experiment of the set as the API accepts it.
func (s *Set) JSON(name string) (json.RawMessage, error) { return json.Marshal(s.Experiments[name]) }

// FindSet returns a set of the running configuration, or nil.
func (c *Control) FindSet(name string) *Set {
	if app := c.Current(); app != nil {
		return app.Sets[name]
	}
	return nil
}

// Sets returns the names of the sets of the running configuration, sorted.
func (c *Control) Sets() []string {
	if app := c.Current(); app != nil {
		return slices.Sorted(maps.Keys(app.Sets))
	}
	return nil
}

// UnknownSet returns the error for a set that the running configuration does not have.
func (c *Control) UnknownSet(name string) error {
	names := c.Sets()
	text := fmt.Sprintf("no set '%s'", words.Cut(name, words.MaxWord))
	near := words.Near(name, names)
	switch {
	case len(near) > 0:
		return fmt.Errorf("%s: did you mean '%s'?", text, near[0])
	case len(names) > 0:
		return fmt.Errorf("%s; the sets are: %s", text, experiments.Names(names))
	default:
		return fmt.Errorf("%s; the configuration has no sets: add 'set %s { ... }' to the global option fault", text, words.Cut(name, words.MaxWord))
	}
}

// checkSets checks what can be checked without loading the experiments.
func (a *App) checkSets() error {
	for _, name := range slices.Sorted(maps.Keys(a.Sets)) {
		if err := a.eachOf(name, a.checkOfSet); err != nil {
			return err
		}
	}
	return nil
}

// loadSets loads each experiment as at its start, and unloads it.
func (a *App) loadSets(ctx caddy.Context) error {
	for _, name := range slices.Sorted(maps.Keys(a.Sets)) {
		err := a.eachOf(name, func(e *experiments.Experiment, data []byte) error { return tryLoad(ctx, e, data) })
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOf checks a set, and calls check with each of its experiments and its JSON. The
// error has the place in the configuration.
func (a *App) eachOf(name string, check func(e *experiments.Experiment, data []byte) error) error {
	set := a.Sets[name]
	where := fmt.Sprintf("set '%s'", words.Cut(name, words.MaxWord))
	if set == nil {
		return fmt.Errorf("%s: null is not a set", where)
	}
	err := rules.ValidName(name)
	if err == nil {
		err = rules.ValidSource(set.Source)
	}
	if err == nil && set.Source != "" {
		where += ", at " + set.Source
	}
	if err == nil {
		err = set.check(check)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

func (s *Set) check(check func(e *experiments.Experiment, data []byte) error) error {
	switch n := len(s.Experiments); {
	case n == 0:
		return errors.New("at least one experiment is required")
	case n > experiments.MaxExperiments:
		return fmt.Errorf("it has %d experiments, more than %d", n, experiments.MaxExperiments)
	}
	for _, name := range s.Names() {
		data, err := s.JSON(name)
		var e *experiments.Experiment
		if err == nil {
			e, err = experiments.Parse(name, data)
		}
		if err == nil {
			err = check(e, data)
		}
		if err != nil {
			return fmt.Errorf("experiment '%s': %w", words.Cut(name, words.MaxWord), err)
		}
	}
	return nil
}

// checkOfSet checks an experiment beyond [experiments.Parse].
func (a *App) checkOfSet(e *experiments.Experiment, _ []byte) error {
	if err := rules.CheckGuest(&e.Rule); err != nil {
		return err
	}
	return experiments.CheckMatchers(e.MatcherSetsRaw, a.ExperimentMatchers)
}

// tryLoad loads and unloads an experiment of a configuration. Whether its points are
// transports is only known once all sites are loaded, so either is enough.
func tryLoad(ctx caddy.Context, e *experiments.Experiment, data []byte) error {
	err := loadAt(ctx, e, faults.InHandler)
	if err == nil || len(e.Points) == 0 || slices.Contains(e.Points, experiments.Everywhere) {
		return err
	}
	again, other := experiments.Parse(e.Name, data) // loading changes it
	if other == nil {
		other = loadAt(ctx, again, faults.InTransport)
	}
	if other == nil {
		return nil
	}
	return err
}

func loadAt(parent caddy.Context, e *experiments.Experiment, place faults.Place) (err error) {
	ctx, cancel := caddy.NewContext(parent)
	defer cancel()
	defer func() {
		if panicked := recover(); panicked != nil { // see loadExperiment
			err = fmt.Errorf("a module panicked while loading: %v", panicked)
		}
	}()
	e.Place = place
	return rules.LoadGuest(ctx, &e.Rule, e.Draws)
}

// warnOfSets warns of sets that cannot start in this configuration. It needs all
// points. A set may still be for another node with the same global options.
func (a *App) warnOfSets() {
	for _, name := range slices.Sorted(maps.Keys(a.Sets)) {
		set := a.Sets[name]
		for _, each := range set.Names() {
			e := set.Experiments[each]
			text := ""
			if point := a.UnknownPoint(e); point != "" {
				text = fmt.Sprintf("the injection point '%s' does not exist; the injection points are: %s", point, a.PointsText())
			} else if point := a.PointWithRule(each, e); point != "" {
				text = fmt.Sprintf("the injection point '%s' has a rule '%s'; choose another name", point, each)
			}
			if text != "" {
				hint.Write(a.logger, set.Source, fmt.Sprintf("experiment '%s' of set '%s' cannot start: %s", each, name, text))
			}
		}
	}
}

// UnknownPoint returns the first point of an experiment that the configuration does not
// have, or "".
func (a *App) UnknownPoint(e *experiments.Experiment) string {
	for _, name := range e.Points {
		if name != experiments.Everywhere && len(a.find(name)) == 0 {
			return name
		}
	}
	return ""
}

// PointWithRule returns the first point of an experiment that has a rule with the name
// of the experiment, or "". Counters and the journal could not tell the two apart.
func (a *App) PointWithRule(name string, e *experiments.Experiment) string {
	for _, point := range a.find("") {
		isRule := func(rule *rules.Rule) bool { return rule.Name == name }
		if e.At(experiments.PlaceOf(point)) && slices.ContainsFunc(point.Rules, isRule) {
			return point.Name
		}
	}
	return ""
}

// PointNames returns the names of the points, in the order of the configuration. A nil app
// has none.
func (a *App) PointNames() (names []string) {
	for _, point := range a.find("") {
		if !slices.Contains(names, point.Name) {
			names = append(names, point.Name)
		}
	}
	return names
}

// PointsText lists the names of the points, for errors.
func (a *App) PointsText() string { return cmp.Or(strings.Join(a.PointNames(), ", "), "none") }
