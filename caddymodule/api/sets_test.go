package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// closing is the body of an experiment with these settings.
func closing(settings string) string {
	return `{` + settings + `"points": ["*"], "faults": [{"fault": "close"}]}`
}

// names returns the names of the experiments that are on.
func names(n *testnode.Node) []string {
	all := []string{}
	for _, live := range n.Ctl.Store.List() {
		all = append(all, live.Name)
	}
	return all
}

func wantNames(t *testing.T, n *testnode.Node, want ...string) {
	t.Helper()
	if got := names(n); !slices.Equal(got, want) {
		t.Errorf("on are %q, want %q", got, want)
	}
}

func TestPutExperiments(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	w := n.Want(201, "PUT", "/experiments", `{"b": `+closing(`"ttl": "1h", "note": "why", `)+`, "a": `+testnode.Slow500+`}`, `"note": "why"`)
	var list api.ExperimentList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Experiments) != 2 || list.Experiments[0].Name != "a" {
		t.Fatalf("got %s, %v, want both, sorted", w.Body, err)
	}
	tag := w.Header().Get("ETag")
	for _, view := range list.Experiments {
		if view.ETag() != tag || view.Set != "" || len(view.Places) != 1 {
			t.Errorf("%s: got ETag %s at %v, want %s", view.Name, view.ETag(), view.Places, tag)
		}
	}
	if got := n.Hit("/slow"); got != 500 {
		t.Errorf("got %d, want 500", got)
	}

	both := `{"a": ` + closing("") + `, "c": ` + closing("") + `}`
	n.Want(412, "PUT", "/experiments", both, "1 of 2 cannot: experiment 'a': precondition failed", "If-None-Match", "*")
	n.Want(412, "PUT", "/experiments", both, "1 of 2 cannot: experiment 'c': precondition failed", "If-Match", "*")
	wantNames(t, n, "a", "b")
	n.Want(200, "PUT", "/experiments", both, `"c"`)
	wantNames(t, n, "a", "b", "c")
	n.Want(412, "PUT", "/experiments", both, "experiment 'a'", "If-Match", tag)
	n.Want(204, "DELETE", "/experiments/b", "", "", "If-Match", tag)

	n.Want(200, "POST", "/halt", "", "")
	n.Want(409, "PUT", "/experiments", both, "faults are halted")
	wantNames(t, n)
}

// An error names each experiment that cannot start. No experiment starts.
func TestPutExperimentsRefused(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	good := `"good": ` + closing("")
	long := strings.Repeat("n", 5000)
	for _, tt := range []struct {
		status int
		body   string
		text   string
		errors []string // the experiments with an error
	}{
		{400, ``, "reading JSON", nil},
		{400, `null`, "want an object with an experiment for each name", nil},
		{400, `[]`, "want an object", nil},
		{400, `{}`, "want an object", nil},
		{400, `{` + good + `, ` + good + `}`, "good: duplicate key", nil},
		{400, `{` + good + `} {}`, "want an object", nil},
		{400, strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200), "nested more than 100 levels", nil},
		{400, `{` + good + `, "bad": null}`, "experiment 'bad': reading JSON", []string{"bad"}},
		{400, `{` + good + `, "bad": {"points": ["*"], "percnt": 10}}`, "1 of 2 cannot: experiment 'bad': reading JSON: unknown field", []string{"bad"}},
		{400, `{` + good + `, "a b": ` + closing("") + `, "trigger": ` + closing("") + `}`, "2 of 3 cannot: experiment 'a b': bad name 'a b'", []string{"a b", "trigger"}},
		{400, `{"` + long + `": ` + closing("") + `, ` + good + `}`, "bad name", []string{long[:100]}},
		{400, `{` + good + `, "bad": ` + closing(`"name": "other", `) + `}`, "name: 'other' differs", []string{"bad"}},
		{400, `{` + good + `, "env": {"points": ["*"], "faults": [{"fault": "respond", "body": "{env.HOME}"}]}}`, "placeholder '{env.HOME}' is not allowed", []string{"env"}},
		{400, `{` + good + `, "file": {"points": ["*"], "faults": [{"fault": "respond", "body_file": "/etc/passwd"}]}}`, "experiments read no files", []string{"file"}},
		{400, `{` + good + `, "file": {"match": [{"file": {}}], "faults": [{"fault": "close"}]}}`, "experiments read no files", []string{"file"}},
		{404, `{` + good + `, "bad": {"points": ["nowhere"], "faults": [{"fault": "close"}]}}`, "no injection point 'nowhere'", []string{"bad"}},
		{409, `{` + good + `, "gone": ` + closing("") + `}`, "has a rule 'gone'", []string{"gone"}},
		{400, `{` + good + `, "gone": ` + closing("") + `, "bad": {"points": ["nowhere"], "faults": [{"fault": "close"}]}}`, "2 of 3 cannot: experiment 'bad': no injection point", []string{"bad", "gone"}},
	} {
		w := n.Want(tt.status, "PUT", "/experiments", tt.body, tt.text)
		var no api.Error
		if err := json.Unmarshal(w.Body.Bytes(), &no); err != nil {
			t.Errorf("%.60s: %v", tt.body, err)
		}
		for _, name := range tt.errors {
			if no.Errors[name] == "" {
				t.Errorf("%.60s: no error for '%s': %v", tt.body, name, no.Errors)
			}
		}
		if len(no.Errors) != len(tt.errors) {
			t.Errorf("%.60s: got %v, want errors for %q", tt.body, no.Errors, tt.errors)
		}
		wantNames(t, n)
	}
}

// Neither the number of experiments nor the size of a body or of an error is without
// bound.
func TestPutExperimentsBounds(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	many := func(count int, body string) string {
		all := make([]string, count)
		for i := range all {
			all[i] = fmt.Sprintf(`"e%d": %s`, i, body)
		}
		return "{" + strings.Join(all, ",") + "}"
	}
	n.Want(413, "PUT", "/experiments", `{"a": "`+strings.Repeat("x", api.MaxBody)+`"}`, "more than 1048576 bytes")
	n.Want(409, "PUT", "/experiments", many(experiments.MaxExperiments+1, "0"), "the body has 1001 experiments; at most 1000")
	w := n.Want(400, "PUT", "/experiments", many(experiments.MaxExperiments, "0"), "1000 of 1000 cannot: experiment 'e0': ")
	if !strings.Contains(w.Body.String(), "; and 990 more") || w.Body.Len() > api.MaxBody {
		t.Errorf("the error has %d bytes, want a short one", w.Body.Len())
	}
	n.Put("one", testnode.Slow500)
	n.Want(409, "PUT", "/experiments", many(experiments.MaxExperiments, closing("")), "there are 1 of at most 1000, and 1000 more would start")
	wantNames(t, n, "one")
	n.Want(204, "DELETE", "/experiments/one", "", "")
	n.Want(201, "PUT", "/experiments", many(experiments.MaxExperiments, closing("")), "")
	if got := len(n.Ctl.Store.List()); got != experiments.MaxExperiments {
		t.Errorf("%d are on, want %d", got, experiments.MaxExperiments)
	}
}

const outage = `{"sets": {
	"outage": {"source": "Caddyfile:4", "experiments": {
		"slow": {"match": [{"path": ["/slow"]}], "note": "configured", "faults": [{"fault": "respond", "status_code": 500}]},
		"late": {"points": ["shop"], "ttl": 0, "match": [{"path": ["/late"]}], "faults": [{"fault": "respond", "status_code": 503}]}}},
	"wrong": {"experiments": {
		"fine": {"points": ["*"], "faults": [{"fault": "close"}]},
		"far": {"points": ["nowhere"], "faults": [{"fault": "close"}]}}}}}`

func TestSets(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, outage)
	w := n.Want(200, "GET", "/sets", "", `"line": "match path /slow; respond 500"`)
	var list api.SetList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list.Sets) != 2 {
		t.Fatalf("got %s, %v", w.Body, err)
	}
	if set := list.Sets[0]; set.Name != "outage" || set.Source != "Caddyfile:4" || len(set.Experiments) != 2 || len(set.Running) != 0 {
		t.Errorf("got %+v", set)
	}
	w = n.Want(201, "POST", "/sets/outage", "", `"set": "outage"`)
	if !strings.Contains(w.Body.String(), `"note": "configured"`) || w.Header().Get("ETag") == "" {
		t.Errorf("got %s", w.Body)
	}
	wantNames(t, n, "late", "slow")
	if got := []int{n.Hit("/slow"), n.Hit("/late"), n.Hit("/")}; !slices.Equal(got, []int{500, 503, 200}) {
		t.Errorf("got %v", got)
	}
	n.Want(200, "GET", "/sets", "", "\"running\": [\n        \"late\",\n        \"slow\"\n      ]")
	n.Want(412, "POST", "/sets/outage", "", "2 of 2 cannot", "If-None-Match", "*")
	n.Want(200, "POST", "/sets/outage", `{"ttl": "1h", "note": "game day"}`, `"note": "game day"`)
	for _, live := range n.Ctl.Store.List() {
		if live.Ends.Sub(live.Started).Hours() != 1 || live.Note != "game day" || live.Stats().Hits != 0 {
			t.Errorf("%s: got %+v", live.Name, live.Experiment)
		}
	}
	if e := n.Ctl.FindSet("outage").Experiments["slow"]; e.TTL != nil || e.Note != "configured" {
		t.Errorf("the configuration has become %+v", e)
	}
	n.Put("mine", closing(""))
	n.Want(200, "DELETE", "/sets/outage", "", "\"ended\": [\n    \"late\",\n    \"slow\"\n  ]")
	wantNames(t, n, "mine")
	n.Want(404, "DELETE", "/sets/outage", "", "no experiment of set 'outage' is on")
}

// A set is refused as a whole, whatever is wrong with one of its experiments.
func TestSetsRefused(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, outage)
	n.Want(404, "POST", "/sets/wrong", "", "1 of 2 cannot: experiment 'far': no injection point 'nowhere'")
	n.Want(404, "POST", "/sets/outages", "", "no set 'outages': did you mean 'outage'?")
	n.Want(404, "DELETE", "/sets/x", "", "no set 'x'; the sets are: outage, wrong")
	n.Want(404, "POST", "/sets/"+strings.Repeat("x", 3000), "", "no set 'xxx")
	n.Want(400, "POST", "/sets/outage", `{"ttl": -1}`, "ttl: '-1ns' is negative")
	n.Want(400, "POST", "/sets/outage", `{"ttl": "soon"}`, "ttl")
	n.Want(400, "POST", "/sets/outage", `{"tll": "5m"}`, "unknown field")
	n.Want(400, "POST", "/sets/outage", `{"note": null}`, "null is not a value")
	n.Want(400, "POST", "/sets/outage", `{"note": "{env.HOME}"}`, "placeholder '{env.HOME}' is not allowed")
	n.Want(413, "POST", "/sets/outage", `{"note": "`+strings.Repeat("x", api.MaxBody)+`"}`, "more than 1048576 bytes")
	n.Want(400, "POST", "/sets/outage?ttl=5m", "", "unknown parameter 'ttl'")
	n.Want(405, "PUT", "/sets/outage", "", "use POST or DELETE")
	wantNames(t, n)
	n.Want(200, "POST", "/halt", "", "")
	n.Want(409, "POST", "/sets/outage", "", "faults are halted")
	none := testnode.Start(t, testnode.Shop, "")
	none.Want(404, "POST", "/sets/x", "", "no set 'x'; the configuration has no sets: add 'set x { ... }' to the global option fault")
	none.Want(200, "GET", "/sets", "", `"sets": []`)
}

// A set knows what it has started: not what a PUT has replaced, but what a PATCH has
// changed.
func TestSetOfExperiment(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, outage)
	n.Want(201, "POST", "/sets/outage", "", "")
	n.Want(200, "PATCH", "/experiments/slow", `{"percent": 50}`, `"set": "outage"`)
	n.Want(200, "PATCH", "/experiments/slow", `{"ttl": "1h"}`, `"set": "outage"`)
	n.Want(200, "PUT", "/experiments/late", closing(""), "")
	n.Want(200, "DELETE", "/sets/outage", "", "\"ended\": [\n    \"slow\"\n  ]")
	wantNames(t, n, "late")
}

// Clients that start sets at the same time never see a part of one.
func TestSetsConcurrently(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, outage)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				if w := n.Do("POST", "/sets/outage", ""); w.Code != http.StatusOK && w.Code != http.StatusCreated {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
				if got := names(n); len(got) == 1 {
					t.Errorf("only %q is on", got)
				}
				n.Do("DELETE", "/sets/outage", "")
			}
		})
	}
	wg.Wait()
}
