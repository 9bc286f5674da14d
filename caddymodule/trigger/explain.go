package trigger

import (
	"net/http"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Place is where the trigger stands, in words.
func (t *Trigger) Place() string {
	return strings.TrimSpace(t.Source + " " + t.name())
}

// Explain tells for each trigger of a point that r has what would become of r by
// it, with no draw and no count. It takes out of r what Ask takes out.
func Explain(triggers []*Trigger, r *http.Request, point *rules.Point) []rules.Verdict {
	var verdicts []rules.Verdict
	for _, t := range triggers {
		if !t.MayAsk(r, true) {
			continue
		}
		if point.Excludes(r) {
			return nil
		}
		if v, ok := t.explain(r, point); ok {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// explain tells what would become of r by what it asks a point for, with no draw
// and no count; ok is false if it asks for nothing. It takes out what Ask does.
func (t *Trigger) explain(r *http.Request, point *rules.Point) (v rules.Verdict, ok bool) {
	found, ok, drawn := t.peek(r)
	deleteFields(r, t.hidden)
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
		return rules.Verdict{Gate: "trigger", Why: "it asks to be left alone: no rule and no experiment is asked", Settles: true}
	}
	if v = point.ExplainTriggered(r, asked.Rule); !v.Fires {
		return v
	}
	if drawn {
		v.Gate, v.Why, v.Settles = "percent", "a draw for each part", false
	}
	v.Why = strings.TrimSuffix("it asks for "+shown(found.line)+"; "+v.Why, "; ")
	return v
}

// peek reads everything that may come to pass, and whether draws decide about it.
// It makes none: what one may let happen counts.
func (t *Trigger) peek(r *http.Request) (found trigger, ok, drawn bool) {
	found, ok = t.source.read(r, func(percent float64) bool {
		drawn = drawn || percent > 0 && percent < 100
		return percent > 0
	})
	if ok {
		return found, true, drawn
	}
	found, ok = t.source.read(r, func(float64) bool { return true })
	found.line = "percent 0;" + found.line // as it would say it if it were a line
	return found, ok, false
}

// shown is a line to show, unless there may be a key in it.
func shown(line string) string {
	if MayHoldKey(line) {
		return "a line that is not shown, since a word of 16 bytes or more may be a key"
	}
	return "'" + strings.Trim(line, "; ") + "'"
}
