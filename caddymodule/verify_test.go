package caddymodule

import (
	"testing"
	"testing/synctest"
	"time"
)

// A verification that waits is woken by whatever changes its answer, and looks
// no earlier and no later.
func TestVerifyWoken(t *testing.T) {
	const exp = `{"points": ["*"], "match": [{"path": ["/exp"]}], "faults": [{"fault": "respond", "status_code": 552}]}`
	for _, tt := range []struct {
		name, query, app string
		status           int
		change           func(*node)
	}{
		{"a hit", "rule=gone&at_least=2", "", 200, func(n *node) { n.hit("/gone") }},
		{"a hit, in the journal", "rule=gone&at_least=2&since=1h", "", 200, func(n *node) { n.hit("/gone") }},
		{"a hit at the point", "rule=gone&point=shop&at_least=2", "", 200, func(n *node) { n.hit("/gone") }},
		{"a hit of an experiment", "rule=exp&at_least=2", "", 200, func(n *node) { n.hit("/exp") }},
		{"a dry run", "rule=gone&at_least=2", `{"dry_run": true}`, 200, func(n *node) { n.hit("/gone") }},
		{"a reset", "rule=gone&at_most=0", "", 200, func(n *node) { n.want(200, "POST", "/reset", "", "") }},
		{"a new experiment of the name", "rule=exp&at_most=0", "", 200, func(n *node) { n.want(200, "PUT", "/experiments/exp", exp, "") }},
		{"a reload without the rule", "rule=gone&at_least=2", "", 404, func(n *node) {
			if err := n.app.Stop(); err != nil {
				n.t.Error(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startNode(t, shop, tt.app)
				n.hit("/gone")
				n.put("exp", exp)
				n.hit("/exp")
				const after = time.Second + time.Millisecond // no multiple of any interval
				start := time.Now()
				time.AfterFunc(after, func() { tt.change(n) })
				n.want(tt.status, "GET", "/verify?wait=1m&"+tt.query, "", "")
				if took := time.Since(start); took != after {
					t.Errorf("answered after %v, want %v", took, after)
				}
				synctest.Wait()
				n.ctl.beginExit()
			})
		})
	}
}

// A waiting verification keeps what the journal forgets meanwhile.
func TestVerifyCountsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, shop, `{"journal": 2}`)
		go func() {
			for range 5 {
				time.Sleep(time.Second)
				n.hit("/gone")
			}
		}()
		n.want(200, "GET", "/verify?rule=gone&at_least=5&since=1m&wait=10s", "", `"count": 5`)
		n.want(409, "GET", "/verify?rule=gone&at_least=5&since=1m", "", "the journal does not reach")
		n.ctl.beginExit()
	})
}
