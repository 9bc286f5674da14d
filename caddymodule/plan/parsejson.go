package plan

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// parseJSON reads a plan that is JSON.
func (p *parser) parseJSON(data []byte, lets map[string]string) (*Plan, error) {
	if len(lets) > 0 {
		return nil, ProblemsError{{File: p.file, Text: "a plan in JSON has no lets, so --let has no effect: leave it out"}}
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var text string
	if err := dec.Decode(p.plan); err != nil {
		text = strings.TrimPrefix(err.Error(), "json: ")
	} else {
		text = p.plan.missing()
	}
	if text != "" {
		return nil, ProblemsError{{File: p.file, Text: text, Write: `{"plan": "smoke", "stage": [{"name": "busy", "duration": "30s"}]}`}}
	}
	p.check()
	return p.plan, p.problems.err()
}

// missing names what only JSON can leave out of a plan, or returns an empty text.
func (p *Plan) missing() string {
	null := hasNull(p.Checks) || hasNull(p.Aborts) || hasNull(p.Runs) || hasNull(p.Stages) || hasNull(p.After) || hasNull(p.Reports)
	for _, s := range p.Stages {
		null = null || hasNull(s.Faults) || hasNull(s.Runs) || hasNull(s.Expects)
	}
	if null {
		return "a list has null: remove it"
	}
	for _, c := range p.Checks {
		if s := c.Seen; s != nil && (s.Point == "" || s.Figure == "" || s.Op == "") {
			return "check '" + cut(c.Name) + "': seen needs a point, a figure and an op"
		}
	}
	for _, s := range p.Stages {
		for _, f := range s.Faults {
			if !bytes.HasPrefix(f.Experiment, []byte("{")) {
				return "fault '" + cut(f.Name) + "' of stage '" + cut(s.Name) + "' has no experiment"
			}
		}
	}
	return ""
}

func hasNull[T any](list []*T) bool { return slices.Contains(list, nil) }
