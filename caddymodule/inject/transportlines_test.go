package inject

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// acme is the global option with presets of a configuration.
const acme = "{\nfault {\npreset acme-busy wait=2s code=503 {\ndelay {preset.wait}\nrespond {preset.code} busy\n}\n" +
	"preset acme-some percent=50 {\npercent {preset.percent}\nrefuse\n}\npreset acme-slow {\nthrottle 1kB/s\n}\n}\n}\n"

// proxied is a site whose proxy has a transport with these lines.
func proxied(lines string) string {
	return ":8080 {\nreverse_proxy 127.0.0.1:9000 {\ntransport fault {\n" + lines + "\n}\n}\n}"
}

// transportOf returns the JSON of the transport in an adapted configuration.
func transportOf(t *testing.T, adapted string) map[string]any {
	t.Helper()
	var find func(value any) map[string]any
	find = func(value any) map[string]any {
		switch value := value.(type) {
		case map[string]any:
			if value["protocol"] == "fault" {
				return value
			}
			for _, member := range value {
				if found := find(member); found != nil {
					return found
				}
			}
		case []any:
			for _, member := range value {
				if found := find(member); found != nil {
					return found
				}
			}
		}
		return nil
	}
	var config any
	if err := json.Unmarshal([]byte(adapted), &config); err != nil {
		t.Fatal(err)
	}
	found := find(config)
	if found == nil {
		t.Fatalf("no transport in %s", adapted)
	}
	return found
}

// A transport of a Caddyfile keeps its rules as lines if they use presets of the
// configuration.
func TestLinesOfTransport(t *testing.T) {
	for _, tt := range []struct{ block, lines string }{
		{"preset tcp-reset", ""},
		{"percent 5\nrespond 503", ""},
		{"preset acme-busy", "preset acme-busy\n"},
		{"point app\nseed 7\npercent 10\npreset acme-busy wait=5ms code=502", "percent 10\npreset acme-busy wait=5ms code=502\n"},
		{"transport http {\ndial_timeout 2s\n}\nmatch {\npath /a*\nheader X `a b`\n}\npreset acme-busy", "match {\n\tpath /a*\n\theader X `a b`\n}\npreset acme-busy\n"},
		{"rule a {\ntimes 1\npreset acme-some\n}\nrule b {\nrespond 502 {\nheader preset x\n}\n}", "rule a {\n\ttimes 1\n\tpreset acme-some\n}\nrule b {\n\trespond 502 {\n\t\theader preset x\n\t}\n}\n"},
		{"choose {\n1 preset acme-busy\n1 pass\n}", "choose {\n\t1 preset acme-busy\n\t1 pass\n}\n"},
		{"respond 503 {\nheader preset acme-busy\n}", ""},
	} {
		adapted, err := testkit.Adapt(t, acme+proxied(tt.block))
		if err != nil {
			t.Errorf("%s: %v", tt.block, err)
			continue
		}
		got := transportOf(t, adapted)
		lines, _ := got["lines"].(string)
		if lines != tt.lines || (got["rules"] == nil) != (tt.lines != "") {
			t.Errorf("%s: got the lines %q and the rules %v, want %q", tt.block, lines, got["rules"], tt.lines)
		}
	}
}

// The rest of the block is checked when a Caddyfile is adapted.
func TestLinesOfTransportRefused(t *testing.T) {
	for block, want := range map[string]string{
		"preset acme-busy\nrespnd 503":                 "unknown word 'respnd'",
		"percent 200\npreset acme-busy":                "percent",
		"preset acme-busy a":                           "'a' is not a parameter of preset acme-busy",
		"preset acme-busy a=1 a=2":                     "parameter a of preset acme-busy is given twice",
		"preset Acme":                                  "unknown preset 'Acme'",
		"preset":                                       "preset: an argument is missing",
		"preset tcp-reset a=1":                         "'a'",
		"preset acme-busy\nsequence {\npreset Acme\n}": "unknown preset 'Acme'",
		"rule a {\npreset acme-busy\n}\npercent 5":     "'percent' is outside of the rule blocks of the point",
		"preset acme-busy\nthrottle 1kB/s":             "throttle",
	} {
		if _, err := testkit.Adapt(t, acme+proxied(block)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", block, err, want)
		}
	}
}

// loadLines provisions a transport with an app that has presets.
func loadLines(t *testing.T, config string) (*Transport, error) {
	t.Helper()
	ctx, err := testkit.Provision(t, control.New(), `{"presets": {
		"acme-busy": {"params": {"code": "503"}, "text": "respond {preset.code} busy"},
		"acme-some": {"params": {"percent": "50"}, "text": "percent {preset.percent}\nrefuse"},
		"acme-slow": {"text": "throttle 1kB/s"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	return testkit.Load[*Transport](t, ctx, "http.reverse_proxy.transport.fault", config)
}

// A transport reads its lines with the presets of the configuration. The rules are as if
// they were written out.
func TestLinesAreRules(t *testing.T) {
	for lines, want := range map[string]string{
		`preset acme-busy`:                                             `[{"faults":[{"body":"busy","fault":"respond","status_code":503}]}]`,
		`percent 20\npreset acme-busy code=502`:                        `[{"percent":20,"faults":[{"body":"busy","fault":"respond","status_code":502}]}]`,
		`percent 20\npreset acme-some`:                                 `[{"percent":20,"faults":[{"fault":"refuse"}]}]`,
		`preset acme-some percent=7`:                                   `[{"percent":7,"faults":[{"fault":"refuse"}]}]`,
		`rule a {\npreset acme-some\n}\nrule b {\npreset tcp-reset\n}`: `[{"name":"a","percent":50,"faults":[{"fault":"refuse"}]},{"name":"b","faults":[{"fault":"reset"}]}]`,
		`match path /a\nchoose {\n1 preset acme-busy\n1 pass\n}`:       `[{"match":[{"path":["/a"]}],"faults":[{"branches":[{"faults":[{"body":"busy","fault":"respond","status_code":503}],"weight":1},{"weight":1}],"fault":"choose"}]}]`,
	} {
		tr, err := loadLines(t, `{"point": "lines", "lines": "`+lines+`"}`)
		if err != nil {
			t.Errorf("%s: %v", lines, err)
			continue
		}
		var got, wanted []map[string]any
		for _, rule := range tr.Rules {
			var one map[string]any
			if err := json.Unmarshal(rule.Source, &one); err != nil {
				t.Fatal(err)
			}
			got = append(got, one)
		}
		if err := json.Unmarshal([]byte(want), &wanted); err != nil {
			t.Fatal(err)
		}
		for i := range wanted {
			if wanted[i]["name"] == nil {
				wanted[i]["name"] = "rule1" // the default name, which loading sets
			}
		}
		if text, expected := asText(t, got), asText(t, wanted); text != expected {
			t.Errorf("%s: got %s, want %s", lines, text, expected)
		}
	}
}

// asText returns a value as JSON, whose members have an order.
func asText(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A mistake in the lines is refused at load, with the line and the place in the Caddyfile.
func TestLinesRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"point": "p", "lines": "preset acme-busi"}`:                                           "point 'p': lines: in 'preset acme-busi': unknown preset 'acme-busi': did you mean 'preset acme-busy'?",
		`{"point": "p", "source": "Caddyfile:7", "lines": "percent 5\npreset acme-busy cod=5"}`: "point 'p', at Caddyfile:7: lines: in 'preset acme-busy cod=5': preset acme-busy has no parameter 'cod'",
		`{"lines": "preset acme-slow"}`:                                                         "throttle",
		`{"lines": "preset acme-busy\nreset"}`:                                                  "lines: in 'reset': ",
		`{"lines": "choose {\n1 preset acme-some\n1 pass\n}"}`:                                  "in '1 preset acme-some': preset acme-some brings percent, which is a setting of a whole rule: write the preset as a line of the rule",
		`{"lines": "percent 5"}`:                                                                "a rule needs a fault",
		`{"lines": "# nothing"}`:                                                                "lines: there is no rule; remove the field, or write a fault such as respond 503",
		`{"lines": "rule a {"}`:                                                                 "a block is not closed",
		`{"lines": "trigger header"}`:                                                           "trigger",
		`{"lines": "match @a\nreset"}`:                                                          "in a transport write the matcher itself",
		`{"lines": "reset;"}`:                                                                   "ends in ';'",
		`{"lines": "reset", "rules": [{"faults": [{"fault": "reset"}]}]}`:                       "a transport has rules or lines, and not both; move the rules to the lines",
		`{"lines": "rule a {\nreset\n}\nrule b {\nfollows a\npreset acme-busy\n}\nrule c {\nreset\n}"}`: "",
	} {
		_, err := loadLines(t, config)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", config, err, want)
		}
	}
}
