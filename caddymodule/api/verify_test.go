package api_test

import (
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// A waiting verification wakes whenever its answer changes, no earlier and no later.
func TestVerifyWoken(t *testing.T) {
	const exp = `{"points": ["*"], "match": [{"path": ["/exp"]}], "faults": [{"fault": "respond", "status_code": 552}]}`
	for _, tt := range []struct {
		name, query, app string
		status           int
		change           func(*testnode.Node)
	}{
		{"a hit", "rule=gone&at_least=2", "", 200, func(n *testnode.Node) { n.Hit("/gone") }},
		{"a hit, in the journal", "rule=gone&at_least=2&since=1h", "", 200, func(n *testnode.Node) { n.Hit("/gone") }},
		{"a hit at the point", "rule=gone&point=shop&at_least=2", "", 200, func(n *testnode.Node) { n.Hit("/gone") }},
		{"a hit of an experiment", "rule=exp&at_least=2", "", 200, func(n *testnode.Node) { n.Hit("/exp") }},
		{"a reset", "rule=gone&at_most=0", "", 200, func(n *testnode.Node) { n.Want(200, "POST", "/reset", "", "") }},
		{"a new experiment of the name", "rule=exp&at_most=0", "", 200, func(n *testnode.Node) { n.Want(200, "PUT", "/experiments/exp", exp, "") }},
		{"a reload without the rule", "rule=gone&at_least=2", "", 404, func(n *testnode.Node) {
			if err := n.App.Stop(); err != nil {
				n.T.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, testnode.Shop, tt.app)
				n.Hit("/gone")
				n.Put("exp", exp)
				n.Hit("/exp")
				const after = time.Second + time.Millisecond // not a multiple of any interval
				start := time.Now()
				time.AfterFunc(after, func() { tt.change(n) })
				n.Want(tt.status, "GET", "/verify?wait=1m&"+tt.query, "", "")
				if took := time.Since(start); took != after {
					t.Errorf("answered after %v, want %v", took, after)
				}
				synctest.Wait()
				n.Ctl.BeginExit()
			})
		})
	}
}

// Only the first count of a waiting verification reads the whole journal.
func TestVerifyReadsJournalOnce(t *testing.T) {
	n := benchNode(t)
	defer n.Ctl.BeginExit()
	first, later := time.Hour, time.Hour // the shortest
	for range 5 {
		wake, err := api.Waking(n.Ctl, url.Values{"rule": {"gone"}, "at_least": {"1000000"}, "since": {"1h"}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			began := time.Now()
			if holds, err := wake(); holds || err != nil {
				t.Fatalf("holds: %v, %v", holds, err)
			}
			if took := time.Since(began); i == 0 {
				first = min(first, took)
			} else {
				later = min(later, took)
			}
		}
	}
	if later > first/20 {
		t.Errorf("the first count takes %s, and a later one %s", first, later)
	}
	t.Logf("the first count takes %s, and a later one %s", first, later)
}

// A waiting verification still counts entries that the journal has forgotten.
func TestVerifyCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"journal": 2}`)
		go func() {
			for range 5 {
				time.Sleep(time.Second)
				n.Hit("/gone")
			}
		}()
		n.Want(200, "GET", "/verify?rule=gone&at_least=5&since=1m&wait=10s", "", `"count": 5`)
		n.Want(409, "GET", "/verify?rule=gone&at_least=5&since=1m", "", "the journal does not go")
		n.Ctl.BeginExit()
	})
}

const respond500 = `"faults": [{"fault": "respond", "status_code": 500}]}`

// The hits of an experiment at a point are the same after the experiment has ended.
func TestVerifyEndedExperiment(t *testing.T) {
	n := testnode.Start(t, `{"point": "p1"}`, "")
	n.Beside(`{"point": "p2"}`)
	n.Beside(`{"point": "p3"}`)
	n.Put("both", `{"points": ["p1", "p2"], "match": [{"path": ["/both"]}], `+respond500)
	n.Put("one", `{"points": ["p3"], `+respond500) // the next line ends it
	n.Want(200, "PUT", "/experiments/one", `{"points": ["p1"], "match": [{"path": ["/one"]}], `+respond500, "")
	n.Hit("/both")
	n.Hit("/one")
	for _, ended := range []bool{false, true} {
		if ended {
			n.Want(204, "DELETE", "/experiments/both", "", "")
			n.Want(204, "DELETE", "/experiments/one", "", "")
		}
		for _, tt := range []struct {
			status      int
			query, text string
		}{
			{200, "rule=both&exactly=1", ""},
			{400, "rule=both&exactly=1&point=p1", "point: the hits of experiment 'both' are counted for all its points together"},
			{400, "rule=both&exactly=0&point=p2", "point: "},
			{404, "rule=both&exactly=0&point=p3", "no rule 'both' at injection point 'p3'"},
			{200, "rule=both&exactly=1&point=p1&since=1h", ""},
			{200, "rule=both&exactly=0&point=p2&since=1h", ""},
			{404, "rule=both&exactly=0&point=p3&since=1h", "no rule 'both'"},
			{404, "rule=both&exactly=0&point=nosuch", "no rule 'both'"},
			{200, "rule=one&exactly=1&point=p1", ""},
			{404, "rule=one&exactly=0&point=p3", "no rule 'one'"},
		} {
			n.Want(tt.status, "GET", "/verify?"+tt.query, "", tt.text)
		}
	}
}

// Faults are loaded either for handlers or for transports. An experiment therefore does
// not apply to a transport that a reload gives the name of its former handler.
func TestExperimentWherePointMoves(t *testing.T) {
	n := testnode.Start(t, `{"point": "here"}`, "")
	n.Put("a", `{"points": ["here"], "faults": [{"fault": "throttle", "bytes_per_second": 1}]}`)
	for _, transport := range []bool{false, true} {
		guests := n.Ctl.Store.Snapshot().Guests(experiments.Place{Point: "here", Transport: transport})
		if there := guests != nil; there == transport {
			t.Errorf("transport %v: the experiment is there: %v", transport, there)
		}
	}
	n.Want(200, "GET", "/verify?rule=a&point=here&exactly=0", "", "")
	n.Want(404, "GET", "/verify?rule=a&point=there&exactly=0", "", "")
}
