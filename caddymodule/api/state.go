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

// StateView is the state of all faults.
type StateView struct {
	experiments.State

	// Server is the Caddy that answers.
	Server serverView `json:"server"`

	// DryRun means that the configuration only decides and counts faults, and injects
	// none.
	DryRun bool `json:"dry_run,omitempty"`

	// Exempt has the matchers of the requests that the configuration exempts.
	Exempt caddyhttp.RawMatcherSets `json:"exempt,omitempty"`

	// Active is how many requests are currently hit.
	Active int64 `json:"active"`

	// Share is the state of sharing with other nodes, if the node shares anything.
	Share *experiments.GroupState `json:"share,omitempty"`

	// Next is the query of the next rules, such as `?after=shop/gone`. Empty: there are
	// no more rules.
	Next string `json:"next,omitempty"`

	// Total is the number of rules that `q` finds, on all pages. A point without rules
	// counts as one.
	Total int `json:"total"`

	Points      []pointView      `json:"points"`
	Experiments []ExperimentView `json:"experiments"`
}

// pointView is one injection point of the running configuration.
type pointView struct {
	Point string `json:"point"`
	whereView
	Match    caddyhttp.RawMatcherSets `json:"match,omitempty"`
	Line     string                   `json:"line,omitempty"` // Match in the one-line grammar
	Triggers []triggerView            `json:"triggers,omitempty"`

	// Passed counts the requests that the point itself and its triggers let pass, by
	// reason. A reset does not change it.
	Passed map[string]uint64 `json:"passed,omitempty"`

	Rules []ruleView `json:"rules"`
}

// whereView is where a point is, for people to find it.
type whereView struct {
	// Site is the site of the point, such as `shop.example.com`. Empty: the point is
	// not among the routes, for example in a handler of another module.
	Site string `json:"site,omitempty"`

	// Source is the line of the configuration that has the point, such as
	// `Caddyfile:12`. Empty: the line is unknown.
	Source string `json:"source,omitempty"`
}

// triggerView is one trigger of a point.
type triggerView struct {
	trigger.Trigger

	// Hits is how often the trigger was obeyed, since load or the last reset.
	Hits uint64 `json:"hits"`

	// Refused is how often the trigger was refused, since load or the last reset.
	Refused uint64 `json:"refused"`
}

// ruleView is one rule of a point.
type ruleView struct {
	Name string `json:"name"`
	rules.Stats

	// Passed counts the matching requests that were not hit, by reason. A reset does
	// not change it, unlike the other counts.
	Passed map[string]uint64 `json:"passed"`

	// Line is the rule in the one-line grammar, for display.
	Line string `json:"line"`

	// Rule is the rule as configured.
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
		Server:      newServerView(a.ctl),
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
	view.DryRun, view.Exempt = app.DryRun, app.Exempt()
	found, err := pg.list(app)
	view.Points, view.Next, view.Total = append(view.Points, found.points...), found.next, found.total
	return view, err
}

// newPointView returns the view of a point with the listed rules.
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

// switchRule switches a configured rule off or on. The rule stays so until a reload
// changes it.
func (a *service) switchRule(w http.ResponseWriter, r *http.Request, off bool) error {
	point, name := r.PathValue("point"), r.PathValue("rule")
	if a.ctl.SwitchRule(point, name, actor(r), off) == 0 {
		return a.noRule(point, name)
	}
	return Answer(w, http.StatusOK, switchedRule{point, name, off})
}

// switchedRule is a rule after it was switched.
type switchedRule struct {
	Point string `json:"point"`
	Rule  string `json:"rule"`
	Off   bool   `json:"off"`
}

// reset resets counters.
func (a *service) reset(w http.ResponseWriter, r *http.Request) error {
	point, name, err := ruleParams(r.URL.Query())
	if err != nil {
		return err
	}
	found, live, triggers := a.ctl.FindRules(point, name), a.findExperiments(point, name), a.ctl.FindTriggers(point, name)
	n := len(found) + len(live) + len(triggers)
	if n == 0 && (point != "" || name != "") {
		return a.noRule(point, name)
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

// ResetView is the answer to a reset.
type ResetView struct {
	// Reset is the number of rules, experiments and triggers that were reset.
	Reset int `json:"reset"`
}

// storageNow returns the storage of the running configuration.
func (a *service) storageNow() certmagic.Storage {
	if app := a.ctl.Current(); app != nil {
		return app.Context().Storage()
	}
	return a.storage
}
