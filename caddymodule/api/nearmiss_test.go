package api_test

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// An assertion that does not hold says why matching requests were not hit.
func TestVerifyNearMisses(t *testing.T) {
	n := testnode.Start(t, `{"point": "near", "rules": [{"name": "third", "match": [{"path": ["/third"]}], "every": 3, "faults": [{"fault": "respond", "status_code": 552}]}]}`, "")
	for range 4 {
		n.Hit("/third")
	}
	n.Want(417, "GET", "/verify?rule=third&exactly=2", "", "rule 'third' has hit 1 time, want exactly 2; since Caddy started, 3 matching requests passed: 3 by count\",\n  \"count\": 1,\n  \"passed\": {\n    \"count\": 3\n  }")
	n.Want(200, "GET", "/verify?rule=third&exactly=1", "", "{\n  \"count\": 1\n}")
	n.Want(417, "GET", "/verify?rule=third&exactly=2&since=1h", "", "has hit 1 time, want exactly 2\"")

	n.Put("slow", testnode.Slow500)
	n.Hit("/gone")
	n.Want(417, "GET", "/verify?rule=slow&exactly=2", "", "has hit 0 times, want exactly 2; 0 of 1 requests at its points matched\"")
	n.Hit("/slow")
	n.Want(417, "GET", "/verify?rule=slow&exactly=2", "", "has hit 1 time, want exactly 2\"")

	n.Put("rare", `{"points": ["near"], "match": [{"path": ["/rare"]}], "percent": 0.000001, "skip": 1, "faults": [{"fault": "respond", "status_code": 500}]}`)
	for range 3 {
		n.Hit("/rare")
	}
	n.Want(417, "GET", "/verify?rule=rare&at_least=1", "", "; 3 matching requests passed: 2 by percent, 1 by count\"")

	n.Put("few", `{"points": ["near"], "match": [{"path": ["/few"]}], "skip": 1, "faults": [{"fault": "respond", "status_code": 500}]}`)
	n.Hit("/few")
	n.Want(417, "GET", "/verify?rule=few&at_least=1", "", "has hit 0 times, want at least 1; 1 matching request passed: 1 by count\"")
}

// The hits of an experiment at several points are told apart, as long as the journal has
// all of them.
func TestVerifyByPoint(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"journal": 3}`)
	other := n.Beside(`{"point": "other"}`)
	n.Put("slow", `{"points": ["*"], "match": [{"path": ["/slow"]}], "faults": [{"fault": "respond", "status_code": 500}]}`)
	beside := &testnode.Node{Handler: other, T: t}
	n.Hit("/slow")
	beside.Hit("/slow")
	n.Hit("/slow")
	n.Want(417, "GET", "/verify?rule=slow&exactly=2", "", "\"count\": 3,\n  \"counts\": {\n    \"other\": 1,\n    \"shop\": 2\n  }")
	n.Hit("/slow")
	n.Want(417, "GET", "/verify?rule=slow&exactly=2", "", "\"count\": 4\n}")
}
