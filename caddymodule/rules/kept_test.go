package rules

import (
	"testing"
	"time"
)

// reload loads a configuration beside that of p, and then unloads the old one.
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
		{"another line", `{"source": "Caddyfile:13", "rules": [{"name": "a", "times": 3, ` + closing + `}]}`, "a"},
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

// The counters of triggers are also kept, and are reset together.
func TestReloadKeepsTriggered(t *testing.T) {
	const config = `{"rules": [{"percent": 0, ` + closing + `}]}`
	p := mustLoad(t, config)
	triggered := p.Triggered("header X-Fault", 1)
	triggered.CountRefusal("")
	triggered.Rule("trigger", "", new(Rule), nil, 100).CountHit()
	fresh := mustLoad(t, config)
	again := fresh.Triggered("header X-Fault", 1)
	unload(t, p)
	again.CountRefusal("")
	if again.Hits() != 1 || again.Refused() != 2 || fresh.Triggered("cookie fault", 1).Refused() != 0 {
		t.Errorf("got %d hits and %d refusals, want 1 and 2", again.Hits(), again.Refused())
	}
	if again.Reset(); again.Hits() != 0 || again.Refused() != 0 {
		t.Errorf("after a reset: got %d hits and %d refusals", again.Hits(), again.Refused())
	}
}

// The matchers of the point are part of a rule. How they are written is not.
func TestReloadKnowsMatchersOfThePoint(t *testing.T) {
	point := func(match string) string {
		return `{"match": ` + match + `, "rules": [{"name": "a", "times": 3, ` + closing + `}]}`
	}
	const was = `[{"path": ["/x*"], "header": {"A": ["1"], "B": ["2"]}}]`
	tests := []struct{ name, match, want string }{
		{"the same", was, "a"},
		{"written otherwise", `[ { "header" : {"B" : ["2"], "A": ["1"]}, "path": ["/x*"] } ]`, "a"},
		{"another path", `[{"path": ["/*"], "header": {"A": ["1"], "B": ["2"]}}]`, "aaa"},
		{"another header", `[{"path": ["/x*"], "header": {"A": ["1"], "B": ["*"]}}]`, "aaa"},
		{"one matcher fewer", `[{"path": ["/x*"]}]`, "aaa"},
		{"one more set", `[{"path": ["/x*"], "header": {"A": ["1"], "B": ["2"]}}, {"path": ["/y"]}]`, "aaa"},
		{"none", `[]`, "aaa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, point(was))
			for range 2 {
				name(t, p, request("/x", "A", "1", "B", "2"))
			}
			p = reload(t, p, point(tt.match))
			got := ""
			for range 5 {
				got += name(t, p, request("/x", "A", "1", "B", "2"))
			}
			if got != tt.want {
				t.Errorf("got hits %q, want %q", got, tt.want)
			}
		})
	}
}

// Rules with the same name at points with the same name count together. The matchers of
// all these points are part of the rules, in any order of loading.
func TestReloadKnowsMatchersOfNamesakes(t *testing.T) {
	configuration := func(t *testing.T, paths ...string) (all []*Point) {
		t.Helper()
		group := new(Group)
		for _, path := range paths {
			p, err := load(t, `{"match": [{"path": ["`+path+`"]}], "rules": [{"name": "a", "times": 3, `+closing+`}]}`, group)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		group.Settle()
		return all
	}
	tests := []struct {
		name  string
		paths []string
		want  string
	}{
		{"the same", []string{"/a", "/b"}, "a"},
		{"the other first", []string{"/b", "/a"}, "a"},
		{"one twice", []string{"/b", "/a", "/b"}, "a"},
		{"one less", []string{"/a"}, "aaa"},
		{"one more", []string{"/c", "/a", "/b"}, "aaa"},
		{"another one", []string{"/a", "/c"}, "aaa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old := configuration(t, "/a", "/b")
			if got := name(t, old[0], request("/a")) + name(t, old[1], request("/b")); got != "aa" {
				t.Fatalf("got hits %q, want two", got)
			}
			all := configuration(t, tt.paths...)
			for _, p := range old {
				unload(t, p)
			}
			got := ""
			for range 3 {
				for i, p := range all {
					got += name(t, p, request(tt.paths[i]))
				}
			}
			if got != tt.want {
				t.Errorf("got hits %q, want %q", got, tt.want)
			}
		})
	}
}

// A point that is loaded later counts together with the points of its name.
func TestGroupSettled(t *testing.T) {
	group := new(Group)
	var all []*Point
	for _, path := range []string{"/a", "/b"} {
		p, err := load(t, `{"match": [{"path": ["`+path+`"]}], "rules": [{"name": "a", "times": 1, `+closing+`}]}`, group)
		if err != nil {
			t.Fatal(err)
		}
		group.Settle()
		all = append(all, p)
	}
	if got := name(t, all[0], request("/a")) + name(t, all[1], request("/b")); got != "a" {
		t.Errorf("got hits %q, want one", got)
	}
	if all[0].Rules[0].counters != all[1].Rules[0].counters {
		t.Error("rules with the same name count separately")
	}
}

// The state of a configuration that never ran is not kept.
func TestUnloadUnsettled(t *testing.T) {
	group := new(Group)
	for _, path := range []string{"/a", "/b"} {
		p, err := load(t, `{"match": [{"path": ["`+path+`"]}], "rules": [{"name": "never", `+closing+`}]}`, group)
		if err != nil {
			t.Fatal(err)
		}
		defer unload(t, p)
	}
	t.Cleanup(func() {
		kept.Range(func(key, _ any) bool {
			if key.(keptKey).rule == "never" {
				t.Errorf("%+v is still there", key)
			}
			return true
		})
	})
}

// A rule without a name is the same rule as one with its default name.
func TestReloadKnowsDefaultNames(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"times": 1, `+closing+`}]}`)
	name(t, p, request("/"))
	p = reload(t, p, `{"rules": [{"name": "rule1", "times": 1, `+closing+`}]}`)
	if got := name(t, p, request("/")); got != "" {
		t.Errorf("rule %s has started again", got)
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

// A failed reload neither loses the counters of the running configuration nor leaks
// any state.
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
		t.Fatal("rules with the same name and different settings are not refused")
	}
	unload(t, half)
	unload(t, refused)
	if got := name(t, p, request("/")) + name(t, p, request("/")); got != "a" {
		t.Errorf("got hits %q, want a second and no third", got)
	}
	key := (*p.kept)[1]
	if n, _ := kept.References(key); n != 1 {
		t.Errorf("got %d references, want one of the running configuration", n)
	}
	unload(t, p)
	if _, is := kept.References(key); is {
		t.Error("the counters of a removed rule still exist")
	}
	if d := decide(p, 0, 0); d.Rule != nil { // a request in flight
		t.Errorf("rule %s has started again", d.Rule.Name)
	}
}
