package inject

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

const testKey = "0123456789abcdef"

// A client learns why its trigger is refused. It gets the whole reason if it has the
// key or no key is required. Otherwise it only learns that the key is the problem.
func TestTriggerRefusedIsTold(t *testing.T) {
	const (
		anybody = `{"source": "header"}`
		keyed   = `{"source": "header", "key": "` + testKey + `"}`
		unknown = " is not allowed here: want id, percent, phase, skip, times, or one of close, corrupt, delay, "
	)
	for _, tt := range []struct {
		triggers string
		fields   []string
		want     []string // beginnings
	}{
		{anybody, nil, nil},
		{anybody, []string{"X-Fault", "551"}, nil},
		{anybody, []string{"X-Fault", "pass"}, nil},
		{anybody, []string{"X-Fault", "percent 0; 551"}, nil},
		{keyed, []string{"X-Fault", "key " + testKey + "; 551"}, nil},

		{anybody, []string{"X-Fault", "delay 1"}, []string{"bad duration '1': want one such as 250ms or 2s"}},
		{anybody, []string{"X-Fault", "latency 1s"}, []string{"'latency'" + unknown}},
		{anybody, []string{"X-Fault", "dealy 3s"}, []string{"'dealy' is not allowed here: did you mean 'delay'?"}},
		{anybody, []string{"X-Fault", "choose"}, []string{"'choose' is not allowed here: want id, percent"}}, // not close, which is another kind
		{`{"source": "header", "allow": ["reset"]}`, []string{"X-Fault", "dealy 3s"}, []string{"'dealy' is not allowed here: want id, percent, phase, skip, times, or one of reset"}},
		{anybody, []string{"X-Fault", "times 1; 551"}, []string{"skip and times count the requests with an id: write one, such as id test-42; times 2; 503"}},
		{anybody, []string{"X-Fault", "respond 429; header Retry-After 1"}, []string{"'header'" + unknown}},
		{anybody, []string{"X-Fault", ""}, []string{"the line is empty"}},
		{anybody, []string{"X-Fault", "551", "X-Fault", "551"}, []string{"X-Fault occurs 2 times; send it once"}},
		{anybody, []string{"X-Fault", "delay " + testKey}, []string{"the line cannot be parsed: want a line"}},
		{`{"source": "header", "allow": ["reset"]}`, []string{"X-Fault", "551"}, []string{"'respond' is not allowed here: want id, percent, phase, skip, times, or one of reset"}},

		{keyed, []string{"X-Fault", "551"}, []string{"key"}},
		{keyed, []string{"X-Fault", "nonsense"}, []string{"key"}},
		{keyed, []string{"X-Fault", "key " + testKey[1:] + "; 551"}, []string{"key"}},
		{keyed, []string{"X-Fault", "key " + testKey + "; 551", "X-Fault", "key " + testKey + "; 551"}, []string{"key"}},
		{keyed, []string{"X-Fault", "key " + testKey + "; delay 1"}, []string{"bad duration '1'"}},
		{keyed, []string{"X-Fault", "key " + testKey}, []string{"the line is empty"}},
		{keyed, []string{"X-Fault", "key " + testKey + "; key " + testKey + "; 551"}, []string{"'key' is only allowed as the first statement"}},

		{`{"source": "cookie"}`, []string{"Cookie", "fault=nonsense"}, []string{"'nonsense'"}},
		{`{"source": "cookie"}`, []string{"Cookie", "fault=%zz"}, []string{"the cookie is not percent-encoded"}},
		{`{"source": "cookie"}`, []string{"Cookie", "fault=a%7Fb%C3%A9"}, []string{"'a?b?' is not"}},
		{`{"source": "cookie"}`, []string{"Cookie", "fault=delay%20%C3%A9%F0%9F%98%80"}, []string{"bad duration '??'"}},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=%FF"}, []string{"'?'"}},
		{`{"source": "baggage"}`, []string{"Baggage", "fault=551,=x"}, []string{"the field Baggage is malformed"}},
		{`{"source": "envoy"}`, []string{"X-Envoy-Fault-Abort-Request", "199", "X-Envoy-Fault-Delay-Request", "soon"}, []string{
			"bad X-Envoy-Fault-Delay-Request 'soon': want a whole number up to 2147483648; bad X-Envoy-Fault-Abort-Request '199': want 200 to 599",
		}},

		{anybody + `, {"source": "cookie", "key": "` + testKey + `"}`, []string{"X-Fault", "delay 1", "Cookie", "fault=551"}, []string{"bad duration '1'", "key"}},
		{anybody + `, {"source": "cookie"}`, []string{"X-Fault", "delay 1", "Cookie", "fault=551"}, []string{"bad duration '1'"}},
		{anybody + `, {"source": "cookie"}`, []string{"X-Fault", "551", "Cookie", "fault=delay"}, nil}, // the first trigger is obeyed
	} {
		got := testkit.Ask(load(t, testkit.Triggered(tt.triggers), ""), tt.fields...)
		told := got.Header[control.RefusedField]
		if !slices.EqualFunc(told, tt.want, strings.HasPrefix) {
			t.Errorf("%s %q: told %q, want %q", tt.triggers, tt.fields, told, tt.want)
		}
		if text := fmt.Sprint(told); strings.Contains(text, testKey[:8]) {
			t.Errorf("%s %q: a key is told: %s", tt.triggers, tt.fields, text)
		}
	}
}

// A preset of the configuration needs allow. A trigger that has it is not told so.
func TestTriggerRefusesPreset(t *testing.T) {
	const unknown = "unknown preset 'acme-busy': list all with caddy fault presets"
	for triggers, want := range map[string]string{
		`{"source": "header"}`:                      unknown + "; for one of the configuration, the trigger needs allow preset",
		`{"source": "header", "allow": ["preset"]}`: unknown,
	} {
		got := testkit.Ask(load(t, testkit.Triggered(triggers), ""), "X-Fault", "preset acme-busy").Header.Get(control.RefusedField)
		if got != want {
			t.Errorf("%s: told %q, want %q", triggers, got, want)
		}
	}
}

// A long reason is cut and other characters than ASCII are replaced, because servers
// and clients refuse such fields.
func TestTriggerRefusedIsBounded(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "cookie"}`), "")
	got := testkit.Ask(h, "Cookie", "fault="+strings.Repeat("a%C3%A9%20", 99)).Header.Get(control.RefusedField)
	checkReason(t, got)
	if got = testkit.Ask(h, "Cookie", "fault=delay"+strings.Repeat("%20n%C3%A9v%C3%A8r", 12)).Header.Get(control.RefusedField); !strings.Contains(got, "n?v?r") {
		t.Errorf("got %q, want the words of the client", got)
	}
	checkReason(t, got)
}

func checkReason(t *testing.T, reason string) {
	t.Helper()
	if len(reason) > 256 || strings.ContainsFunc(reason, func(c rune) bool { return c < ' ' || c > '~' }) {
		t.Errorf("reason of %d bytes: %q", len(reason), reason)
	}
}

// The field is sent whatever else hits the request. disclose does not rename it.
func TestTriggerRefusedAndHit(t *testing.T) {
	const told = "'nonsense'"
	for _, tt := range []struct {
		app, rule    string
		status       int
		field        string // field of the hit
		fault, wants string
	}{
		{"", `"faults": [{"fault": "respond", "status_code": 503}]`, 503, "X-Fault-Injected", "r", told},
		{"", `"phase": "response", "faults": [{"fault": "respond", "status_code": 503}]`, 503, "X-Fault-Injected", "r", told},
		{"", `"phase": "response", "faults": [{"fault": "delay", "duration": 1}]`, 200, "X-Fault-Injected", "r", told},
		{"", `"faults": [{"fault": "error", "status_code": 502}]`, 502, "X-Fault-Injected", "r", told},
		{"", `"percent": 0, "faults": [{"fault": "close"}]`, 200, "X-Fault-Injected", "", told},
		{`{"disclose": "X-Chaos"}`, `"faults": [{"fault": "respond", "status_code": 503}]`, 503, "X-Chaos", "r", told},
		{`{"disclose": "off"}`, `"faults": [{"fault": "respond", "status_code": 503}]`, 503, "X-Fault-Injected", "", ""},
		{`{"dry_run": true}`, `"faults": [{"fault": "respond", "status_code": 503}]`, 200, "X-Fault-Injected", "", told},
		{`{"halted": true}`, `"faults": [{"fault": "respond", "status_code": 503}]`, 200, "X-Fault-Injected", "", ""},
	} {
		h := load(t, `{"point": "trig", "triggers": [{"source": "header"}], "rules": [{"name": "r", `+tt.rule+`}]}`, tt.app)
		got := testkit.Ask(h, "X-Fault", "nonsense")
		if got.Status != tt.status || got.Header.Get(tt.field) != tt.fault {
			t.Errorf("%s %s: got status %d and %s %q", tt.app, tt.rule, got.Status, tt.field, got.Header.Get(tt.field))
		}
		if reason := got.Header.Get(control.RefusedField); (reason == "") != (tt.wants == "") || !strings.HasPrefix(reason, tt.wants) {
			t.Errorf("%s %s: told %q, want %q", tt.app, tt.rule, reason, tt.wants)
		}
	}
}

// Each point that refuses a trigger adds the field, next to a point that obeys and to
// fields from the upstream.
func TestTriggerRefusedAtSeveralPoints(t *testing.T) {
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header", "allow": ["reset"]}]}`, "")
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}]}`)
	for line, want := range map[string][]string{
		"nonsense": {"'nonsense' is not", "'nonsense' is not"},
		"551":      {"'respond' is not"},
		"delay 1":  {"'delay' is not", "bad duration '1'"},
	} {
		w := httptest.NewRecorder()
		r := testkit.Request(http.MethodGet, "/", w)
		r.Header.Set("X-Fault", line)
		err := outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
		}))
		if told := w.Header()[control.RefusedField]; err != nil || !slices.EqualFunc(told, want, strings.HasPrefix) {
			t.Errorf("%s: told %q, want %q; %v", line, told, want, err)
		}
	}
}

// Refusals have a separate journal of limited size, so that unknown clients cannot push
// out hits.
func TestTriggerRefusedIsEntered(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "header", "key": "`+testKey+`"}`), "")
	testkit.Ask(h, "X-Fault", "key "+testKey+"; 551")
	for range 1500 {
		testkit.Ask(h, "X-Fault", "551")
	}
	testkit.Ask(h, "X-Fault", "key "+testKey+"; times 1")
	hits := slices.Collect(h.ctl.Journal.Entries(experiments.Query{}))
	if len(hits) != 1 || hits[0].Refused != "" || hits[0].ID == 0 {
		t.Errorf("hits: got %+v", hits)
	}
	entries := slices.Collect(h.ctl.Refusals.Entries(experiments.Query{}))
	if len(entries) != 1000 {
		t.Fatalf("got %d entries, want the last 1000", len(entries))
	}
	for i, want := range map[int]string{998: "the key is missing or wrong", 999: "the line has no fault"} {
		e := entries[i]
		if !strings.HasPrefix(e.Refused, want) || e.Point != "trig" || e.Rule != "trigger" || e.Kind != "" || e.ID != 0 || e.Method != "GET" || e.Path != "/" || !e.Done {
			t.Errorf("got %+v, want %q", e, want)
		}
	}
	if got := h.Triggers[0]; got.Refused() != 1501 || got.Hits() != 1 {
		t.Errorf("counted %d refusals and %d hits, want 1501 and 1", got.Refused(), got.Hits())
	}
}
