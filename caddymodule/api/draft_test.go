package api_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// draftOf sends a draft and returns its view.
func draftOf(t *testing.T, n *testnode.Node, draft string) (view api.DraftView) {
	t.Helper()
	w := n.Want(200, "POST", "/draft", draft, `"experiment"`)
	if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	return view
}

// A draft that is refused names its field, and the part of the rule that is wrong.
func TestDraftRefused(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for _, tt := range []struct {
		draft  string
		status int
		field  string
		at     string // the wrong part of the rule
		text   string
	}{
		{`{"rule": "percent 10; explode 3", "points": ["*"]}`, 400, "rule", "explode", "unknown word 'explode'"},
		{`{"rule": "percent 110; close", "points": ["*"]}`, 400, "rule", "110", "bad percent"},
		{`{"rule": "close;  grpc", "points": ["*"]}`, 400, "rule", "grpc", "grpc"},
		{`{"rule": "percent 10\n  delay x\nclose", "points": ["*"]}`, 400, "rule", "x", "'x'"},
		{`{"rule": "respond 503 ` + "`höher`" + `; delay 1s", "points": ["*"]}`, 400, "rule", "delay", "delay"},
		{`{"rule": "", "points": ["*"]}`, 400, "rule", "", "the line is empty"},
		{`{"rule": "observe", "points": ["*"]}`, 400, "rule", "", "follows and observe are about other rules of a point"},
		{`{"rule": "follows gone; close", "points": ["*"]}`, 400, "rule", "", "only possible in the rules of a site"},
		{`{"rule": "match file /x; close"}`, 400, "rule", "", "experiments read no files"},
		{`{"rule": "refuse", "points": ["shop"]}`, 400, "rule", "", "transport"},
		{`{"rule": "close"}`, 400, "points", "", "either match or points is required"},
		{`{"rule": "close", "points": ["a b"]}`, 400, "points", "", "bad name 'a b'"},
		{`{"rule": "close", "points": ["mail"]}`, 404, "points", "", "no injection point 'mail'"},
		{`{"rule": "close", "points": ["*"], "name": "a b"}`, 400, "name", "", "bad name 'a b'"},
		{`{"rule": "close", "points": ["*"], "name": "trigger"}`, 400, "name", "", "reserved for triggers"},
		{`{"rule": "close", "points": ["shop"], "name": "gone"}`, 409, "name", "", "has a rule 'gone'"},
		{`{"rule": "close", "points": ["*"], "ttl": "10 min"}`, 400, "ttl", "", "want a duration"},
		{`{"rule": "close", "points": ["*"], "ttl": "-1s"}`, 400, "ttl", "", "negative"},
		{`{"rules": "close"}`, 400, "", "", "rules"},
		{`{"rule": 1}`, 400, "", "", "rule"},
	} {
		var asked api.DraftRequest
		_ = json.Unmarshal([]byte(tt.draft), &asked) // some cannot be read
		var no api.DraftRefusal
		w := n.Want(tt.status, "POST", "/draft", tt.draft, "")
		if err := json.Unmarshal(w.Body.Bytes(), &no); err != nil {
			t.Fatal(err)
		}
		at := asked.Rule[no.Start:no.End]
		if no.Field != tt.field || at != tt.at && tt.at != "" || !strings.Contains(no.Error, tt.text) {
			t.Errorf("%s: got field %q at %q: %s, want %q at %q: %s", tt.draft, no.Field, at, no.Error, tt.field, tt.at, tt.text)
		}
	}
	if w := n.Do("POST", "/draft", `{"rule": "close", "points": ["shop"]}`); w.Code != 200 {
		t.Errorf("a draft without a name: got %d %s", w.Code, w.Body)
	}
}

// A draft is refused with the words with which its start is refused.
func TestDraftRefusedAsItsStart(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for _, tt := range []struct{ rule, rest, experiment string }{
		{"match file /x; close", "", `{"match": [{"file": {"try_files": ["/x"]}}], "faults": [{"fault": "close"}]}`},
		{"follows gone; close", `, "points": ["*"]`, `{"follows": {"rule": "gone"}, "points": ["*"], "faults": [{"fault": "close"}]}`},
		{"refuse", `, "points": ["*"]`, `{"points": ["*"], "faults": [{"fault": "refuse"}]}`},
		{"close", ``, `{"faults": [{"fault": "close"}]}`},
		{"close", `, "points": ["mial"]`, `{"points": ["mial"], "faults": [{"fault": "close"}]}`},
	} {
		var draft, start struct{ Error string }
		asked := n.Do("POST", "/draft", fmt.Sprintf(`{"rule": %q, "name": "new"%s}`, tt.rule, tt.rest))
		put := n.Do("PUT", "/experiments/new", tt.experiment)
		_, _ = json.Unmarshal(asked.Body.Bytes(), &draft), json.Unmarshal(put.Body.Bytes(), &start)
		if asked.Code != put.Code || draft != start || draft.Error == "" {
			t.Errorf("%s: got %d %q, and at its start %d %q", tt.rule, asked.Code, draft.Error, put.Code, start.Error)
		}
	}
}

// A draft starts nothing, even if it is valid, and it can be checked while faults are
// halted or if its name is in use.
func TestDraftStartsNothing(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Put("slow", testnode.Slow500)
	const draft = `{"rule": "respond 418", "name": "slow", "points": ["shop"], "ttl": "5m", "note": "why"}`
	view := draftOf(t, n, draft)
	if n.Hit("/x") != 200 || len(n.Ctl.Store.List()) != 1 {
		t.Error("a draft has started something")
	}
	var got, want any
	_ = json.Unmarshal([]byte(`{"faults": [{"fault": "respond", "status_code": 418}], "points": ["shop"], "ttl": 300000000000, "note": "why"}`), &want)
	if err := json.Unmarshal(view.Experiment, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %s, want %v", view.Experiment, want)
	}
	n.Put("new", string(view.Experiment))
	n.Want(200, "POST", "/halt", "", "")
	draftOf(t, n, draft)
}

// Without an injection point nothing can be tried.
func TestDraftWithoutPoints(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	if err := n.App.Stop(); err != nil {
		t.Fatal(err)
	}
	n.Want(409, "POST", "/draft", `{"rule": "close", "points": ["*"]}`, "no injection point")
}
