package grammar_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Format returns a line as it was written, or a shorter one.
func TestLineRoundTrip(t *testing.T) {
	tests := []struct{ line, want string }{
		{"close", ""},
		{"551", "respond 551"},
		{"respond smtp:450", ""},
		{"respond 410 `it is \"gone\"; for ever`", ""},
		{`respond 410 ""`, "respond 410 ``"},
		{"respond 410 \"a ` b\"", ""},
		{"respond 200 {path}", "respond 200 {http.request.uri.path}"},
		{"respond 503; retry_after 5s", ""},
		{"throttle 64KiB/s; after 1KiB; burst 1MiB; shared; both", ""},
		{"per {header.X-User}; throttle 64KiB/s; shared", "per {http.request.header.X-User}; throttle 64KiB/s; shared"},
		{"ratelimit 100 1m", ""},
		{"ratelimit 100 1h x_unix", ""},
		{"delay ramp 100ms 5s 10m", ""},
		{"503; retry_after 1m date; percent 10", "percent 10; respond 503; retry_after 1m date"},
		{"delay 1s; respond 429 slow; retry_after off", ""},
		{"error 502 `no luck`", ""},
		{"error", ""},
		{"grpc UNAVAILABLE later", ""},
		{"percent 10; delay 200ms 2s; respond 503", ""},
		{"percent 12.5%; reset", "percent 12.5; reset"},
		{"percent 0; reset", ""},
		{"delay normal 1.5s 100ms", ""},
		{"delay lognormal 300ms 0.8", ""},
		{"delay pareto 100ms 1.5", ""},
		{"delay percentiles p50=100ms p95=1s p99=10m", ""},
		{"delay 2m30s", ""},
		{"hang", ""},
		{"hang 1h", ""},
		{"garbage 64KiB", ""},
		{"garbage 1000B", ""},
		{"malformed 503", ""},
		{"truncate 50%", ""},
		{"truncate 3MiB reset", ""},
		{"throttle 64KiB/s", ""},
		{"dribble 10 5s", ""},
		{"corrupt 1%", ""},
		{"skip 2; every 3; over 100 1m; times 5; per {header.X-User}; max_keys 10; close", "skip 2; every 3; over 100 1m; times 5; per {http.request.header.X-User}; max_keys 10; close"},
		{"percent 10; lasts 1m30s; close", ""},
		{"start 2026-11-22T20:00:00Z; end 2d; cycle 10s 1m; ramp 1h; close", ""},
		{"max_active 3; phase response; dry_run; close", ""},
		{"match_response status 5xx 404; close", ""},
		{"match_response header X-A b*; close", ""},
		{"match path /a/* /b; close", ""},
		{"match /a/*; close", "match path /a/*; close"},
		{"match *; close", ""},
		{"match method GET; match host a.test; close", ""},
		{"match header X-A `b c`; close", ""},
		{"match query a=1; close", ""},
		{"match `{path} == \"/a\"`; close", "match expression `{http.request.uri.path} == \"/a\"`; close"},
		{"match remote_ip 192.0.2.0/24; close", ""},
	}
	for _, tt := range tests {
		want := tt.want
		if want == "" {
			want = tt.line
		}
		for _, line := range []string{tt.line, want} {
			rule, err := grammar.ParseLine(line)
			if err != nil {
				t.Errorf("%q: %v", line, err)
				continue
			}
			if got := grammar.Format(caddyconfig.JSON(rule, nil)); got != want {
				t.Errorf("%q: got %q, want %q", line, got, want)
			}
		}
	}
}

// Settings that cannot be written in a line are still shown.
func TestLineOfBlocks(t *testing.T) {
	tests := []struct{ rule, want string }{
		{`{"faults": [{"fault": "respond", "status_code": 503, "close": true}]}`, `respond {"close":true,"status_code":503}`},
		{`{"faults": [{"fault": "delay", "duration": "1s", "hold": true}]}`, `delay {"duration":1000000000,"hold":true}`},
		{`{"faults": [{"fault": "sequence", "steps": [[{"fault": "close"}], []]}]}`, `sequence {"steps":[[{"fault":"close"}],[]]}`},
		{`{"match": [{"path": ["/a"], "method": ["GET"]}], "faults": [{"fault": "close"}]}`, `match { method GET; path /a }; close`},
		{`{"match": [{"not": [{"path": ["/a"]}]}], "faults": [{"fault": "close"}]}`, `match not [{"path":["/a"]}]; close`},
		{`{"match_response": {"status_code": [404], "headers": {"X-A": ["1"]}}, "faults": [{"fault": "close"}]}`, `match_response { header X-A 1; status 404 }; close`},
		{`{"faults": [{"fault": "refuse"}]}`, `refuse`}, // of a transport; cannot be parsed in a line
		{`{"faults": [{"fault": "delay"}]}`, `delay {}`},
		{`{"faults": [{"fault": "delay", "max": "1s"}]}`, `delay {"max":1000000000}`},
		{`{"faults": [{"fault": "delay", "distribution": "fixed", "duration": "1s"}]}`, `delay {"distribution":"fixed","duration":1000000000}`},
		{`{"faults": [{"fault": "dribble", "chunks": 3000000000, "duration": "1s"}]}`, `dribble {"chunks":3000000000,"duration":1000000000}`},
		{`{"faults": [{"fault": "grpc", "code": 14, "message": "{path}"}]}`, `grpc {"code":14,"message":"{path}"}`}, // a parser would expand it
		{`{"faults": [{"fault": "error", "message": "404"}]}`, `error {"message":"404"}`},
		{`{"faults": [{"fault": "error", "message": "a\nb"}]}`, `error {"message":"a\nb"}`},
		{`{"faults": [{"fault": "nonsense"}]}`, `{"fault": "nonsense"}`},
	}
	for _, tt := range tests {
		if got := grammar.Format(json.RawMessage(tt.rule)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.rule, got, tt.want)
		}
	}
}

// Format returns each fault in the golden files of a kind. If the result has no JSON,
// the parser reads it as the same fault.
func TestLineOfEveryKind(t *testing.T) {
	for _, g := range testkit.Goldens(t, "../../kinds/testdata", "kind_*") {
		if g.Refused() {
			continue
		}
		var config any
		if err := json.Unmarshal([]byte(g.Want), &config); err != nil {
			t.Fatal(err)
		}
		testkit.Collect(config, func(fault map[string]any) {
			source := caddyconfig.JSON(map[string]any{"faults": []any{fault}}, nil)
			line := grammar.Format(source)
			if strings.Contains(line, "{") || strings.Contains(line, "refuse") {
				return
			}
			rule, err := grammar.ParseLine(line)
			if err != nil || !grammar.SameJSON(caddyconfig.JSON(rule, nil), source) {
				t.Errorf("%s: %s was told as %q: %v", g.Name, source, line, err)
			}
		})
	}
}

// Format writes each setting of a rule. A new setting must be added here.
func TestLineOfEverySetting(t *testing.T) {
	source := `{"name": "n", "match": [{}], "percent": 0, "skip": 0, "every": 1, "over": {"requests": 1, "window": "1s"}, "times": 1, "lasts": "1m",
		"per": "{http.request.host}", "max_keys": 1, "start": "1s", "end": "1h", "follows": {"rule": "other", "for": "5s"}, "cycle": {"on": "1s", "period": "1m"}, "ramp": "1s", "max_active": 1,
		"phase": "response", "match_response": {"status_code": [5]}, "health_checks": true, "dry_run": true, "observe": true, "faults": [{"fault": "close"}]}`
	want := "match *; percent 0; skip 0; every 1; over 1 1s; times 1; lasts 1m; per {http.request.host}; max_keys 1; start 1s; end 1h; follows other 5s; cycle 1s 1m; ramp 1s; max_active 1; " +
		"phase response; match_response status 5xx; health_checks; dry_run; observe; close"
	if got := grammar.Format(json.RawMessage(source)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var rule rules.Rule
	if err := json.Unmarshal([]byte(source), &rule); err != nil {
		t.Fatal(err)
	}
	value := reflect.ValueOf(rule)
	for _, field := range reflect.VisibleFields(value.Type()) {
		if name := field.Tag.Get("json"); name != "" && name != "-" && value.FieldByIndex(field.Index).IsZero() {
			t.Errorf("the rule does not have %s", field.Name)
		}
	}
}

func TestParseLineRefused(t *testing.T) {
	tests := []struct {
		line       string
		start, end int
		err        string
	}{
		{"", 0, 0, "the line is empty"},
		{"percent 10", 0, 10, "a rule needs a fault"},
		{"percent 10; explode", 11, 19, "unknown word 'explode'"},
		{"percent 110; close", 0, 11, "bad percent '110'"},
		{"close; delay 1s", 6, 15, "swap the two: delay 1s; close"},
		{"match @named; close", 0, 12, "unknown matcher '@named'"},
		{"max_keys 3; close", 0, 10, "max_keys requires per"},
		{`respond 503 "open`, 0, 17, "is not closed"},
	}
	for _, tt := range tests {
		_, err := grammar.ParseLine(tt.line)
		at, ok := errors.AsType[*grammar.LineError](err)
		if !ok || at.Start != tt.start || at.End != tt.end || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %v at %+v, want %q from %d to %d", tt.line, err, at, tt.err, tt.start, tt.end)
		}
		if err != nil && strings.Contains(err.Error(), ", at ") {
			t.Errorf("%q: the error %q names a file", tt.line, err)
		}
	}
}

// Whatever is written, the line that it is told as means the same.
func FuzzLine(f *testing.F) {
	for _, seed := range []string{
		"551", "percent 10; delay 200ms 2s; respond 503 `a; b`", "match path /a/*; match header X-A b; close",
		"match_response status 5xx; truncate 50% reset", "delay percentiles p50=1s p99=10m", "per {header.X-A}; times 3; hang",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		rule, err := grammar.ParseLine(line)
		if err != nil {
			if _, ok := errors.AsType[*grammar.LineError](err); !ok {
				t.Errorf("%q: the error %v has no place", line, err)
			}
			return
		}
		source := caddyconfig.JSON(rule, nil)
		told := grammar.Format(source)
		if strings.ContainsAny(told, "{\"\\\n") {
			return // may contain JSON
		}
		again, err := grammar.ParseLine(told)
		if err != nil || !grammar.SameJSON(caddyconfig.JSON(again, nil), source) {
			t.Errorf("%q was told as %q: %v", line, told, err)
		}
	})
}

// BenchmarkFormat is what the line of a rule costs, which the API shows in each view.
func BenchmarkFormat(b *testing.B) {
	for _, bench := range []struct{ name, rule string }{
		{"fault", `{"faults": [{"fault": "respond", "status_code": 503}]}`},
		{"settings", `{"percent": 10, "skip": 2, "over": {"requests": 100, "window": "1m"}, "faults": [{"fault": "delay", "min": "200ms", "max": "2s"}, {"fault": "respond", "status_code": 503, "body": "it is gone"}]}`},
		{"matchers", `{"match": [{"path": ["/api/*"]}, {"header": {"X-A": ["b c"]}}], "faults": [{"fault": "respond", "status_code": 503}]}`},
		{"block", `{"faults": [{"fault": "choose", "branches": [{"weight": 1, "faults": [{"fault": "close"}]}, {"weight": 2}]}]}`},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				grammar.Format(json.RawMessage(bench.rule))
			}
		})
	}
}
