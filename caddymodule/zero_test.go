package caddymodule

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddyfault/caddyfault/caddymodule/console"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// Whether a zero has a meaning. If it has none, it is refused.
const (
	means   = true
	refused = false
)

// A zero is a setting with the value zero, in each form in which it can be written. An
// empty form does not exist.
type zero struct {
	setting string // the struct and its JSON field; several rows may have the same
	means   bool
	block   string // lines of an injection point, or of the global option
	line    string // a rule in one line
	json    string // members of a rule, an injection point, an experiment or the app
}

// zeroFault returns a rule with one fault. Unless the fault has a block, its line in a
// Caddyfile is also a rule in one line.
func zeroFault(setting string, means bool, block, json string) zero {
	z := zero{setting: setting, means: means, block: block, json: `"faults": [` + json + `]`}
	if !strings.Contains(block, "{") {
		z.line = block
	}
	return z
}

// zeroRule returns a rule with settings.
func zeroRule(setting string, means bool, lines, json string) zero {
	z := zero{setting: setting, means: means, block: lines + "\nclose", json: json + `, "faults": [{"fault": "close"}]`}
	if !strings.Contains(lines, "{\n") {
		z.line = strings.ReplaceAll(lines, "\n", "; ") + "; close"
	}
	return z
}

// zeros lists every number and every duration of all settings. Add new settings here.
var zeros = []zero{
	{"App.max_active", refused, "max_active 0", "", `"max_active": 0`},
	{"App.journal", means, "journal 0", "", `"journal": 0`},
	{"App.journal_keep", refused, "journal 1000 0s", "", `"journal_keep": "0s"`},
	{"Share.interval", refused, "share g 0s", "", `"share": {"group": "g", "interval": "0s"}`},
	{"HaltWhen.errors", refused, "halt_when 0 1m", "", `"halt_when": {"errors": 0, "window": "1m"}`},
	{"Clients.window", refused, "clients {\nwindow 0s\n}", "", `"clients": {"window": 0}`},
	{"Clients.recovery", refused, "clients {\nrecovery 0s\n}", "", `"clients": {"recovery": "0s"}`},
	{"Clients.max_calls", refused, "clients {\nmax_calls 0\n}", "", `"clients": {"max_calls": 0}`},
	{"Clients.attempts", refused, "clients {\nattempts 0\n}", "", `"clients": {"attempts": 0}`},
	{"HaltWhen.window", refused, "halt_when 5 0s", "", `"halt_when": {"errors": 5, "window": 0}`},

	{"Handler.seed", means, "seed 0\nclose", "", `"seed": 0`},
	{"Transport.seed", means, "transport seed 0", "", `"seed": 0`},
	{"Trigger.max_delay", refused, "trigger header {\nmax_delay 0s\n}", "", `"triggers": [{"source": "header", "max_delay": "0s"}]`},
	{"Trigger.max_active", refused, "trigger header {\nmax_active 0\n}", "", `"triggers": [{"source": "header", "max_active": 0}]`},
	{"Trigger.percent", means, "trigger header {\npercent 0\n}", "", `"triggers": [{"source": "header", "percent": 0}]`},

	zeroRule("Rule.percent", means, "percent 0", `"percent": 0`),
	zeroRule("Rule.skip", means, "skip 0", `"skip": 0`),
	zeroRule("Rule.every", refused, "every 0", `"every": 0`),
	zeroRule("Rule.times", refused, "times 0", `"times": 0`),
	zeroRule("Rule.max_keys", refused, "per {http.request.header.X}\nmax_keys 0", `"per": "{http.request.header.X}", "max_keys": 0`),
	zeroRule("Rule.max_active", refused, "max_active 0", `"max_active": 0`),
	zeroRule("Rule.ramp", refused, "ramp 0s", `"ramp": 0`),
	zeroRule("Follows.for", refused, "follows rule1 0s", `"follows": {"rule": "rule1", "for": 0}`),
	zeroRule("Rule.lasts", refused, "lasts 0s", `"lasts": 0`),
	zeroRule("Rule.start", refused, "start 0s", `"start": "0s"`),
	zeroRule("Rule.end", refused, "end 0s", `"end": "0s"`),
	zeroRule("Over.requests", refused, "over 0 1m", `"over": {"requests": 0, "window": "1m"}`),
	zeroRule("Over.window", refused, "over 5 0s", `"over": {"requests": 5, "window": "0s"}`),
	zeroRule("Cycle.on", refused, "cycle 0s 1m", `"cycle": {"on": "0s", "period": "1m"}`),
	zeroRule("Cycle.period", refused, "cycle 1s 0s", `"cycle": {"on": "1s", "period": 0}`),
	zeroRule("ResponseMatcher.status_code", refused, "match_response {\nstatus 0\n}", `"match_response": {"status_code": [0]}`),
	{"Draws.seed", means, "", "", `"seed": 0, "faults": [{"fault": "close"}]`}, // of an experiment
	{"Experiment.ttl", means, "", "", `"ttl": 0, "faults": [{"fault": "close"}]`},

	zeroFault("Delay.duration", refused, "delay 0s", `{"fault": "delay", "duration": "0s"}`),
	zeroFault("Delay.duration", refused, "delay 0", `{"fault": "delay", "duration": 0}`),
	zeroFault("Delay.duration", refused, "delay 0s {\nhold\n}", `{"fault": "delay", "hold": true}`),
	zeroFault("Delay.duration", refused, "", `{"fault": "delay"}`),
	zeroFault("Delay.min", means, "delay 0s 1s", `{"fault": "delay", "min": 0, "max": "1s"}`),
	zeroFault("Delay.max", refused, "delay 0s 0s", `{"fault": "delay", "min": 0, "max": 0}`),
	zeroFault("Delay.mean", means, "delay normal 0s 1s", `{"fault": "delay", "mean": 0, "deviation": "1s"}`),
	zeroFault("Delay.mean", refused, "delay normal 0s 0s", `{"fault": "delay", "distribution": "normal", "mean": 0, "deviation": 0}`),
	zeroFault("Delay.deviation", means, "delay normal 1s 0s", `{"fault": "delay", "mean": "1s", "deviation": 0}`),
	zeroFault("Delay.median", refused, "delay lognormal 0s 1", `{"fault": "delay", "median": 0, "sigma": 1}`),
	zeroFault("Delay.sigma", means, "delay lognormal 1s 0", `{"fault": "delay", "median": "1s", "sigma": 0}`),
	zeroFault("Delay.scale", refused, "delay pareto 0s 1", `{"fault": "delay", "scale": 0, "shape": 1}`),
	zeroFault("Delay.shape", refused, "delay pareto 1s 0", `{"fault": "delay", "scale": "1s", "shape": 0}`),
	zeroFault("Delay.percentiles", refused, "delay percentiles p50=0s p99=0s", `{"fault": "delay", "percentiles": {"p50": 0, "p99": "0s"}}`),
	zeroFault("Delay.percentiles", means, "delay percentiles p50=0s p99=1s", `{"fault": "delay", "percentiles": {"p50": 0, "p99": "1s"}}`),
	zeroFault("Delay.from", means, "delay ramp 0s 1s 1m", `{"fault": "delay", "from": 0, "to": "1s", "ramp": "1m"}`),
	zeroFault("Delay.to", refused, "delay ramp 0s 0s 1m", `{"fault": "delay", "from": 0, "to": "0s", "ramp": "1m"}`),
	zeroFault("Delay.ramp", refused, "delay ramp 0s 1s 0s", `{"fault": "delay", "to": "1s", "ramp": "0s"}`),
	zeroFault("Delay.at_least", means, "delay 0s 1s {\nat_least 0s\n}", `{"fault": "delay", "max": "1s", "at_least": 0}`),
	zeroFault("Delay.at_most", refused, "delay 0s 1s {\nat_most 0s\n}", `{"fault": "delay", "max": "1s", "at_most": "0s"}`),
	zeroFault("Hang.duration", refused, "hang 0s", `{"fault": "hang", "duration": 0}`),
	zeroFault("Hang.after", refused, "hang {\nafter 0s\n}", `{"fault": "hang", "after": "0s"}`),
	zeroFault("Hang.after", means, "hang {\nafter 0B\n}", `{"fault": "hang", "after": "0B"}`),
	zeroFault("Truncate.bytes", means, "truncate 0B", `{"fault": "truncate", "bytes": 0}`),
	zeroFault("Truncate.percent", means, "truncate 0%", `{"fault": "truncate", "percent": 0}`),
	zeroFault("Truncate.after", refused, "truncate 5B {\nafter 0s\n}", `{"fault": "truncate", "bytes": 5, "after": "0s"}`),
	zeroFault("Throttle.bytes_per_second", refused, "throttle 0B/s", `{"fault": "throttle", "bytes_per_second": 0}`),
	zeroFault("Throttle.after", means, "throttle 1KiB/s {\nafter 0B\n}", `{"fault": "throttle", "bytes_per_second": 1024, "after": 0}`),
	zeroFault("Throttle.burst", means, "throttle 1KiB/s {\nburst 0B\n}", `{"fault": "throttle", "bytes_per_second": 1024, "burst": 0}`),
	zeroFault("RateLimit.requests", refused, "ratelimit 0 1m", `{"fault": "ratelimit", "requests": 0, "window": "1m"}`),
	zeroFault("RateLimit.window", refused, "ratelimit 1 0s", `{"fault": "ratelimit", "requests": 1, "window": "0s"}`),
	zeroFault("Dribble.chunks", refused, "dribble 0 1s", `{"fault": "dribble", "chunks": 0, "duration": "1s"}`),
	zeroFault("Dribble.duration", refused, "dribble 5 0s", `{"fault": "dribble", "chunks": 5, "duration": 0}`),
	zeroFault("Corrupt.percent", refused, "corrupt 0%", `{"fault": "corrupt", "percent": 0}`),
	zeroFault("Garbage.bytes", refused, "garbage 0B", `{"fault": "garbage", "bytes": 0}`),
	zeroFault("Malformed.status_code", refused, "malformed 0", `{"fault": "malformed", "status_code": 0}`),
	zeroFault("Error.status_code", refused, "error 0", `{"fault": "error", "status_code": 0}`),
	zeroFault("Respond.status_code", refused, "respond 0", `{"fault": "respond", "status_code": 0}`),
	zeroFault("Close.code", means, "close goaway 0", `{"fault": "close", "goaway": true, "code": 0}`),
	zeroFault("Reset.code", means, "reset 0", `{"fault": "reset", "code": 0}`),
	zeroFault("GRPC.code", refused, "grpc 0", `{"fault": "grpc", "code": 0}`),
	zeroFault("GRPC.retry_info", refused, "grpc 14 {\nretry_info 0s\n}", `{"fault": "grpc", "code": 14, "retry_info": 0}`),
	zeroFault("Interim.status_code", refused, "interim 0", `{"fault": "interim", "status_code": 0}`),
	zeroFault("Interim.count", refused, "interim 103 0", `{"fault": "interim", "status_code": 103, "count": 0}`),
	zeroFault("Interim.gap", refused, "interim 103 2 0s", `{"fault": "interim", "status_code": 103, "count": 2, "gap": 0}`),
	zeroFault("Respond.status_codes", refused, "respond 500,000", `{"fault": "respond", "status_codes": [0]}`),
	zeroFault("Respond.body_size", refused, "respond 200 {\nbody_size 0B\n}", `{"fault": "respond", "status_code": 200, "body_size": 0}`),
	zeroFault("Patch.status_code", refused, "patch {\nheader X 1\nstatus 0\n}", `{"fault": "patch", "headers": {"set": {"X": ["1"]}}, "status_code": 0}`),
	zeroFault("Patch.pad", refused, "patch {\nheader X 1\npad 0B\n}", `{"fault": "patch", "headers": {"set": {"X": ["1"]}}, "pad": 0}`),
	zeroFault("Patch.max_size", refused, "patch {\njson `{}`\nmax_size 0B\n}", `{"fault": "patch", "json": {}, "max_size": 0}`),
	zeroFault("Mutate.count", refused, "mutate {\ncount 0\n}", `{"fault": "mutate", "count": 0}`),
	zeroFault("Mutate.max_size", refused, "mutate {\nmax_size 0B\n}", `{"fault": "mutate", "max_size": 0}`),
	zeroFault("Stream.max_event", refused, "stream {\neach drop\nmax_event 0B\n}", `{"fault": "stream", "steps": [{"events": "each", "action": "drop"}], "max_event": 0}`),
	zeroFault("StreamStep.count", refused, "stream 1 repeat 0", `{"fault": "stream", "steps": [{"events": "1", "action": "repeat", "count": 0}]}`),
	zeroFault("StreamStep.size", refused, "stream 1 split 0B", `{"fault": "stream", "steps": [{"events": "1", "action": "split", "size": 0}]}`),
	zeroFault("StreamStep.percent", refused, "stream 1 cut 0%", `{"fault": "stream", "steps": [{"events": "1", "action": "cut", "percent": 0}]}`),
	zeroFault("StreamStep.gap", refused, "stream 1 split 0s", `{"fault": "stream", "steps": [{"events": "1", "action": "split", "gap": "0s"}]}`),
	zeroFault("StreamStep.duration", refused, "stream 1 hang 0s", `{"fault": "stream", "steps": [{"events": "1", "action": "hang", "duration": 0}]}`),
	zeroFault("Delay.duration", refused, "stream 1 wait 0s", `{"fault": "stream", "steps": [{"events": "1", "action": "wait", "delay": {"duration": 0}}]}`),
	zeroFault("Branch.weight", means, "choose {\n0 close\n1 reset\n}", `{"fault": "choose", "branches": [{"weight": 0, "faults": [{"fault": "close"}]}, {"weight": 1}]}`),
	zeroFault("Branch.weight", refused, "choose {\n0 close\n0 reset\n}", `{"fault": "choose", "branches": [{"weight": 0}, {"weight": 0}]}`),
	zeroFault("Branch.weight", refused, "", `{"fault": "choose", "branches": [{"faults": [{"fault": "close"}]}, {"weight": 1}]}`),
}

// TestZeros writes each zero in every form.
func TestZeros(t *testing.T) {
	check := func(z zero, form, text string, err error) {
		t.Helper()
		if (err == nil) != z.means {
			t.Errorf("%s, %s %s: got error %v, want one: %t", z.setting, form, text, err, !z.means)
		}
		owner, name, _ := strings.Cut(strings.ToLower(z.setting), ".")
		says := func(word string) bool { return strings.Contains(err.Error(), word) }
		if err != nil && !slices.ContainsFunc([]string{owner, name, "status", "rate"}, says) {
			t.Errorf("%s, %s %s: the error does not name the setting: %v", z.setting, form, text, err)
		}
	}
	n := testnode.Start(t, testnode.Shop, "")
	for _, z := range zeros {
		owner, _, _ := strings.Cut(z.setting, ".")
		if z.block != "" {
			check(z, "Caddyfile", z.block, loadBlock(t, owner, z.block))
		}
		if z.line != "" {
			_, err := grammar.ParseLine(z.line)
			check(z, "line", z.line, err)
		}
		check(z, "JSON", z.json, loadJSON(t, owner, z.json))
		if strings.Contains(z.json, `"faults"`) {
			got := n.Do("PUT", "/experiments/zero", `{"points": ["*"], `+z.json+`}`)
			var err error
			if got.Code >= 300 {
				err = fmt.Errorf("%d %s", got.Code, got.Body)
			}
			check(z, "experiment", z.json, err)
		}
	}
}

// isApp reports whether a setting belongs to the app.
func isApp(owner string) bool { return slices.Contains([]string{"App", "Share", "HaltWhen"}, owner) }

// loadBlock adapts and loads a Caddyfile.
func loadBlock(t *testing.T, owner, block string) error {
	t.Helper()
	text := ":80 {\nfault {\n" + block + "\n}\n}\n"
	switch inner, inTransport := strings.CutPrefix(block, "transport "); {
	case isApp(owner):
		text = "{\nfault {\n" + block + "\n}\n}\n:80 {\nfault 503\n}\n"
	case inTransport:
		text = ":80 {\nreverse_proxy 127.0.0.1:1 {\ntransport fault {\n" + inner + "\nclose\n}\n}\n}\n"
	}
	config, err := testkit.Adapt(t, text)
	if err != nil {
		return err
	}
	return testkit.ValidateConfig(t, config)
}

// loadJSON loads a configuration in JSON.
func loadJSON(t *testing.T, owner, members string) error {
	t.Helper()
	app, handler := "", `"handler": "fault"`
	switch {
	case isApp(owner):
		app = members
	case owner == "Experiment", owner == "Draws":
		return nil // not possible in a configuration
	case owner == "Transport":
		handler = `"handler": "reverse_proxy", "upstreams": [{"dial": "127.0.0.1:1"}], "transport": {"protocol": "fault", ` + members + `}`
	case owner == "Handler", owner == "Trigger":
		handler += ", " + members
	default:
		handler += `, "rules": [{` + members + `}]`
	}
	return testkit.ValidateConfig(t, `{"apps": {"fault": {`+app+`}, "http": {"servers": {"s": {"listen": [":80"], "routes": [{"handle": [{`+handler+`}]}]}}}}}`)
}

// Each null for a value is refused, with its place. A null with a meaning is accepted.
func TestConfigNulls(t *testing.T) {
	tests := []struct{ owner, json, place string }{
		{"App", `"max_active": null`, "max_active"},
		{"App", `"share": null`, "share"},
		{"App", `"halt_when": {"errors": null, "window": "1m"}`, "halt_when.errors"},
		{"Handler", `"rules": [null]`, "rules[0]"},
		{"Handler", `"rules": null`, "rules"},
		{"Handler", `"match": [null]`, "match[0]"},
		{"Handler", `"match": [{"path": null}]`, "match[0].path"},
		{"Handler", `"match": [{"path": [null]}]`, "match[0].path[0]"},
		{"Handler", `"match": [{"header": {"X": [null]}}]`, "match[0].header.X[0]"},
		{"Handler", `"match": [{"header": {"X": null}}]`, ""},
		{"Handler", `"triggers": [null]`, "triggers[0]"},
		{"Handler", `"triggers": [{"source": "header", "allow": [null]}]`, "triggers[0].allow[0]"},
		{"Transport", `"rules": [{"faults": [null]}]`, "rules[0].faults[0]"},
		{"Transport", `"rules": [{"faults": [{"fault": "close"}]}], "transport": {"protocol": "http", "tls": null}`, ""},
		{"Rule", `"faults": [null]`, "rules[0].faults[0]"},
		{"Rule", `"faults": [{"fault": "close"}], "match": [{"header_regexp": {"X": null}}]`, "rules[0].match[0].header_regexp.X"},
		{"Rule", `"faults": [{"fault": "close"}], "match": [{"not": [null]}]`, "rules[0].match[0].not[0]"},
		{"Rule", `"faults": [{"fault": "close"}], "match_response": {"headers": {"X": [null]}}`, "rules[0].match_response.headers.X[0]"},
		{"Rule", `"faults": [{"fault": "close"}], "match_response": {"headers": {"X": null}}`, ""},
		{"Rule", `"faults": [{"fault": "sequence", "steps": [null]}]`, "rules[0].faults[0].steps[0]"},
		{"Rule", `"faults": [{"fault": "sequence", "steps": [[null]]}]`, "rules[0].faults[0].steps[0][0]"},
		{"Rule", `"faults": [{"fault": "choose", "branches": [null]}]`, "rules[0].faults[0].branches[0]"},
		{"Rule", `"faults": [{"fault": "delay", "percentiles": {"p50": null}}]`, "rules[0].faults[0].percentiles.p50"},
		{"Rule", `"faults": [{"fault": "respond", "status_code": 503, "headers": {"delete": [null]}}]`, "rules[0].faults[0].headers.delete[0]"},
		{"Rule", `"faults": [{"fault": "patch", "json": {"a": null, "b": [null]}}]`, ""},
		{"Rule", `"faults": [{"fault": "patch", "json": [{"op": "set", "path": "/a", "value": null}]}]`, ""},
	}
	for _, tt := range tests {
		err := loadJSON(t, tt.owner, tt.json)
		if want := tt.place + ": null is not a value; write a value or leave the field out"; (err != nil) != (tt.place != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", tt.json, err, want)
		}
	}
}

// TestZerosComplete finds the numbers and durations of all settings, including texts
// that are durations, and checks that zeros lists them.
func TestZerosComplete(t *testing.T) {
	found := map[string]bool{"Hang.after": true, "Rule.start": true, "Rule.end": true}
	for _, of := range []reflect.Type{
		reflect.TypeFor[control.App](), reflect.TypeFor[inject.Handler](), reflect.TypeFor[inject.Transport](), reflect.TypeFor[console.Console](), reflect.TypeFor[experiments.Experiment](),
	} {
		findNumbers(of, found)
	}
	for _, info := range caddy.GetModules(faults.Namespace) {
		findNumbers(reflect.TypeOf(info.New()).Elem(), found)
	}
	listed := make(map[string]bool)
	for _, z := range zeros {
		listed[z.setting] = true
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if !listed[name] {
			t.Errorf("%s: the table does not have this setting", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if !found[name] {
			t.Errorf("%s: this setting does not exist", name)
		}
	}
}

// findNumbers finds the numeric fields of a struct and of the structs in it.
func findNumbers(of reflect.Type, found map[string]bool) {
	for _, f := range reflect.VisibleFields(of) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		elem := f.Type
		for slices.Contains([]reflect.Kind{reflect.Pointer, reflect.Slice, reflect.Map}, elem.Kind()) {
			elem = elem.Elem()
		}
		switch {
		case elem.Kind() == reflect.Struct:
			findNumbers(elem, found)
		case elem.Kind() == reflect.Uint8: // raw JSON
		case elem.Kind() >= reflect.Int && elem.Kind() <= reflect.Float64:
			found[owner(of, f)+"."+name] = true
		}
	}
}

// owner returns the struct that has the field, which may be embedded in another struct.
func owner(of reflect.Type, f reflect.StructField) string {
	if len(f.Index) == 1 || of != reflect.TypeFor[experiments.Experiment]() {
		return of.Name()
	}
	return of.FieldByIndex(f.Index[:len(f.Index)-1]).Type.Name()
}
