package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// explainTriggers tells for each trigger of the point that r has what would
// become of it, with no draw and no count. It takes out what ask takes out.
func (h *Handler) explainTriggers(r *http.Request) []rules.Verdict {
	var verdicts []rules.Verdict
	for _, t := range h.Triggers {
		if !t.source.present(r) {
			continue
		}
		if h.Excludes(r) {
			return nil
		}
		if v, ok := h.explainTrigger(t, r); ok {
			v.Rule, v.Trigger = triggerRule, t.place()
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// place is where the trigger stands, in words.
func (t *Trigger) place() string {
	if t.Source == sourceEnvoy {
		return t.Source
	}
	return t.Source + " " + t.name()
}

func (h *Handler) explainTrigger(t *Trigger, r *http.Request) (v rules.Verdict, ok bool) {
	found, ok, drawn := t.readWithoutDraws(r)
	deleteFields(r, t.hidden)
	if !ok {
		return v, false
	}
	asked, err := t.understand(found)
	switch {
	case err != nil:
		return rules.Verdict{Gate: "trigger", Why: "refused: " + err.Error()}, true
	case asked.pass:
		return rules.Verdict{Gate: "trigger", Why: "it asks to be left alone: no rule and no experiment is asked", Settles: true}, true
	}
	if v = h.ExplainBrought(r, asked.rule); !v.Fires {
		return v, true
	}
	if drawn {
		v.Gate, v.Why, v.Settles = "percent", "a draw for each part", false
	}
	v.Why = strings.TrimSuffix("it asks for "+shown(found.line)+"; "+v.Why, "; ")
	return v, true
}

// shown is a line to show, unless there may be a key in it.
func shown(line string) string {
	if mayHoldKey(line) {
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
