package command

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// nodeOf returns the node of a plan with the API of a Caddy in this process.
func nodeOf(t *testing.T, n *testnode.Node) planNode {
	t.Helper()
	client, err := newAdminClient(listen(t, n.API))
	if err != nil {
		t.Fatal(err)
	}
	return planNode{client}
}

// wantStatus checks that an error is a refusal with a status.
func wantStatus(t *testing.T, what string, err error, status int) {
	t.Helper()
	no, ok := errors.AsType[*plan.RefusalError](err)
	if !ok || no.Status != status {
		t.Errorf("%s: got %v, want the status %d", what, err, status)
	}
}

const closeAtAPI = `{"points": ["api"], "ttl": "30s", "note": "ours", "faults": [{"fault": "close"}]}`

// An experiment of a plan begins, is extended under its next revision, is found, and ends.
func TestPlanNodeExperiment(t *testing.T) {
	n := nodeOf(t, testnode.Start(t, twoRules, ""))
	all := map[string]json.RawMessage{"p.a.x": json.RawMessage(closeAtAPI), "p.a.y": json.RawMessage(closeAtAPI)}
	revision, err := n.Begin(t.Context(), all)
	if err != nil || revision == "" {
		t.Fatalf("begin: got %q, %v", revision, err)
	}
	_, err = n.Begin(t.Context(), all)
	wantStatus(t, "begin again", err, http.StatusPreconditionFailed)
	next, err := n.Extend(t.Context(), "p.a.x", revision, 45*time.Second)
	if err != nil || next == revision {
		t.Errorf("extend: got %q, %v", next, err)
	}
	_, err = n.Extend(t.Context(), "p.a.x", revision, time.Minute)
	wantStatus(t, "extend an earlier revision", err, http.StatusPreconditionFailed)
	found, note, err := n.Find(t.Context(), "p.a.x")
	if err != nil || found != next || note != "ours" {
		t.Errorf("find: got %q, %q, %v", found, note, err)
	}
	wantStatus(t, "end an earlier revision", n.End(t.Context(), "p.a.x", revision), http.StatusPreconditionFailed)
	if err := n.End(t.Context(), "p.a.x", next); err != nil {
		t.Errorf("end: %v", err)
	}
	wantStatus(t, "end again", n.End(t.Context(), "p.a.x", next), http.StatusNotFound)
	_, err = n.Extend(t.Context(), "p.a.x", next, time.Minute)
	wantStatus(t, "extend what has ended", err, http.StatusNotFound)
	_, _, err = n.Find(t.Context(), "p.a.x")
	wantStatus(t, "find what has ended", err, http.StatusNotFound)
	if err := n.End(t.Context(), "p.a.y", revision); err != nil {
		t.Errorf("end the other one: %v", err)
	}
}

// A batch starts nothing if one of its experiments is refused.
func TestPlanNodeBatch(t *testing.T) {
	n := nodeOf(t, testnode.Start(t, twoRules, ""))
	_, err := n.Begin(t.Context(), map[string]json.RawMessage{"good": json.RawMessage(closeAtAPI), "bad": json.RawMessage(`{"points": ["nowhere"], "faults": [{"fault": "close"}]}`)})
	wantStatus(t, "an unknown point", err, http.StatusNotFound)
	if !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the error does not name the point: %v", err)
	}
	_, _, err = n.Find(t.Context(), "good")
	wantStatus(t, "the good one", err, http.StatusNotFound)
}

// The state has all points, and the switch.
func TestPlanNodeState(t *testing.T) {
	n := nodeOf(t, testnode.Start(t, twoRules, ""))
	s, err := n.State(t.Context())
	if err != nil || s.Halted || s.Group != "" || !slices.Contains(s.Points, "api") {
		t.Fatalf("got %+v, %v", s, err)
	}
	if _, err := n.do(t.Context(), http.MethodPost, "/halt", nil, nil); err != nil {
		t.Fatal(err)
	}
	if s, err = n.State(t.Context()); err != nil || !s.Halted {
		t.Errorf("after a halt: got %+v, %v", s, err)
	}
	_, err = n.Begin(t.Context(), map[string]json.RawMessage{"x": json.RawMessage(closeAtAPI)})
	wantStatus(t, "begin while halted", err, http.StatusConflict)
}

// Hits count by rule, with or without its point, and by experiment.
func TestPlanNodeCount(t *testing.T) {
	world := testnode.Start(t, twoRules, "")
	n := nodeOf(t, world)
	for i := range 3 {
		for _, rule := range []string{"gone", "api/gone"} {
			if hits, err := n.Count(t.Context(), rule); err != nil || hits != i {
				t.Errorf("%s: got %d, %v, want %d", rule, hits, err, i)
			}
		}
		hit(t, world)
	}
	_, err := n.Count(t.Context(), "nothing")
	wantStatus(t, "an unknown rule", err, http.StatusNotFound)
	_, err = n.Count(t.Context(), "nowhere/gone")
	wantStatus(t, "an unknown point", err, http.StatusNotFound)
	revision, err := n.Begin(t.Context(), map[string]json.RawMessage{"p.a.x": json.RawMessage(`{"points": ["api"], "faults": [{"fault": "respond", "status_code": 503}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	hit(t, world)
	for _, when := range []string{"while it runs", "after its end"} {
		if hits, err := n.Count(t.Context(), "p.a.x"); err != nil || hits != 1 {
			t.Errorf("%s: got %d, %v", when, hits, err)
		}
		if when == "while it runs" {
			if err := n.End(t.Context(), "p.a.x", revision); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a point has seen, and the calls of clients.
func TestPlanNodeSeen(t *testing.T) {
	world := testnode.Start(t, twoRules, "")
	n := nodeOf(t, world)
	s, err := n.Seen(t.Context(), "api", 5*time.Second)
	if err != nil || s.Point != "api" || s.All.Success != nil {
		t.Errorf("before: got %+v, %v", s, err)
	}
	_, err = n.Seen(t.Context(), "nowhere", 5*time.Second)
	wantStatus(t, "an unknown point", err, http.StatusNotFound)
	_, err = n.Seen(t.Context(), "api", time.Millisecond)
	wantStatus(t, "too short", err, http.StatusBadRequest)
	hit(t, world)
	evidence, settings, err := n.Calls(t.Context(), time.Minute)
	if err != nil || len(evidence.Calls) != 1 || settings.Window == 0 || settings.Attempts == 0 {
		t.Fatalf("calls: got %+v, %+v, %v", evidence, settings, err)
	}
	if c := evidence.Calls[0]; c.Point != "api" || len(c.Attempts) != 1 || c.Attempts[0].Rule != "gone" {
		t.Errorf("got %+v", c)
	}
}

// A node that does not answer is no refusal.
func TestPlanNodeAway(t *testing.T) {
	client, err := newAdminClient(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	n := planNode{client}
	_, err = n.State(t.Context())
	if no, ok := errors.AsType[*plan.RefusalError](err); err == nil || ok {
		t.Errorf("got %v, %v", err, no)
	}
	if n.Address() != client.address {
		t.Errorf("got %s", n.Address())
	}
}

// The API takes the draws of an experiment, and refuses a key that all requests share. An
// extension keeps them.
func TestPlanNodeDraws(t *testing.T) {
	world := testnode.Start(t, twoRules, "")
	n := nodeOf(t, world)
	for body, status := range map[string]int{
		`{"points": ["api"], "sticky": "{http.request.header.X-User}", "seed": 7, "faults": [{"fault": "close"}]}`: 0,
		`{"points": ["api"], "seed": -1, "faults": [{"fault": "close"}]}`:                                          0,
		`{"points": ["api"], "sticky": "user", "faults": [{"fault": "close"}]}`:                                    http.StatusBadRequest,
		`{"points": ["api"], "sticky": "{env.HOME}", "faults": [{"fault": "close"}]}`:                              http.StatusBadRequest,
		`{"points": ["api"], "seed": 1.5, "faults": [{"fault": "close"}]}`:                                         http.StatusBadRequest,
		`{"points": ["api"], "seed": "7", "faults": [{"fault": "close"}]}`:                                         http.StatusBadRequest,
	} {
		revision, err := n.Begin(t.Context(), map[string]json.RawMessage{"x": json.RawMessage(body)})
		if status != 0 {
			wantStatus(t, body, err, status)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if revision, err = n.Extend(t.Context(), "x", revision, time.Minute); err != nil {
			t.Errorf("%s: extend: %v", body, err)
		}
		data, err := n.do(t.Context(), http.MethodGet, experimentPath("x"), nil, nil)
		if err != nil || !strings.Contains(string(data), `"seed": `) {
			t.Errorf("%s: after an extension: %s, %v", body, data, err)
		}
		if err := n.End(t.Context(), "x", revision); err != nil {
			t.Errorf("%s: end: %v", body, err)
		}
	}
}
