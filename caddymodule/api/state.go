package api

import (
	"encoding/json"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/certmagic"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// StateView is everything at a glance.
type StateView struct {
	experiments.State

	// DryRun says that the configuration lets faults be decided and counted only.
	DryRun bool `json:"dry_run,omitempty"`

	// Active is how many requests are hit just now.
	Active int64 `json:"active"`

	// Share tells how the sharing with other nodes goes, if there is any.
	Share *experiments.GroupState `json:"share,omitempty"`

	// Next is the query of the next rules, such as `?after=shop/gone`. Empty: these
	// are the last ones.
	Next string `json:"next,omitempty"`

	Points      []pointView      `json:"points"`
	Experiments []ExperimentView `json:"experiments"`
}

// pointView is one injection point of the running configuration.
type pointView struct {
	Point string `json:"point"`
	whereView
	Match    caddyhttp.RawMatcherSets `json:"match,omitempty"`
	Line     string                   `json:"line,omitempty"` // match, as it is written in a line
	Triggers []triggerView            `json:"triggers,omitempty"`

	// Passed is how many requests the point itself and its triggers let pass, by
	// reason. It is not set back.
	Passed map[string]uint64 `json:"passed,omitempty"`

	Rules []ruleView `json:"rules"`
}

// whereView is where a point stands, for people to find it.
type whereView struct {
	// Site is the site that it stands in, such as `shop.example.com`. Empty: it is
	// not among the routes, as in a handler of another module.
	Site string `json:"site,omitempty"`

	// Source is the line where it is written, such as `Caddyfile:12`. Empty: the
	// configuration does not say.
	Source string `json:"source,omitempty"`
}

// triggerView is one trigger of it.
type triggerView struct {
	trigger.Trigger

	// Hits is how often it was obeyed, since load or since the last reset.
	Hits uint64 `json:"hits"`

	// Refused is how often it was refused, counted as Hits.
	Refused uint64 `json:"refused"`
}

// ruleView is one rule of it.
type ruleView struct {
	Name string `json:"name"`
	rules.Stats

	// Passed is how many matching requests were let pass, by reason. Unlike the
	// other counts it is not set back.
	Passed map[string]uint64 `json:"passed"`

	// Line is the rule in one line of the grammar, to be read.
	Line string `json:"line"`

	// Rule is the rule as it was configured.
	Rule json.RawMessage `json:"rule"`
}

func (a *service) getState(w http.ResponseWriter, r *http.Request) error {
	pg, err := newPage(r.URL.Query())
	if err != nil {
		return err
	}
	view, err := a.newStateView(&pg)
	if err != nil {
		return err
	}
	return Answer(w, http.StatusOK, view)
}

func (a *service) newStateView(pg *page) (view StateView, err error) {
	view = StateView{
		State:       a.ctl.Switch.State(),
		Active:      a.ctl.Active.Load(),
		Points:      []pointView{},
		Experiments: a.listViews(),
	}
	if group := a.ctl.Shared(); group != nil {
		state := group.State()
		view.Share = &state
	}
	app := a.ctl.Current()
	if app == nil {
		return view, nil
	}
	view.DryRun = app.DryRun
	points, next, err := pg.views(app)
	view.Points, view.Next = append(view.Points, points...), next
	return view, err
}

// newPointView shows a point with some of its rules.
func newPointView(app *control.App, p *rules.Point, listed []*rules.Rule) pointView {
	view := pointView{Point: p.Name, whereView: whereView(app.Where(p)), Match: p.Match, Line: matchLine(p), Passed: inject.PointPassedCounts(p), Rules: []ruleView{}}
	for _, t := range app.Triggers(p) {
		shown := triggerView{*t, t.Hits(), t.Refused()}
		if shown.Key != "" {
			shown.Key = "***"
		}
		view.Triggers = append(view.Triggers, shown)
	}
	for _, rule := range listed {
		view.Rules = append(view.Rules, ruleView{Name: rule.Name, Stats: rule.Stats(), Passed: inject.PassedCounts(rule), Line: grammar.Format(rule.Source), Rule: rule.Source})
	}
	return view
}

func (a *service) switchRuleOff(w http.ResponseWriter, r *http.Request) error {
	return a.switchRule(w, r, true)
}

func (a *service) switchRuleOn(w http.ResponseWriter, r *http.Request) error {
	return a.switchRule(w, r, false)
}

// switchRule switches one configured rule off or on, until a reload that changes
// it.
func (a *service) switchRule(w http.ResponseWriter, r *http.Request, off bool) error {
	point, name := r.PathValue("point"), r.PathValue("rule")
	found := a.ctl.FindRules(point, name)
	if len(found) == 0 {
		return Refuse(http.StatusNotFound, "no rule '%s' at an injection point '%s'", name, point)
	}
	for _, rule := range found {
		rule.SwitchOff(off)
	}
	return Answer(w, http.StatusOK, switchedRule{point, name, off})
}

// switchedRule is a rule after it was switched.
type switchedRule struct {
	Point string `json:"point"`
	Rule  string `json:"rule"`
	Off   bool   `json:"off"`
}

// reset sets counters back to the start.
func (a *service) reset(w http.ResponseWriter, r *http.Request) error {
	point, name, err := ruleParams(r.URL.Query())
	if err != nil {
		return err
	}
	found, live, triggers := a.ctl.FindRules(point, name), a.findExperiments(point, name), a.ctl.FindTriggers(point, name)
	n := len(found) + len(live) + len(triggers)
	switch {
	case n > 0 || point == "" && name == "":
	case name == "":
		return Refuse(http.StatusNotFound, "no rule%s", atPoint(point))
	default:
		return Refuse(http.StatusNotFound, "no rule '%s'%s", name, atPoint(point))
	}
	if name == "" {
		for _, p := range a.ctl.FindPoints(point) {
			p.Reset()
		}
	}
	for _, rule := range found {
		rule.Reset()
	}
	for _, experiment := range live {
		experiment.Reset()
	}
	for _, t := range triggers {
		t.Reset()
	}
	a.ctl.Counts.Send()
	return Answer(w, http.StatusOK, ResetView{n})
}

// ResetView is what was set back.
type ResetView struct {
	// Reset is how many rules, experiments and triggers.
	Reset int `json:"reset"`
}

// storageNow is the storage of the running configuration.
func (a *service) storageNow() certmagic.Storage {
	if app := a.ctl.Current(); app != nil {
		return app.Context().Storage()
	}
	return a.storage
}
