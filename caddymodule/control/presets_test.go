package control_test

import (
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// preset returns an app with one preset.
func preset(name, body string) string { return `{"presets": {"` + name + `": ` + body + `}}` }

// A preset that is not a rule is refused when the configuration loads.
func TestPresetsOfConfiguration(t *testing.T) {
	for _, tt := range []struct{ app, want string }{
		{preset("acme-busy", `{"text": "respond 503"}`), ""},
		{preset("acme-busy", `{"params": {"wait": "2s"}, "text": "delay {preset.wait}\nrespond 503"}`), ""},
		{preset("acme-busy", `null`), "null is not a value"},
		{preset("acme-busy", `{}`), "preset acme-busy has no fault"},
		{preset("acme-busy", `{"txt": "reset"}`), "unknown field"},
		{preset("Acme", `{"text": "reset"}`), "bad name 'Acme' of a preset: want 3 to 40 small letters, digits and dashes"},
		{preset("flaky", `{"text": "reset"}`), "preset 'flaky' is one of the binary; choose another name, such as my-flaky"},
		{preset("acme-gone", `{"text": "refuse"}`), ""},
		{preset("acme-gone", `{"text": "health_checks\nrespond 503"}`), ""},
		{preset("acme-gone", `{"text": "refuse\nthrottle 1kB/s"}`), "refuse is only allowed in a transport"},
		{preset("acme-busy", `{"text": "respond 5030"}`), "at preset acme-busy:1"},
		{preset("acme-busy", `{"text": "delay 1s\nrespnd 503"}`), "unknown word 'respnd', at preset acme-busy:2"},
		{preset("acme-busy", `{"text": "percent 10"}`), "a rule needs a fault"},
		{preset("acme-busy", `{"text": "match path /a\nreset"}`), "preset acme-busy:1: a preset has no match; write it in the rule"},
		{preset("acme-busy", `{"text": "preset acme-busy"}`), "a preset cannot have a preset within"},
		{preset("acme-busy", `{"text": "choose {\n1 preset acme-busy\n}"}`), "a preset cannot have a preset within"},
		{preset("acme-busy", `{"params": {"wait": "2s"}, "text": "reset"}`), "parameter wait is not used"},
		{preset("acme-busy", `{"text": "delay {preset.wait}"}`), "uses {preset.wait}, which is not a parameter"},
		{preset("acme-busy", `{"params": {"a": "b c"}, "text": "respond 503 {preset.a}"}`), "bad parameter 'a=b c': want one word"},
		{preset("acme-busy", `{"params": {"a": ""}, "text": "respond 503 {preset.a}"}`), "parameter a has no default"},
	} {
		_, err := testnode.TryLoad(t, testnode.Shop, tt.app)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%.100s: %v", tt.app, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%.100s: got %v, want %q", tt.app, err, tt.want)
		}
	}
}

// site has a point with a line, and the global option with a block.
func site(option, line string) string {
	return "{\nfault {\n" + option + "\n}\n}\n:8080 {\nfault {\n" + line + "\n}\n}"
}

// A site and a set of the Caddyfile know the presets of the global option.
func TestPresetsOfCaddyfile(t *testing.T) {
	const busy = "preset acme-busy wait=2s {\ndelay {preset.wait}\nrespond 503 `{\"a\": \"b\"}` {\nheader X-Acme 17\n}\n}\n"
	for _, tt := range []struct{ caddyfile, want string }{
		{site(busy, "preset acme-busy"), `"duration": 2000000000`},
		{site(busy, "percent 10\npreset acme-busy wait=5ms"), `"duration": 5000000`},
		{site(busy+"set outage {\nexperiment slow {\npoint *\npreset acme-busy wait=7s\n}\n}", "respond 551"), `"duration": 7000000000`},
		{"{\nfault {\n" + busy + "\n}\n}\n:8080 {\nfault /a preset acme-busy\n}", `"X-Acme"`},
		{"{\nfault {\n" + busy + "\n}\n}\n:8080 {\nfault {\nchoose {\n1 preset acme-busy\n1 pass\n}\n}\n}", `"weight": 1`},
		{"(slow) {\ndelay 1s\nrespond 503\n}\n" + site("preset acme-busy {\npercent 10\nimport slow\n}", "preset acme-busy"), `"percent": 10`},
		{"(two) {\n1 preset tcp-reset\n1 preset acme-busy\n}\n" + site(busy, "percent 5\nchoose {\nimport two\n}"), `"fault": "reset"`},
		{site("preset acme-gone {\nrefuse\n}", "preset acme-gone"), "refuse is only allowed in a transport"},
		{site("preset acme-busy", "respond 551"), "write preset <name> [<parameter>=<default>...] { ... }, such as"},
		{site("preset acme-busy {\n}", "respond 551"), "write preset <name>"},
		{site("preset acme-busy wait {\ndelay {preset.wait}\n}", "respond 551"), "parameter 'wait' of preset acme-busy has no default"},
		{site("preset acme-busy wait=1s wait=2s {\ndelay {preset.wait}\n}", "respond 551"), "parameter wait of preset acme-busy already specified"},
		{site(busy+busy, "respond 551"), "preset 'acme-busy' already specified, at Caddyfile:9"},
		{site("preset flaky {\nreset\n}", "respond 551"), "preset 'flaky' is one of the binary"},
		{site("preset acme-busy {\nrespnd 503\n}", "respond 551"), "unknown word 'respnd', at preset acme-busy:1"},
		{site(busy, "preset acme-bussy"), "unknown preset 'acme-bussy', at Caddyfile:14: did you mean 'preset acme-busy'?"},
		{site("", "preset acme-busy"), "unknown preset 'acme-busy'"},
		{":8080 {\nreverse_proxy 127.0.0.1:9000 {\ntransport fault {\npreset tcp-reset\n}\n}\n}", `"fault": "reset"`},
		{":8080 {\nreverse_proxy 127.0.0.1:9000 {\ntransport fault {\npreset network-slow-3g\n}\n}\n}", "throttle"},
	} {
		got, err := testkit.Adapt(t, tt.caddyfile)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(strings.ReplaceAll(got, "\t", ""), tt.want) {
			t.Errorf("%s:\ngot %s\nwant %q", tt.caddyfile, got, tt.want)
		}
	}
	if own := control.PresetsOf("another option"); own != nil {
		t.Errorf("got %v", own)
	}
}
