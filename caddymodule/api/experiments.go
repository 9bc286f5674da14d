package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/jsonpatch"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ExperimentView is a running experiment.
type ExperimentView struct {
	Name     string    `json:"name"`
	Revision string    `json:"revision"`
	Started  time.Time `json:"started"`

	// By is who made the last change, also one of its time: a user, `api`, or `group`
	// for a node of an earlier version.
	By string `json:"by,omitempty"`

	// Ends is when the experiment expires, TimeLeft the number of seconds until then.
	// Both are missing if the experiment has no end.
	Ends     *time.Time `json:"ends,omitempty"`
	TimeLeft float64    `json:"time_left,omitempty"`

	// AppliesTo lists the injection points of the running configuration at which the
	// experiment applies.
	AppliesTo []string `json:"applies_to"`

	// Places lists the same points, with their position in the configuration and the
	// requests that they apply to. Lists of experiments omit it.
	Places []experimentPlace `json:"places,omitempty"`

	rules.Stats

	// Came is how many requests reached the experiment at its points, Matched how many
	// of them it matched. A request that reaches several of the points counts at each.
	Came    uint64 `json:"came"`
	Matched uint64 `json:"matched"`

	// Passed counts the matching requests that were not hit, by reason.
	Passed map[string]uint64 `json:"passed"`

	// Line is the rule in the one-line grammar, for display.
	Line string `json:"line"`

	// Set is the name of the configured set that has started it, if any.
	Set string `json:"set,omitempty"`

	// Experiment is the experiment as it was sent.
	Experiment json.RawMessage `json:"experiment"`
}

// ETag returns the revision as an entity tag (RFC 9110 section 8.8.3).
func (v *ExperimentView) ETag() string { return strconv.Quote(v.Revision) }

func revision(l *experiments.Live) string { return strconv.FormatUint(l.Revision, 10) }

// pastView is an experiment that has ended.
type pastView struct {
	experiments.Past

	// Line is the rule in the one-line grammar, for display.
	Line string `json:"line"`
}

func (a *service) newExperimentView(l *experiments.Live) ExperimentView {
	view := ExperimentView{
		Name:       l.Name,
		Revision:   revision(l),
		Started:    l.Started.UTC(),
		By:         l.By,
		AppliesTo:  a.appliesTo(l),
		Stats:      l.Stats(),
		Passed:     inject.ExperimentPassedCounts(l),
		Line:       grammar.Format(l.JSON),
		Set:        l.Set,
		Experiment: l.JSON,
	}
	view.Came, view.Matched = l.Seen()
	if !l.Ends.IsZero() {
		ends := l.Ends.UTC()
		view.Ends, view.TimeLeft = &ends, time.Until(ends).Round(time.Millisecond).Seconds()
	}
	return view
}

// findExperiments returns the running experiments with this name at this point. An
// empty point or name matches all.
func (a *service) findExperiments(point, name string) []*experiments.Live {
	return slices.DeleteFunc(a.ctl.Store.List(), func(live *experiments.Live) bool {
		return name != "" && live.Name != name || point != "" && !slices.Contains(a.appliesTo(live), point)
	})
}

func (a *service) appliesTo(e interface{ At(experiments.Place) bool }) []string {
	return experiments.AppliesTo(e, a.ctl.Places())
}

func (a *service) listViews() []ExperimentView {
	all := a.ctl.Store.List()
	views := make([]ExperimentView, 0, len(all))
	for _, live := range all {
		views = append(views, a.newExperimentView(live))
	}
	return views
}

// listExperiments lists the running experiments, or with `ended` those that have ended
// within the last hour.
func (a *service) listExperiments(w http.ResponseWriter, r *http.Request) error {
	ended, err := asksForEnded(r)
	if err != nil {
		return err
	}
	if ended {
		past := a.ctl.Store.Past()
		views := make([]pastView, len(past))
		for i, p := range past {
			views[i] = pastView{Past: p, Line: grammar.Format(p.JSON)}
		}
		return Answer(w, http.StatusOK, EndedList{views})
	}
	return Answer(w, http.StatusOK, ExperimentList{a.listViews()})
}

// endedParam is a flag, which needs no value.
const endedParam = "ended"

// asksForEnded reports whether the request sets endedParam.
func asksForEnded(r *http.Request) (bool, error) {
	switch text := r.URL.Query().Get(endedParam); text {
	case "":
		return r.URL.Query().Has(endedParam), nil
	case "true", "false":
		return text == "true", nil
	default:
		return false, Refuse(http.StatusBadRequest, "%s: '%s' is neither true nor false", endedParam, text)
	}
}

// ExperimentList is the list of running experiments.
type ExperimentList struct {
	Experiments []ExperimentView `json:"experiments"`
}

// EndedList is the list of experiments that have ended.
type EndedList struct {
	// Ended begins with the experiment that ended last.
	Ended []pastView `json:"ended"`
}

func (a *service) getExperiment(w http.ResponseWriter, r *http.Request) error {
	live := a.ctl.Store.Get(r.PathValue("name"))
	if live == nil {
		return a.noExperiment(r)
	}
	return a.answerExperiment(w, http.StatusOK, live)
}

func (a *service) answerExperiment(w http.ResponseWriter, status int, live *experiments.Live) error {
	view := a.newExperimentView(live)
	view.Places = a.placesOf(live)
	w.Header().Set("ETag", view.ETag())
	return Answer(w, status, view)
}

// condition returns the condition of If-Match and If-None-Match (RFC 9110 section
// 13.1), or nil if the request has neither. A header field without a tag matches no
// revision.
func condition(r *http.Request) experiments.Condition {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	if match == nil && none == nil {
		return nil
	}
	names := func(lines []string, live *experiments.Live) bool {
		if live == nil {
			return false
		}
		return slices.ContainsFunc(strings.Split(strings.Join(lines, ","), ","), func(tag string) bool {
			tag = strings.TrimSpace(tag)
			return tag == "*" || tag == strconv.Quote(revision(live))
		})
	}
	return func(live *experiments.Live) bool {
		return (match == nil || names(match, live)) && !names(none, live)
	}
}

// putExperiment starts an experiment, or replaces the experiment with its name.
func (a *service) putExperiment(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	return a.begin(w, r, body, "", condition(r))
}

// patchExperiment applies a merge patch (RFC 7396) to an experiment and restarts its
// time. It also restarts the counters, unless the patch changes only the time and the
// note.
func (a *service) patchExperiment(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	stale := a.ctl.CatchUp(r.Context())
	live := a.ctl.Store.Get(r.PathValue("name"))
	switch {
	case live == nil && stale != nil:
		return refuseChange(stale)
	case live == nil:
		return a.noExperiment(r)
	case !json.Valid(body):
		return Refuse(http.StatusBadRequest, "the patch is not valid JSON")
	}
	if strictjson.Unique(body) != nil { // Decode fails as well, with an error that names the field
		return Refuse(http.StatusBadRequest, "the patch: %v", strictjson.Decode(body, new(experiments.Experiment)))
	}
	asked, seen := condition(r), live.Revision
	unchanged := func(now *experiments.Live) bool {
		return now != nil && now.Revision == seen && (asked == nil || asked(now))
	}
	changed := jsonpatch.Merge(live.JSON, body)
	if experiments.Extends(body) {
		return a.extend(w, r, changed, unchanged)
	}
	return a.begin(w, r, changed, live.Set, unchanged)
}

func (a *service) extend(w http.ResponseWriter, r *http.Request, body []byte, when experiments.Condition) error {
	e, err := experiments.Parse(r.PathValue("name"), body)
	if err != nil {
		return Refuse(http.StatusBadRequest, "%v", err)
	}
	e.By = actor(r)
	live, err := a.ctl.Extend(e, body, when)
	if err != nil {
		return a.refuseChangeOf(r, err)
	}
	return a.answerExperiment(w, http.StatusOK, live)
}

// begin starts an experiment. A changed one still belongs to the set that started it.
func (a *service) begin(w http.ResponseWriter, r *http.Request, body []byte, set string, when experiments.Condition) error {
	draft, err := a.newDraft(r, r.PathValue("name"), body)
	if err != nil {
		return err
	}
	started, status, err := a.start(experiments.Batch{Drafts: []experiments.Draft{draft}, Set: set, When: when})
	if err != nil {
		return refuseChange(err)
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", Prefix+"/experiments/"+draft.Name)
	}
	return a.answerExperiment(w, status, started[0])
}

// newDraft reads an experiment that the sender of r starts.
func (a *service) newDraft(r *http.Request, name string, body []byte) (experiments.Draft, error) {
	e, err := experiments.Parse(name, body)
	if err != nil {
		return experiments.Draft{}, Refuse(http.StatusBadRequest, "%v", err)
	}
	e.By = actor(r)
	return experiments.Draft{Experiment: e, JSON: body}, a.checkPlaces(e)
}

// start starts the experiments of a batch together. The status says whether all are new.
func (a *service) start(batch experiments.Batch) (started []*experiments.Live, status int, err error) {
	started, created, err := a.ctl.Start(batch)
	if created < len(started) {
		return started, http.StatusOK, err
	}
	return started, http.StatusCreated, err
}

// checkPlaces requires that the points of an experiment exist, and that none of them
// has a rule with the name of the experiment.
func (a *service) checkPlaces(e *experiments.Experiment) error {
	app := a.ctl.Current()
	if name := app.UnknownPoint(e); name != "" {
		if near := a.nearPoint("", name); near != "" {
			return Refuse(http.StatusNotFound, "no injection point '%s'%s", name, near)
		}
		return Refuse(http.StatusNotFound, "no injection point '%s'; the injection points are: %s", name, app.PointsText())
	}
	if name := app.PointWithRule(e.Name, e); name != "" {
		return Refuse(http.StatusConflict, "the injection point '%s' has a rule '%s'; choose another name", name, e.Name)
	}
	return nil
}

// refuseChange returns the API error for a change that the store refuses.
func refuseChange(err error) error {
	switch {
	case errors.Is(err, experiments.ErrStorage):
		return Refuse(http.StatusServiceUnavailable, "%v", err)
	case errors.Is(err, experiments.ErrHalted), errors.Is(err, experiments.ErrHaltedAgain), errors.Is(err, experiments.ErrFull), errors.Is(err, control.ErrNoPoints):
		return Refuse(http.StatusConflict, "%v", err)
	case errors.Is(err, experiments.ErrModified):
		return Refuse(http.StatusPreconditionFailed, "%v", err)
	default:
		return Refuse(http.StatusBadRequest, "%v", err)
	}
}

// refuseChangeOf is refuseChange for an experiment that may not exist.
func (a *service) refuseChangeOf(r *http.Request, err error) error {
	if errors.Is(err, experiments.ErrUnknown) {
		return a.noExperiment(r)
	}
	return refuseChange(err)
}

func (a *service) deleteExperiment(w http.ResponseWriter, r *http.Request) error {
	if err := a.ctl.Remove(r.PathValue("name"), actor(r), condition(r)); err != nil {
		return a.refuseChangeOf(r, err)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
