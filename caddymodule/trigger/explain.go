package trigger

import (
	"net/http"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Place describes where the trigger is in a request.
func (t *Trigger) Place() string {
	return strings.TrimSpace(t.Source + " " + t.name())
}

// Explain returns, for each trigger of a point that r has, what would happen to r. It
// draws and counts nothing. It removes from r what Ask removes.
func Explain(triggers []*Trigger, r *http.Request, point *rules.Point) []rules.Verdict {
	var verdicts []rules.Verdict
	for _, t := range triggers {
		if !t.MayAsk(r, true) {
			continue
		}
		if point.Excludes(r) {
			return nil
		}
		v, ok := t.explain(r, point)
		if ok && point.LetsPass(r) {
			v = rules.VerdictOnPreflight()
			v.Rule, v.Trigger = RuleName, t.Place()
		}
		if ok {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// explain returns what would happen to r by its trigger, without a draw and without
// counting. ok is false if r has no trigger. It removes from r what Ask removes.
func (t *Trigger) explain(r *http.Request, point *rules.Point) (v rules.Verdict, ok bool) {
	found, ok, drawn := t.peek(r)
	t.hidden.removeFrom(r)
	if ok {
		v = t.judge(r, point, found, drawn)
		v.Rule, v.Trigger = RuleName, t.Place()
	}
	return v, ok
}

func (t *Trigger) judge(r *http.Request, point *rules.Point, found trigger, drawn bool) (v rules.Verdict) {
	asked, refusal := t.understand(found)
	switch {
	case refusal != nil:
		return rules.Verdict{Gate: "trigger", Why: "refused: " + refusal.String()}
	case asked.Pass:
		return rules.Verdict{Gate: "trigger", Why: "it asks to pass: no rule and no experiment applies", Settles: true}
	}
	if v = point.ExplainTriggered(r, asked.Rule); !v.Fires {
		return v
	}
	if drawn {
		v.Gate, v.Why, v.Settles = "percent", "a separate draw for each part", false
	}
	v.Why = strings.TrimSuffix("it asks for "+shown(found.line)+"; "+v.Why, "; ")
	return v
}

// peek reads everything that may happen, and reports whether draws decide about it. It
// assumes that draws hit.
func (t *Trigger) peek(r *http.Request) (found trigger, ok, drawn bool) {
	found, ok = t.source.read(r, func(percent float64) bool {
		drawn = drawn || percent > 0 && percent < 100
		return percent > 0
	})
	if ok {
		return found, true, drawn
	}
	found, ok = t.source.read(r, func(float64) bool { return true })
	found.line = "percent 0;" + found.line // as if it were a line
	return found, ok, false
}

// shown returns a line that can be shown. A line that may contain a key is hidden.
func shown(line string) string {
	if MayHoldKey(line) {
		return "a line that is not shown because a word of 16 bytes or more may be a key"
	}
	return "'" + strings.Trim(line, "; ") + "'"
}
