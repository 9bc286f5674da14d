package experiments

import (
	"encoding/json"
	"testing"
)

// The actor of a turn is the user, or else the part of Caddy.
func TestActorOfState(t *testing.T) {
	for _, tt := range []struct {
		state State
		want  string
	}{
		{State{}, ""},
		{State{Why: "api"}, "api"},
		{State{Why: "halt_when", Note: "more than 50"}, "halt_when"},
		{State{Why: "api", By: "ada"}, "ada"},
	} {
		if got := tt.state.Actor(); got != tt.want {
			t.Errorf("%+v: got %q, want %q", tt.state, got, tt.want)
		}
	}
}

// A halt counts whatever its texts are, and each text counts without the others.
func TestParseStateTexts(t *testing.T) {
	for _, tt := range []struct {
		data          string
		why, by, note string
	}{
		{`{"halted": true}`, "", "", ""},
		{`{"halted": true, "why": "api", "by": "ada", "note": "real"}`, "api", "ada", "real"},
		{`{"halted": true, "why": "api", "by": 7, "note": ["real"]}`, "api", "", ""},
		{`{"halted": true, "why": {}, "by": "ada", "note": null}`, "", "ada", ""},
		{`{"halted": true, "by": true, "note": "real"}`, "", "", "real"},
	} {
		state, err := ParseState([]byte(tt.data))
		if err != nil || !state.Halted || state.Why != tt.why || state.By != tt.by || state.Note != tt.note {
			t.Errorf("%s: got %+v and error %v", tt.data, state, err)
		}
	}
}

// A record of a node of an earlier version has no author.
func TestAuthorOfRecord(t *testing.T) {
	for _, tt := range []struct{ data, want string }{
		{`{"experiment": {"points": ["a"], "faults": [{"fault": "close"}]}, "revision": 1, "by": "ada"}`, "ada"},
		{`{"experiment": {"points": ["a"], "faults": [{"fault": "close"}]}, "revision": 1}`, "group"},
	} {
		var rec record
		if err := json.Unmarshal([]byte(tt.data), &rec); err != nil || rec.err != nil {
			t.Fatalf("%s: %v, %v", tt.data, err, rec.err)
		}
		e, err := rec.parse("x")
		if err != nil || e.By != tt.want {
			t.Errorf("%s: got %+v and error %v, want by %s", tt.data, e, err, tt.want)
		}
	}
	rec := record{Experiment: []byte(`{"faults": 7}`)}
	if e, err := rec.parse("x"); err == nil {
		t.Errorf("got %+v, want an error", e)
	}
}

// An extension replaces the author in the record of the group.
func TestAuthorOfExtension(t *testing.T) {
	rec := record{raw: []byte(`{"experiment": {}, "revision": 1, "by": "ada", "future": 1}`)}
	live := &Live{Experiment: &Experiment{By: "eve"}, JSON: []byte(`{}`), Revision: 2}
	data, err := json.Marshal(rec.extended(live))
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil || fields["by"] != "eve" || fields["future"] != 1.0 {
		t.Errorf("got %s and error %v, want by eve, and the field of a newer version", data, err)
	}
	live.By = ""
	if data, err = json.Marshal(rec.extended(live)); err != nil {
		t.Fatal(err)
	}
	clear(fields)
	if err := json.Unmarshal(data, &fields); err != nil || fields["by"] != nil {
		t.Errorf("got %s and error %v, want no author", data, err)
	}
}
