package trigger

import (
	"net/http"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Place is where the trigger stands, in words.
func (t *Trigger) Place() string {
	if t.Source == sourceEnvoy {
		return t.Source
	}
	return t.Source + " " + t.name()
}

// Explain tells what would become of r by what it asks a point for, with no draw
// and no count; ok is false if it asks for nothing. It takes out what ask does.
func (t *Trigger) Explain(r *http.Request, point *rules.Point) (v rules.Verdict, ok bool) {
	found, ok, drawn := t.readWithoutDraws(r)
	deleteFields(r, t.hidden)
	if ok {
		v = t.judge(r, point, found, drawn)
		v.Rule, v.Trigger = RuleName, t.Place()
	}
	return v, ok
}

func (t *Trigger) judge(r *http.Request, point *rules.Point, found trigger, drawn bool) (v rules.Verdict) {
	asked, err := t.understand(found)
	switch {
	case err != nil:
		return rules.Verdict{Gate: "trigger", Why: "refused: " + err.Error()}
	case asked.Pass:
		return rules.Verdict{Gate: "trigger", Why: "it asks to be left alone: no rule and no experiment is asked", Settles: true}
	}
	if v = point.ExplainBrought(r, asked.Rule); !v.Fires {
		return v
	}
	if drawn {
		v.Gate, v.Why, v.Settles = "percent", "a draw for each part", false
	}
	v.Why = strings.TrimSuffix("it asks for "+shown(found.line)+"; "+v.Why, "; ")
	return v
}

// shown is a line to show, unless there may be a key in it.
func shown(line string) string {
	if MayHoldKey(line) {
		return "a line that is not shown, since a word of 16 bytes or more may be a key"
	}
	return "'" + strings.Trim(line, "; ") + "'"
}

// readWithoutDraws reads everything that may come to pass, and whether that is
// for draws to decide: those of Envoy's header fields are made while they are read.
func (t *Trigger) readWithoutDraws(r *http.Request) (found trigger, ok, drawn bool) {
	envoy, ok := t.source.(envoySource)
	if !ok {
		found, ok = t.source.read(r)
		return found, ok, false
	}
	envoy.hits = func(percent float64) bool {
		drawn = drawn || percent > 0 && percent < 100
		return percent > 0
	}
	if found, ok = envoy.read(r); ok {
		return found, true, drawn
	}
	envoy.hits = func(float64) bool { return true }
	found, ok = envoy.read(r)
	found.line = "percent 0;" + found.line // as it would say it if it were a line
	return found, ok, false
}
