package rules

import (
	"slices"
	"testing"
	"time"
)

// shutting has, for each gate, the settings of a rule that the gate stops after some
// hits. Their requests are still active.
var shutting = map[string]struct {
	settings string
	hits     int
}{
	"switch":     {`"percent": 100`, 0},
	"time":       {`"start": "1h"`, 0},
	"follows":    {`"follows": {"rule": "b"}, ` + closing + `}, {"name": "b", "percent": 0`, 0},
	"skip":       {`"skip": 1`, 0},
	"every":      {`"every": 2`, 0},
	"over":       {`"over": {"requests": 1, "window": "1h"}`, 0},
	"times":      {`"times": 1`, 1},
	"max_active": {`"max_active": 1`, 1},
}

// A shut gate keeps its rule from firing, and the explanation names it. Without the
// gate the rule fires.
func TestEveryGate(t *testing.T) {
	for _, g := range slices.Concat(gates[:]...) {
		t.Run(g.name, func(t *testing.T) {
			example, ok := shutting[g.name]
			if !ok {
				t.Fatal("no example of a rule that the gate stops")
			}
			p := mustLoad(t, `{"rules": [{`+example.settings+`, `+closing+`}]}`)
			for range example.hits {
				if d := decide(p, 0, 0); d.Rule == nil {
					t.Fatal("the gate is shut too early")
				}
			}
			p.Rules[0].SwitchOff(g == switchGate)
			for range 2 { // the second answer is the same, because nothing was counted
				if v := p.verdicts(request("/"), nil, known, loaded(p))[0]; v.Fires || v.Gate != g.name || v.Why == "" {
					t.Errorf("got %+v, want the gate and why", v)
				}
			}
			passed := passes(p)
			d := decide(p, 0, 0)
			delete(passed, "b percent") // the rule that another follows
			if d.Rule != nil || len(passed) != 1 || passed["rule1 "+g.reason.String()] != 1 {
				t.Errorf("got rule %q, passed %v, want reason %s", fired(d), passed, g.reason)
			}
			p.Rules[0].gates = [stages][]*gate{}
			if d := decide(p, 0, 0); d.Rule == nil {
				t.Error("without the gate the rule does not fire")
			}
		})
	}
}

// An explanation names the first gate that is shut. Each gate counts the requests that
// have passed the gates before it.
func TestOrderOfGates(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"start": "1h", "skip": 2, "every": 2, "over": {"requests": 1, "window": "1h"}, "times": 1, "max_active": 1, `+closing+`}]}`)
	rule := p.Rules[0]
	rule.SwitchOff(true)
	for i, want := range []string{"switch", "time", "skip", "skip", "every", "over", "every", "", "every", "times"} {
		after := time.Duration(0)
		if i > 1 {
			after = time.Hour
		}
		if got := p.verdicts(request("/"), nil, known, loaded(p).Add(after))[0].Gate; got != want {
			t.Errorf("request %d: got gate %q, want %q", i, got, want)
		}
		if d := decide(p, 0, after); (d.Rule != nil) != (want == "") {
			t.Errorf("request %d: got rule %q", i, fired(d))
		}
		rule.SwitchOff(false)
	}
}
