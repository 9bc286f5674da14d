package rules

import (
	"testing"
	"time"
)

// reload loads a configuration beside the one that p is from, and then gives
// that up.
func reload(t *testing.T, p *Point, config string) *Point {
	t.Helper()
	fresh := mustLoad(t, config)
	unload(t, p)
	return fresh
}

func TestReloadKeepsCounters(t *testing.T) {
	const config = `{"rules": [{"name": "a", "times": 3, ` + closing + `}]}`
	tests := []struct{ name, config, want string }{
		{"the same", config, "a"},
		{"written otherwise", `{ "rules" : [ {"times": 3, "name": "a", "faults": [ {"fault":  "close"} ] } ] }`, "a"},
		{"another rule before it", `{"rules": [{"name": "b", "percent": 0, ` + closing + `}, {"name": "a", "times": 3, ` + closing + `}]}`, "a"},
		{"another setting", `{"rules": [{"name": "a", "times": 3, "percent": 100, ` + closing + `}]}`, "aaa"},
		{"another fault", `{"rules": [{"name": "a", "times": 3, "faults": [{"fault": "reset"}]}]}`, "aaa"},
		{"another name", `{"rules": [{"name": "b", "times": 3, ` + closing + `}]}`, "bbb"},
		{"another point", `{"point": "other", "rules": [{"name": "a", "times": 3, ` + closing + `}]}`, "aaa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, config)
			name(t, p, request("/"))
			name(t, p, request("/"))
			p = reload(t, p, tt.config)
			got := ""
			for range 5 {
				got += name(t, p, request("/"))
			}
			if got != tt.want {
				t.Errorf("got hits %q, want %q", got, tt.want)
			}
		})
	}
}

// What triggers have done is kept as well, and set back as a whole.
func TestReloadKeepsTriggered(t *testing.T) {
	const config = `{"rules": [{"percent": 0, ` + closing + `}]}`
	p := mustLoad(t, config)
	triggered := p.Triggered("header X-Fault", 1)
	triggered.CountRefusal()
	triggered.Rule("trigger", nil, "", 100).CountHit()
	fresh := mustLoad(t, config)
	again := fresh.Triggered("header X-Fault", 1)
	unload(t, p)
	again.CountRefusal()
	if again.Hits() != 1 || again.Refused() != 2 || fresh.Triggered("cookie fault", 1).Refused() != 0 {
		t.Errorf("got %d hits and %d refusals, want 1 and 2", again.Hits(), again.Refused())
	}
	if again.Reset(); again.Hits() != 0 || again.Refused() != 0 {
		t.Errorf("set back: got %d hits and %d refusals", again.Hits(), again.Refused())
	}
}

// An unnamed rule and its default name are one.
func TestReloadKnowsDefaultNames(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"times": 1, `+closing+`}]}`)
	name(t, p, request("/"))
	p = reload(t, p, `{"rules": [{"name": "rule1", "times": 1, `+closing+`}]}`)
	if got := name(t, p, request("/")); got != "" {
		t.Errorf("rule %s has begun anew", got)
	}
}

func TestReloadKeepsSeed(t *testing.T) {
	const config = `{"seed": 7, "rules": [{"percent": 50, ` + closing + `}]}`
	whole := ""
	p := mustLoad(t, config)
	for range 100 {
		whole += name(t, p, request("/")) + " "
	}
	unload(t, p)
	halves := ""
	p = mustLoad(t, config)
	for i := range 100 {
		if i == 50 {
			p = reload(t, p, config)
		}
		halves += name(t, p, request("/")) + " "
	}
	if halves != whole {
		t.Error("a reload has changed the run of the seed")
	}
}

func TestReloadKeepsOrigin(t *testing.T) {
	const config = `{"rules": [{"start": "1h", ` + closing + `}]}`
	p := mustLoad(t, config)
	was := loaded(p)
	if p = reload(t, p, config); !loaded(p).Equal(was) || !p.Rules[0].schedule.start.Equal(was.Add(time.Hour)) {
		t.Errorf("start counts from %v, want %v", loaded(p), was)
	}
}

// A reload that fails neither loses what the running configuration counts nor
// leaves anything behind.
func TestFailedReload(t *testing.T) {
	const config = `{"rules": [{"name": "a", "times": 2, ` + closing + `}]}`
	p := mustLoad(t, config)
	name(t, p, request("/"))
	group := new(Group)
	half, err := load(t, config, group)
	if err != nil {
		t.Fatal(err)
	}
	refused, err := load(t, `{"rules": [{"name": "a", "percent": 1, `+closing+`}]}`, group)
	if err == nil {
		t.Fatal("namesakes with different settings are not refused")
	}
	unload(t, half)
	unload(t, refused)
	if got := name(t, p, request("/")) + name(t, p, request("/")); got != "a" {
		t.Errorf("got hits %q, want the second and no third", got)
	}
	key := p.kept[1]
	if n, _ := kept.References(key); n != 1 {
		t.Errorf("got %d references, want that of the running configuration", n)
	}
	unload(t, p)
	if _, is := kept.References(key); is {
		t.Error("the counters of a rule that is gone are still there")
	}
	if d := decide(p, 0, 0); d.Rule != nil { // a request in flight
		t.Errorf("rule %s has begun anew", d.Rule.Name)
	}
}
