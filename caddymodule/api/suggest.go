package api

import (
	"net/http"
	"slices"
	"strings"

	spelling "github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// noExperiment refuses the name of an experiment that does not run, and suggests one
// that does.
func (a *service) noExperiment(r *http.Request) error {
	name := r.PathValue("name")
	return Refuse(http.StatusNotFound, "no experiment '%s'%s", name, suggestion("", name, a.experimentNames("")))
}

// noRule refuses the name of a rule that no point, or not this point, has. It suggests
// the nearest names. An empty name stands for all rules of the point.
func (a *service) noRule(point, name string) error {
	if point != "" && len(a.ctl.FindPoints(point)) == 0 {
		return Refuse(http.StatusNotFound, "no rule%s%s%s", quoted(name), atPoint(point), a.nearPoint("point ", point))
	}
	return Refuse(http.StatusNotFound, "no rule%s%s%s", quoted(name), atPoint(point), suggestion("", name, a.ruleNames(point)))
}

// notCounted refuses the name of a rule that has no hits to verify. It also suggests
// experiments that have ended.
func (a *service) notCounted(point, name string) error {
	known := a.ruleNames(point)
	for _, past := range a.ctl.Store.Past() {
		if point == "" || slices.Contains(past.Points, point) {
			known = append(known, past.Name)
		}
	}
	if near := suggestion("", name, known); near != "" {
		return Refuse(http.StatusNotFound, "no rule%s%s%s", quoted(name), atPoint(point), near)
	}
	return a.noRule(point, name)
}

// quoted returns a name in quotes, after a space.
func quoted(name string) string {
	if name == "" {
		return ""
	}
	return " '" + name + "'"
}

// ruleNames returns the names under which hits at a point are counted. An empty point
// means all points.
func (a *service) ruleNames(point string) []string {
	names := a.experimentNames(point)
	for _, rule := range a.ctl.FindRules(point, "") {
		names = append(names, rule.Name)
	}
	if len(a.ctl.FindTriggers(point, "")) > 0 {
		names = append(names, trigger.RuleName)
	}
	return names
}

// experimentNames returns the names of the running experiments at a point. An empty
// point means all points.
func (a *service) experimentNames(point string) []string {
	all := a.findExperiments(point, "")
	names := make([]string, 0, len(all))
	for _, live := range all {
		names = append(names, live.Name)
	}
	return names
}

// nearPoint suggests a point instead of one that does not exist. The text what comes
// before each name.
func (a *service) nearPoint(what, point string) string {
	return suggestion(what, point, a.ctl.Current().PointNames())
}

// suggestion asks for the known names that are nearest to a name. It returns an empty
// text if none is near.
func suggestion(what, name string, known []string) string {
	near := spelling.Near(name, known)
	if len(near) == 0 || slices.Contains(near, name) {
		return ""
	}
	return "; did you mean " + what + "'" + strings.Join(near, "' or '") + "'?"
}
