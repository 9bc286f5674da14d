package rules

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	_ "github.com/caddyfault/caddyfault/caddymodule/faults"
)

// load provisions a point from its JSON.
func load(t testing.TB, config string, group *Group) (*Point, error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	p := new(Point)
	if err := caddy.StrictUnmarshalJSON([]byte(config), p); err != nil {
		return nil, err
	}
	t.Cleanup(func() { unload(t, p) })
	return p, p.Provision(ctx, group)
}

// unload removes the state that p would keep over a reload.
func unload(t testing.TB, p *Point) {
	t.Helper()
	if err := p.Cleanup(); err != nil {
		t.Error(err)
	}
}

// mustLoad provisions a point that is the only one in its configuration.
func mustLoad(t testing.TB, config string) *Point {
	t.Helper()
	group := new(Group)
	p, err := load(t, config, group)
	if err != nil {
		t.Fatalf("loading %s: %v", config, err)
	}
	group.Settle()
	return p
}

// request returns a request as Caddy's server passes it to a handler.
func request(target string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
}

// name returns the name of the rule that fires for r.
func name(t testing.TB, p *Point, r *http.Request) string {
	t.Helper()
	d := p.Decide(r, nil)
	if d.Rule == nil {
		return ""
	}
	return d.Rule.Name
}

const closing = `"faults": [{"fault": "close"}]`

func TestRefused(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"point name", `{"point": "my point"}`, "point: bad name 'my point'"},
		{"point name too long", `{"point": "` + strings.Repeat("a", 65) + `"}`, "bad name 'aaa"},
		{"rule name", `{"rules": [{"name": "-a", ` + closing + `}]}`, "rule '-a': bad name '-a'"},
		{"name of the triggers", `{"rules": [{"name": "trigger", ` + closing + `}]}`, "bad name 'trigger': it is reserved for triggers"},
		{"name of the metrics", `{"rules": [{"name": "other", ` + closing + `}]}`, "bad name 'other': it is reserved for surplus experiments in metrics"},
		{"percent above", `{"rules": [{"percent": 100.1, ` + closing + `}]}`, "rule 'rule1': bad percent '100.1': want 0 to 100"},
		{"percent below", `{"rules": [{"percent": -1, ` + closing + `}]}`, "bad percent '-1'"},
		{"phase", `{"rules": [{"phase": "later", ` + closing + `}]}`, "bad phase 'later': want request or response"},
		{"phase and match_response", `{"rules": [{"phase": "request", "match_response": {"status_code": [5]}, ` + closing + `}]}`, "phase request cannot be combined with match_response"},
		{"match_response empty", `{"rules": [{"match_response": {}, ` + closing + `}]}`, "match_response requires a status or a header"},
		{"match_response status", `{"rules": [{"match_response": {"status_code": [1000]}, ` + closing + `}]}`, "bad match_response status '1000'"},
		{"skip", `{"rules": [{"skip": -1, ` + closing + `}]}`, "bad skip '-1': want 0 to 1000000000"},
		{"every", `{"rules": [{"every": 0, ` + closing + `}]}`, "bad every '0': want 1 to 1000000000"},
		{"times", `{"rules": [{"times": 0, ` + closing + `}]}`, "bad times '0': want 1 to 1000000000"},
		{"times not an integer", `{"rules": [{"times": 1.5, ` + closing + `}]}`, "cannot unmarshal number 1.5"},
		{"max_active", `{"rules": [{"max_active": 0, ` + closing + `}]}`, "bad max_active '0': want 1 to 1000000000"},
		{"max_keys", `{"rules": [{"per": "{http.request.method}", "max_keys": 0, ` + closing + `}]}`, "bad max_keys '0': want 1 to 1000000"},
		{"max_keys without per", `{"rules": [{"max_keys": 1, ` + closing + `}]}`, "max_keys requires per"},
		{"over without requests", `{"rules": [{"over": {"window": "1s"}, ` + closing + `}]}`, "bad over '0': want 1 to 100000 requests"},
		{"over without window", `{"rules": [{"over": {"requests": 1}, ` + closing + `}]}`, "bad window of over '0s': want more than 0"},
		{"over and per", `{"rules": [{"over": {"requests": 1001, "window": "1s"}, "per": "{http.request.method}", ` + closing + `}]}`, "over 1001 with max_keys 10000 needs too much memory"},
		{"start", `{"rules": [{"start": "soon", ` + closing + `}]}`, "bad start 'soon': want an instant such as 2026-11-22T20:00:00Z, or a duration"},
		{"end", `{"rules": [{"end": "-1s", ` + closing + `}]}`, "bad end '-1s'"},
		{"start after end", `{"rules": [{"start": "2s", "end": "1s", ` + closing + `}]}`, "start '2s' and end '1s' cannot be combined"},
		{"cycle without period", `{"rules": [{"cycle": {"on": "1s"}, ` + closing + `}]}`, "bad period of cycle '0s': want more than 0"},
		{"cycle without on", `{"rules": [{"cycle": {"period": "1s"}, ` + closing + `}]}`, "bad time on of cycle '0s': want more than 0"},
		{"cycle", `{"rules": [{"cycle": {"on": "2s", "period": "1s"}, ` + closing + `}]}`, "bad cycle: active for '2s' of each '1s'"},
		{"ramp", `{"rules": [{"ramp": 0, ` + closing + `}]}`, "bad ramp '0s': want more than 0"},
		{"per for all", `{"rules": [{"per": "X-User", ` + closing + `}]}`, "rule 'rule1': bad per 'X-User': without a placeholder"},
		{"sticky for all", `{"sticky": "X-User"}`, "bad sticky 'X-User': without a placeholder"},
		{"sticky of a Caddyfile", `{"sticky": "{header.X-User}"}`, "write sticky {http.request.header.X-User}"},
		{"match_response header", `{"rules": [{"match_response": {"headers": {"X:": ["1"]}}, ` + closing + `}]}`, "bad match_response header 'X:'"},
		{"null rule", `{"rules": [null]}`, "rule 1 is null"},
		{"no faults", `{"rules": [{"name": "a"}]}`, "rule 'a': no fault: write what goes wrong, such as "},
		{"unknown kind", `{"rules": [{"faults": [{"fault": "explode"}]}]}`, "faults[0].fault: unknown name 'explode': want one of "},
		{"unknown field", `{"rules": [{"colour": "red"}]}`, `unknown field "colour"`},
		{"unknown field of a kind", `{"rules": [{"faults": [{"fault": "close", "now": true}]}]}`, `unknown field "now"`},
		{"unknown matcher", `{"rules": [{"match": [{"colour": "red"}], ` + closing + `}]}`, "loading matchers: "},
		{"unknown matcher of the point", `{"match": [{"colour": "red"}]}`, "loading matchers: "},
		{"bad fault", `{"rules": [{"faults": [{"fault": "respond"}]}]}`, "respond needs a status"},
		{"terminal not last", `{"rules": [{"faults": [{"fault": "close"}, {"fault": "delay", "duration": "1s"}]}]}`, "fault 'delay' comes after 'close', which ends the request"},
		{
			"fault without effect", `{"rules": [{"faults": [{"fault": "hang", "after": "1s"}, {"fault": "close"}]}]}`,
			"fault 'hang' can have no effect: after it, 'close' lets no reply through; remove it",
		},
		{"duplicate names", `{"rules": [{"name": "rule2", ` + closing + `}, {` + closing + `}]}`, "duplicate rule name 'rule2' at point 'fault'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t, tt.config, new(Group))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got error %v, want %q", tt.config, err, tt.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	p := mustLoad(t, `{"rules": [{`+closing+`}, {"name": "own", `+closing+`}, {`+closing+`}]}`)
	var names []string
	for i, rule := range p.Rules {
		names = append(names, rule.Name)
		if rule.Index() != i {
			t.Errorf("index of %s: got %d, want %d", rule.Name, rule.Index(), i)
		}
	}
	if want := []string{"rule1", "own", "rule3"}; !slices.Equal(names, want) {
		t.Errorf("rule names: got %v, want %v", names, want)
	}
	if p.Name != defaultPoint {
		t.Errorf("point name: got %q, want %q", p.Name, defaultPoint)
	}
}

func TestKindNames(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"faults": [{"fault": "delay", "duration": "1s"}, {"fault": "reset"}]}]}`)
	if got, want := p.Rules[0].KindNames(), "delay+reset"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDecideMatchers(t *testing.T) {
	p := mustLoad(t, `{"match": [{"path": ["/api/*"]}], "rules": [
		{"name": "slow", "match": [{"header": {"X-Slow": ["1"]}}, {"query": {"slow": ["1"]}}], `+closing+`},
		{"name": "both", "match": [{"header": {"X-A": ["1"]}, "method": ["GET"]}], `+closing+`}
	]}`)
	tests := []struct {
		target string
		header []string
		want   string
	}{
		{"/api/x", nil, ""},
		{"/api/x", []string{"X-Slow", "1"}, "slow"},
		{"/api/x?slow=1", nil, "slow"},
		{"/api/x", []string{"X-A", "1"}, "both"},
		{"/api/x?slow=1", []string{"X-A", "1"}, "slow"},
		{"/other?slow=1", []string{"X-A", "1"}, ""},
	}
	for _, tt := range tests {
		if got := name(t, p, request(tt.target, tt.header...)); got != tt.want {
			t.Errorf("%s %v: got rule %q, want %q", tt.target, tt.header, got, tt.want)
		}
	}
}

// failing is a matcher that fails for every request.
const failing = `"match": [{"expression": "{http.request.header.X-N} / 0 == 1"}]`

// A matcher that fails does not match and is counted. Other rules and sets are
// evaluated.
func TestMatcherErrors(t *testing.T) {
	const or = `"match": [{"expression": "{http.request.header.X-N} / 0 == 1"}, {"path": ["/a"]}]`
	tests := []struct{ name, config, want, passed string }{
		{"rule", `{"rules": [{` + failing + `, ` + closing + `}]}`, "", "rule1 match_error"},
		{"the next rule", `{"rules": [{` + failing + `, ` + closing + `}, {` + closing + `}]}`, "rule2", "rule1 match_error"},
		{"phase response", `{"rules": [{"phase": "response", ` + failing + `, ` + closing + `}]}`, "", "rule1 match_error"},
		{"inside not", `{"rules": [{"match": [{"not": [{"expression": "{http.request.header.X-N} / 0 == 1"}]}], ` + closing + `}]}`, "", "rule1 match_error"},
		{"another set matches", `{"rules": [{` + or + `, ` + closing + `}]}`, "rule1", ""},
		{"point", `{` + failing + `, "rules": [{` + closing + `}]}`, "", "the point match_error"},
		{"another set of the point matches", `{` + or + `, "rules": [{` + closing + `}]}`, "rule1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := mustLoad(t, tt.config)
			passed := passes(p)
			if got := name(t, p, request("/a")); got != tt.want {
				t.Errorf("got rule %q, want %q", got, tt.want)
			}
			if want := len(tt.passed) > 0; len(passed) > 1 || (passed[tt.passed] == 1) != want {
				t.Errorf("passed %v, want %q", passed, tt.passed)
			}
		})
	}
}

func TestHitNumbers(t *testing.T) {
	p := mustLoad(t, `{"rules": [{`+closing+`}]}`)
	for want := uint64(1); want <= 3; want++ {
		if d := p.Decide(request("/"), nil); d.N != want {
			t.Errorf("got hit %d, want %d", d.N, want)
		}
	}
}

func TestPhaseResponse(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "missing", "match_response": {"status_code": [404]}, `+closing+`},
		{"name": "broken", "match_response": {"status_code": [5], "headers": {"X-A": ["1"]}}, `+closing+`},
		{"name": "any", "phase": "response", "match": [{"header": {"X-Any": ["*"]}}], `+closing+`}
	]}`)
	tests := []struct {
		name   string
		r      *http.Request
		code   int
		header http.Header
		want   string
	}{
		{"first", request("/"), 404, nil, "missing"},
		{"a rule with 100 percent that cannot fire keeps no share", request("/"), 503, http.Header{"X-A": {"1"}}, "broken"},
		{"header differs", request("/"), 503, nil, ""},
		{"none", request("/"), 200, nil, ""},
		{"without match_response", request("/", "X-Any", "1"), 200, nil, "any"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := p.Decide(tt.r, nil)
			if d.Rule != nil {
				t.Fatalf("rule %s fires before the reply", d.Rule.Name)
			}
			got := later(d, tt.code, tt.header)
			if rule := ""; got.Rule == nil {
				if rule != tt.want {
					t.Errorf("got no rule, want %q", tt.want)
				}
			} else if got.Rule.Name != tt.want || got.N == 0 {
				t.Errorf("got rule %q, hit %d, want %q", got.Rule.Name, got.N, tt.want)
			}
		})
	}
}

// later returns the result of a decision for the header of a reply.
func later(d Decision, code int, header http.Header) Decision {
	if d.Later == nil {
		return d
	}
	return d.Later.Decide(code, header)
}

// A share in phase response belongs to its rule whether the reply matches or not. It
// comes after all shares of phase request.
func TestSharesOfBothPhases(t *testing.T) {
	p := mustLoad(t, `{"rules": [
		{"name": "late", "percent": 50, "match_response": {"status_code": [500]}, `+closing+`},
		{"name": "early", "percent": 30, `+closing+`},
		{"name": "last", "percent": 20, "phase": "response", `+closing+`}
	]}`)
	for _, tt := range []struct {
		u    float64
		code int
		want string
	}{
		{0, 500, "early"},
		{0.29, 200, "early"},
		{0.3, 500, "late"},
		{0.3, 200, ""},
		{0.79, 500, "late"},
		{0.8, 200, "last"},
		{0.99, 500, "last"},
	} {
		d := later(decide(p, tt.u, 0), tt.code, nil)
		got := ""
		if d.Rule != nil {
			got = d.Rule.Name
		}
		if got != tt.want {
			t.Errorf("draw %v, status %d: got %q, want %q", tt.u, tt.code, got, tt.want)
		}
	}
}

func TestDryRun(t *testing.T) {
	p := mustLoad(t, `{"rules": [{"dry_run": true, `+closing+`}]}`)
	var passed []Reason
	p.Passed = func(_ *Rule, reason Reason) { passed = append(passed, reason) }
	d := p.Decide(request("/"), nil)
	if d.Rule == nil || d.N != 1 {
		t.Errorf("got %+v, want the rule's first hit", d)
	}
	if !slices.Equal(passed, []Reason{ReasonDryRun}) {
		t.Errorf("got reasons %v, want dry_run", passed)
	}
}

func TestGroup(t *testing.T) {
	tests := []struct{ name, first, second, want string }{
		{"the same twice", `{"rules": [{` + closing + `}]}`, `{"rules": [{` + closing + `}]}`, ""},
		{"other rules", `{"rules": [{"name": "a", ` + closing + `}]}`, `{"rules": [{"name": "b", ` + closing + `}]}`, ""},
		{"other point", `{"point": "a", "rules": [{` + closing + `}]}`, `{"point": "b", "rules": [{"percent": 1, ` + closing + `}]}`, ""},
		{"other settings", `{"rules": [{` + closing + `}]}`, `{"rules": [{"percent": 1, ` + closing + `}]}`, "rule 'rule1' of point 'fault' is configured twice, with different settings"},
		{"other faults", `{"rules": [{` + closing + `}]}`, `{"rules": [{"faults": [{"fault": "reset"}]}]}`, "configured twice"},
		{"other seed", `{"seed": 1}`, `{"seed": 2}`, "point 'fault' is configured twice, with different sticky or seed"},
		{"other sticky", `{"sticky": "{http.request.host}"}`, `{"sticky": "{http.request.method}"}`, "with different sticky or seed"},
		{"one halted", `{"rules": [{` + closing + `}]}`, `{"halted": true, "rules": [{` + closing + `}]}`, "point 'fault' is configured twice, once with halted and once without"},
		{"both halted", `{"halted": true, "rules": [{` + closing + `}]}`, `{"halted": true, "rules": [{` + closing + `}]}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			group := new(Group)
			first, err := load(t, tt.first, group)
			if err != nil {
				t.Fatal(err)
			}
			second, err := load(t, tt.second, group)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got error %v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			group.Settle()
			if first.Name == second.Name && first.draws != second.draws {
				t.Error("points with the same name share nothing")
			}
			if first.Name == second.Name && first.Rules[0].Name == second.Rules[0].Name && first.Rules[0].counters != second.Rules[0].counters {
				t.Error("rules with the same name count separately")
			}
		})
	}
}

func TestRuleJSONRoundTrip(t *testing.T) {
	const config = `{"name":"a","match":[{"path":["/x"]}],"percent":0,"skip":0,"every":2,"over":{"requests":1,"window":60000000000},"times":3,"lasts":7,"per":"{http.request.uuid}","max_keys":4,"start":"1m","end":"2026-11-22T20:00:00Z","follows":{"rule":"b","for":8},"cycle":{"on":1,"period":2},"ramp":5,"max_active":6,"phase":"response","match_response":{"status_code":[5]},"dry_run":true,"observe":true,"faults":[{"fault":"close"}]}`
	var rule Rule
	if err := json.Unmarshal([]byte(config), &rule); err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(&rule)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != config {
		t.Errorf("got  %s\nwant %s", got, config)
	}
}
