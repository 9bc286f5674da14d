package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// A point is active if a rule or an experiment may hit a request. The next request finds
// out.
func TestSeenActive(t *testing.T) {
	const (
		rule  = `"rules": [{"name": "gone", "percent": 0, "faults": [{"fault": "close"}]}]`
		boom  = `{"points": ["shop"], "percent": 0, "faults": [{"fault": "close"}], "ttl": "5h"}`
		other = `{"points": ["mail"], "percent": 0, "faults": [{"fault": "close"}], "ttl": "5h"}`
	)
	for _, tt := range []struct {
		name, config string
		act          func(*testnode.Node)
		want         bool
	}{
		{"no rule", `{"point": "shop"}`, func(*testnode.Node) {}, false},
		{"a rule", `{"point": "shop", ` + rule + `}`, func(*testnode.Node) {}, true},
		{"a rule that is off", `{"point": "shop", ` + rule + `}`, func(n *testnode.Node) { n.Ctl.SwitchRule("shop", "gone", "", true) }, false},
		{"a rule that is on again", `{"point": "shop", "halted": true, ` + rule + `}`, func(n *testnode.Node) { n.Ctl.SwitchRule("shop", "gone", "", false) }, true},
		{"an experiment", `{"point": "shop"}`, func(n *testnode.Node) { n.Put("boom", boom) }, true},
		{"an experiment elsewhere", `{"point": "shop"}`, func(n *testnode.Node) {
			n.Beside(`{"point": "mail"}`)
			n.Put("boom", other)
		}, false},
		{"an experiment that has ended", `{"point": "shop"}`, func(n *testnode.Node) {
			n.Put("boom", boom)
			n.Want(204, "DELETE", "/experiments/boom", "", "")
		}, false},
		{"halted", `{"point": "shop", ` + rule + `}`, func(n *testnode.Node) { n.Want(200, "POST", "/halt", "", "") }, false},
		{"resumed", `{"point": "shop", ` + rule + `}`, func(n *testnode.Node) {
			n.Want(200, "POST", "/halt", "", "")
			n.Want(200, "POST", "/resume", "", "")
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, tt.config, "")
				n.Ctl.Seen.Wake()
				tt.act(n)
				time.Sleep(1500 * time.Millisecond)
				n.Hit("/") // finds out
				if got := n.Ctl.Seen.Point("shop").Counts(); got != tt.want {
					t.Errorf("the point counts: %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// SwitchRule returns how many rules it has switched.
func TestSwitchRule(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop", "rules": [{"name": "gone", "faults": [{"fault": "close"}]}]}`, "")
	for _, tt := range []struct {
		point, rule string
		want        int
	}{{"shop", "gone", 1}, {"shop", "other", 0}, {"mail", "gone", 0}} {
		if got := n.Ctl.SwitchRule(tt.point, tt.rule, "", true); got != tt.want {
			t.Errorf("%s/%s: switched %d rules, want %d", tt.point, tt.rule, got, tt.want)
		}
	}
	n.Want(200, "GET", "/", "", `"off": true`)
}
