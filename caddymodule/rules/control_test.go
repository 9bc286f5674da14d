package rules

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestSwitchOff(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"name": "a", "times": 2, `+closing+`}, {"name": "b", `+closing+`}]}`)
	var reasons []Reason
	p.Passed = func(_ *Rule, reason Reason) { reasons = append(reasons, reason) }
	a := p.Rules[0]
	a.SwitchOff(true)
	if got := name(t, p, request("/")); got != "b" || !a.Stats().Off || a.Stats().Hits != 0 {
		t.Errorf("switched off: got %q, %+v", got, a.Stats())
	}
	if len(reasons) != 1 || reasons[0] != ReasonOff {
		t.Errorf("got reasons %v, want off", reasons)
	}
	a.SwitchOff(false)
	if got := name(t, p, request("/")); got != "a" || a.Stats().Off {
		t.Errorf("switched on again: got %q, %+v", got, a.Stats())
	}
}

// Rules of points with the same name are one rule for the switch.
func TestSwitchOffNamesakes(t *testing.T) {
	group := new(Group)
	const config = `{"rules": [{"name": "a", ` + closing + `}]}`
	one, err := load(t, config, group)
	if err != nil {
		t.Fatal(err)
	}
	two, err := load(t, config, group)
	if err != nil {
		t.Fatal(err)
	}
	other, err := load(t, `{"rules": [{"name": "b", `+closing+`}]}`, group)
	if err != nil {
		t.Fatal(err)
	}
	group.Settle()
	one.Rules[0].SwitchOff(true)
	if got := name(t, two, request("/")); got != "" {
		t.Errorf("got %q", got)
	}
	if !slices.Equal(group.Points(), []*Point{one, two, other}) {
		t.Errorf("got points %v, want those that were loaded", group.Points())
	}
	if one.Identity() != two.Identity() || one.Identity() == other.Identity() {
		t.Error("points are not distinguished by their rules")
	}
}

// Rules of a point that starts switched off can be switched on one by one.
func TestStartOff(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	p := &Point{Name: "off", Halted: true}
	for _, name := range []string{"a", "b"} {
		p.Rules = append(p.Rules, &Rule{Name: name, FaultsRaw: []json.RawMessage{[]byte(`{"fault": "close"}`)}})
	}
	defer unload(t, p)
	if err := p.Provision(ctx, new(Group)); err != nil {
		t.Fatal(err)
	}
	if got := name(t, p, request("/")); got != "" {
		t.Errorf("got %q", got)
	}
	p.Rules[1].SwitchOff(false)
	if got := name(t, p, request("/")); got != "b" {
		t.Errorf("got %q, want b", got)
	}
}

func TestReset(t *testing.T) {
	tests := []struct {
		name, settings string
		hits           []bool // number of the request, both before and after a reset
	}{
		{"times", `"times": 1`, []bool{true, false, false}},
		{"skip", `"skip": 2`, []bool{false, false, true}},
		{"every", `"every": 2`, []bool{false, true, false}},
		{"over", `"over": {"requests": 2, "window": "1h"}`, []bool{false, false, true}},
		{"per", `"per": "{http.request.header.X-User}", "times": 1`, []bool{true, false, false}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, `{"rules": [{"name": "a", `+tt.settings+`, `+closing+`}]}`)
			for range 2 {
				p.Rules[0].CountHit()
				for i, want := range tt.hits {
					if hit := name(t, p, request("/", "X-User", "u")) == "a"; hit != want {
						t.Errorf("request %d: hit %v, want %v", i, hit, want)
					}
				}
				if got := p.Rules[0].Stats().Hits; got != 1 {
					t.Errorf("%d hits, want the one that was counted", got)
				}
				p.Rules[0].Reset()
				if got := p.Rules[0].Stats(); got.Hits != 0 || got.Keys != 0 {
					t.Errorf("after the reset: %+v", got)
				}
			}
		})
	}
}

// After a reset, max_active still counts the active requests. A hit that is taken back
// after the reset does not reduce the counters.
func TestResetWhileHeld(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"max_active": 1, `+closing+`}]}`)
	held := p.Decide(request("/"), nil)
	if held.Rule == nil {
		t.Fatalf("got %+v", held)
	}
	p.Rules[0].Reset()
	if got := name(t, p, request("/")); got != "" || p.Rules[0].Stats().Active != 1 {
		t.Errorf("got %q, %+v", got, p.Rules[0].Stats())
	}
	held.TakeBack()
	held.Release()
	if got := p.Rules[0].Stats(); got.Hits != 0 || got.Active != 0 {
		t.Errorf("after all: %+v", got)
	}
}

func TestTakeBack(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"times": 1, `+closing+`}]}`)
	for range 3 {
		d := p.Decide(request("/"), nil)
		if d.Rule == nil || d.N != 1 {
			t.Fatalf("got %+v, want the first hit", d)
		}
		d.TakeBack()
	}
	if got := p.Rules[0].Stats().Hits; got != 0 {
		t.Errorf("%d hits", got)
	}
}
