package api_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// threePoints returns a node with three points. Each has one rule.
func threePoints(t *testing.T) *testnode.Node {
	t.Helper()
	n := testnode.Start(t, `{"point": "p1", "rules": [{"name": "a", "match": [{"path": ["/p1"]}], "faults": [{"fault": "respond", "status_code": 551}]}]}`, "")
	n.Beside(`{"point": "p2", "rules": [{"name": "a", "faults": [{"fault": "close"}]}]}`)
	n.Beside(`{"point": "p3", "rules": [{"name": "b", "faults": [{"fault": "close"}]}]}`)
	n.Hit("/p1")
	return n
}

// Hits of rules with the same name at several points are not counted together.
func TestVerifyAtSeveralPoints(t *testing.T) {
	n := threePoints(t)
	for _, tt := range []struct {
		status      int
		query, text string
	}{
		{409, "rule=a&exactly=1", "rule 'a' exists at several points: p1/a has hit 1 time, p2/a has hit 0 times; choose one, such as rule=p1/a or --rule p1/a"},
		{409, "rule=a&at_least=0&since=1h", "p1/a has hit 1 time, p2/a has hit 0 times"},
		{409, "rule=a&at_least=5&wait=1m", "choose one"},
		{200, "rule=a&exactly=1&point=p1", ""},
		{200, "rule=p1/a&exactly=1", ""},
		{200, "rule=p1%2Fa&exactly=1", ""},
		{200, "rule=p1/a&point=p1&exactly=1", ""},
		{200, "rule=p1/a&exactly=1&since=1h", ""},
		{200, "rule=p2/a&exactly=0", ""},
		{200, "rule=b&exactly=0", ""},
		{417, "rule=p2/a&exactly=1", `"count": 0`},
		{404, "rule=p3/a&exactly=0", "no rule 'a' at injection point 'p3'"},
		{400, "rule=p1/a&point=p2&exactly=1", "rule: 'p1/a' is at the point 'p1', not at 'p2'; leave point out"},
		{400, "rule=/a&exactly=1", "rule: '/a' is neither a rule nor a point and a rule"},
		{400, "rule=p1/&exactly=1", "rule: 'p1/' is neither"},
		{400, "rule=p1/a/b&exactly=1", "rule: 'p1/a/b' is neither"},
	} {
		n.Want(tt.status, "GET", "/verify?"+tt.query, "", tt.text)
	}
	var no api.Error
	if err := json.Unmarshal(n.Do("GET", "/verify?rule=a&exactly=1", "").Body.Bytes(), &no); err != nil || !maps.Equal(no.Counts, map[string]int{"p1": 1, "p2": 0}) {
		t.Errorf("got counts %v, %v", no.Counts, err)
	}
}

// The hits of an experiment, and of triggers, are counted for all points together.
func TestVerifyOfAllPoints(t *testing.T) {
	n := testnode.Start(t, `{"point": "p1", "triggers": [{"source": "header"}]}`, "")
	n.Beside(`{"point": "p2", "triggers": [{"source": "header"}]}`)
	n.Put("exp", `{"points": ["*"], "faults": [{"fault": "respond", "status_code": 500}]}`)
	n.Hit("/")
	n.Want(200, "GET", "/verify?rule=exp&exactly=1", "", "")
	n.Want(200, "GET", "/verify?rule=trigger&exactly=0", "", "")
}

// The journal, its feed and a reset also accept a rule with its point.
func TestRuleWithItsPoint(t *testing.T) {
	n := threePoints(t)
	n.Want(200, "GET", "/journal?rule=p1/a", "", `"point": "p1"`)
	n.Want(200, "GET", "/journal?rule=p2/a", "", `"entries": []`)
	n.Want(400, "GET", "/journal?rule=/a", "", "rule: '/a'")
	n.Want(400, "GET", "/journal?rule=/a", "", "rule: '/a'", "Accept", "text/event-stream")
	n.Want(400, "POST", "/reset?rule=p1/a&point=p2", "", "leave point out")
	n.Want(404, "POST", "/reset?rule=p3/a", "", "no rule 'a' at injection point 'p3'")
	n.Want(200, "POST", "/reset?rule=p2/a", "", `"reset": 1`)
	n.Want(http.StatusOK, "GET", "/verify?rule=p1/a&exactly=1", "", "")
	n.Want(200, "POST", "/reset?rule=p1/a", "", `"reset": 1`)
	n.Want(http.StatusOK, "GET", "/verify?rule=p1/a&exactly=0", "", "")
}

// An error names only some of very many points.
func TestVerifyAtManyPoints(t *testing.T) {
	n := testnode.Start(t, `{"point": "p0", "rules": [{"faults": [{"fault": "close"}]}]}`, "")
	for _, point := range []string{"p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9", "p10", "p11"} {
		n.Beside(`{"point": "` + point + `", "rules": [{"faults": [{"fault": "close"}]}]}`)
	}
	n.Want(409, "GET", "/verify?rule=rule1&exactly=0", "", "p9/rule1 has hit 0 times, and 2 more; choose one")
}
