package caddymodule

import (
	"net/http"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// explainTriggers tells for each trigger of the point that r has what would
// become of it, with no draw and no count. It takes out what obey takes out.
func (h *Handler) explainTriggers(r *http.Request) ([]rules.Verdict, error) {
	var verdicts []rules.Verdict
	for _, t := range h.Triggers {
		if !t.source.present(r) {
			continue
		}
		if ok, err := h.Matches(r); !ok || err != nil {
			return nil, err
		}
		v, ok, err := h.explainTrigger(t, r)
		if err != nil {
			return nil, err
		}
		if ok {
			v.Rule, v.Trigger = triggerRule, t.place()
			verdicts = append(verdicts, v)
		}
	}
	return verdicts, nil
}

// place is where the trigger stands, in words.
func (t *Trigger) place() string {
	if t.Source == sourceEnvoy {
		return t.Source
	}
	return t.Source + " " + t.name()
}

func (h *Handler) explainTrigger(t *Trigger, r *http.Request) (v rules.Verdict, ok bool, err error) {
	source, drawn := t.sourceWithoutDraws(r)
	found, ok := source.read(r)
	t.takeOut(r)
	if !ok {
		return v, false, nil
	}
	asked, err := t.understand(found)
	switch {
	case err != nil:
		return rules.Verdict{Gate: "trigger", Why: "refused: " + err.Error()}, true, nil
	case asked.pass:
		return rules.Verdict{Gate: "trigger", Why: "it asks to be left alone: no rule and no experiment is asked", Settles: true}, true, nil
	}
	if v, err = h.ExplainBrought(r, asked.rule); err != nil || !v.Fires {
		return v, true, err
	}
	if drawn {
		v.Gate, v.Why, v.Settles = "percent", "a draw for each part", false
	}
	v.Why = strings.TrimSuffix("it asks for '"+strings.Trim(found.line, "; ")+"'; "+v.Why, "; ")
	return v, true, nil
}

// sourceWithoutDraws is a source for r that reads everything that may come to
// pass, and whether that is for draws to decide: those of Envoy's header fields
// are made while they are read.
func (t *Trigger) sourceWithoutDraws(r *http.Request) (s source, drawn bool) {
	if t.Source != sourceEnvoy {
		return t.source, false
	}
	drawn = percentOf(t.Percent) < 100
	for _, name := range []string{envoyAbortPercent, envoyDelayPercent, envoyThroughputShare} {
		drawn = drawn || len(r.Header[name]) > 0
		delete(r.Header, name)
	}
	return envoySource{percent: 100}, drawn
}
