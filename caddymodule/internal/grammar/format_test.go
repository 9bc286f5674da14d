package grammar_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// A line is told as it was written, unless there is a shorter way.
func TestLineRoundTrip(t *testing.T) {
	tests := []struct{ line, want string }{
		{"close", ""},
		{"551", "respond 551"},
		{"respond smtp:450", ""},
		{"respond 410 `it is \"gone\"; for ever`", ""},
		{`respond 410 ""`, "respond 410 ``"},
		{"respond 410 \"a ` b\"", ""},
		{"respond 200 {path}", "respond 200 {http.request.uri.path}"},
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
			if got := grammar.NewLine(caddyconfig.JSON(rule, nil)); got != want {
				t.Errorf("%q: got %q, want %q", line, got, want)
			}
		}
	}
}

// What cannot stand in a line is still told.
func TestLineOfBlocks(t *testing.T) {
	tests := []struct{ rule, want string }{
		{`{"faults": [{"fault": "respond", "status_code": 503, "close": true}]}`, `respond {"close":true,"status_code":503}`},
		{`{"faults": [{"fault": "delay", "duration": "1s", "hold": true}]}`, `delay {"duration":1000000000,"hold":true}`},
		{`{"faults": [{"fault": "sequence", "steps": [[{"fault": "close"}], []]}]}`, `sequence {"steps":[[{"fault":"close"}],[]]}`},
		{`{"match": [{"path": ["/a"], "method": ["GET"]}], "faults": [{"fault": "close"}]}`, `match { method GET; path /a }; close`},
		{`{"match": [{"not": [{"path": ["/a"]}]}], "faults": [{"fault": "close"}]}`, `match not [{"path":["/a"]}]; close`},
		{`{"match_response": {"status_code": [404], "headers": {"X-A": ["1"]}}, "faults": [{"fault": "close"}]}`, `match_response { header X-A 1; status 404 }; close`},
		{`{"faults": [{"fault": "refuse"}]}`, `refuse`}, // of a transport; no line reads it
		{`{"faults": [{"fault": "delay"}]}`, `delay {}`},
		{`{"faults": [{"fault": "nonsense"}]}`, `{"fault": "nonsense"}`},
	}
	for _, tt := range tests {
		if got := grammar.NewLine(json.RawMessage(tt.rule)); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.rule, got, tt.want)
		}
	}
}

// The rule of each golden file of a kind is told, and if the parser reads that
// it means the rule.
func TestLineOfEveryKind(t *testing.T) {
	for _, g := range testkit.Goldens(t, "../../kinds/testdata", "kind_*") {
		if g.Refused() {
			continue
		}
		var config any
		if err := json.Unmarshal([]byte(g.Want), &config); err != nil {
			t.Fatal(err)
		}
		testkit.Collect(config, func(node map[string]any) {
			if _, is := node["faults"]; !is {
				return
			}
			delete(node, "name")
			source := caddyconfig.JSON(node, nil)
			line := grammar.NewLine(source)
			if strings.Contains(line, "{") || strings.Contains(line, "refuse") {
				return
			}
			rule, err := grammar.ParseLine(line)
			if err != nil || grammar.NewLine(caddyconfig.JSON(rule, nil)) != line {
				t.Errorf("%s: %s was told as %q: %v", g.Name, source, line, err)
			}
		})
	}
}

func TestParseLineRefused(t *testing.T) {
	tests := []struct {
		line       string
		start, end int
		err        string
	}{
		{"", 0, 0, "the line is empty"},
		{"percent 10", 0, 10, "rule without a fault"},
		{"percent 10; explode", 11, 19, "unrecognized word 'explode'"},
		{"percent 110; close", 0, 11, "bad percent '110'"},
		{"close; delay 1s", 6, 15, "comes behind"},
		{"match @named; close", 0, 12, "unrecognized matcher name: @named"},
		{"max_keys 3; close", 0, 10, "max_keys without per"},
		{`respond 503 "open`, 0, 17, "is open"},
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
		told := grammar.NewLine(source)
		if strings.ContainsAny(told, "{\"\\\n") {
			return // it may have JSON in it
		}
		again, err := grammar.ParseLine(told)
		if err != nil || !grammar.SameJSON(caddyconfig.JSON(again, nil), source) {
			t.Errorf("%q was told as %q: %v", line, told, err)
		}
	})
}
