package rules

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// Each id of a trigger counts separately. After an hour without a request it starts
// again, and so does an id that too many others have pushed out.
func TestTriggerIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := mustLoad(t, `{}`)
		two, one := 2, 1
		triggered := p.Triggered("header X-Fault", 100)
		ask := func(id string) bool {
			triggered.Use(id)
			rule := triggered.Rule("trigger", id, &Rule{Skip: &one, Times: &two}, nil, 100)
			d := p.DecideTriggered(request("/"), rule)
			if d.Rule != nil {
				d.Release()
			}
			return d.Rule != nil
		}
		check := func(when string, want ...bool) {
			t.Helper()
			for i, hit := range want {
				if got := ask("a"); got != hit {
					t.Errorf("%s, request %d: got %v, want %v", when, i+1, got, hit)
				}
			}
		}
		check("first", false, true)
		ask("b")
		check("beside another id", true, false, false)
		if a, b := triggered.HitsOf("a"), triggered.HitsOf("b"); a != 2 || b != 0 {
			t.Errorf("hits: got %d and %d, want 2 and 0", a, b)
		}
		time.Sleep(triggerIDLife - time.Second)
		check("in use", false)
		time.Sleep(triggerIDLife)
		check("after an hour", false, true, true, false)
		triggered.CountRefusal("a")
		triggered.CountRefusal("c")
		triggered.CountRefusal("")
		if a, c, all := triggered.RefusedOf("a"), triggered.RefusedOf("c"), triggered.Refused(); a != 1 || c != 1 || all != 3 {
			t.Errorf("refused: got %d, %d, %d in all", a, c, all)
		}
		for i := range maxTriggerIDs {
			triggered.Use(fmt.Sprint("other", i))
		}
		if got := triggered.RefusedOf("a"); got != 0 {
			t.Errorf("%d refusals are kept of an id that was pushed out", got)
		}
		check("pushed out", false, true)
		triggered.Reset()
		check("after a reset", false, true)
		if c := triggered.RefusedOf("c"); c != 0 || triggered.Refused() != 0 {
			t.Errorf("refusals after a reset: %d", c)
		}
	})
}
