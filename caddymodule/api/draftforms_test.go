package api_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// The Caddyfile of a draft loads, and has the rule of the draft.
func TestDraftCaddyfile(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for _, tt := range []struct{ draft, want string }{
		{`{"rule": "percent 10; respond 503", "points": ["*"]}`, "fault {\n\tpercent 10\n\trespond 503\n}"},
		{`{"rule": "match path /a /b*; 551"}`, "fault {\n\tmatch path /a /b*\n\trespond 551\n}"},
		{
			`{"rule": "respond 503; retry_after 5s", "points": ["shop"], "name": "busy"}`,
			"fault {\n\tpoint shop\n\trule busy {\n\t\trespond 503 {\n\t\t\tretry_after 5s\n\t\t}\n\t}\n}",
		},
		{
			`{"rule": "percent 5\nchoose {\n  70 respond 503\n  30 pass\n}\n", "points": ["shop"]}`,
			"fault {\n\tpoint shop\n\tpercent 5\n\tchoose {\n\t\t70 respond 503\n\t\t30 pass\n\t}\n}",
		},
		{"{\"rule\": \"match `path('/a') && header({'X': 'it\\\\'s'})`; delay 1s; respond 410 `a; b # c`\"}", ""},
		{`{"rule": "respond 200 {path}", "points": ["*"]}`, ""},
		{"{\"rule\": \"respond 200 \\\"a ` b\\\"\", \"points\": [\"*\"]}", ""},
		{"{\"rule\": \"patch {\\n set /a `{\\\"b\\\": 1}`\\n remove /c\\n}\\n\", \"points\": [\"*\"]}", ""},
	} {
		view := draftOf(t, n, tt.draft)
		if tt.want != "" && strings.TrimSpace(view.Caddyfile) != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.draft, view.Caddyfile, tt.want)
		}
		config, err := testkit.Adapt(t, "http://localhost:8080 {\n"+view.Caddyfile+"\n}")
		if err != nil {
			t.Errorf("%s: %v in\n%s", tt.draft, err, view.Caddyfile)
			continue
		}
		testkit.Validate(t, config)
		if got := onlyRule(t, config); !grammar.SameJSON(got, ruleOf(t, view.Experiment)) {
			t.Errorf("%s: the Caddyfile has the rule\n%s\nwant\n%s", tt.draft, got, view.Experiment)
		}
	}
}

// onlyRule returns the only rule of a configuration, without its name.
func onlyRule(t *testing.T, config string) json.RawMessage {
	t.Helper()
	var all any
	if err := json.Unmarshal([]byte(config), &all); err != nil {
		t.Fatal(err)
	}
	var found json.RawMessage
	var look func(any)
	look = func(node any) {
		object, _ := node.(map[string]any)
		list, _ := node.([]any)
		if object["handler"] == "fault" {
			rule := object["rules"].([]any)[0].(map[string]any)
			delete(rule, "name")
			found, _ = json.Marshal(rule)
		}
		for _, child := range slices.Concat(list, slices.Collect(maps.Values(object))) {
			look(child)
		}
	}
	look(all)
	return found
}

// ruleOf returns the rule of an experiment.
func ruleOf(t *testing.T, experiment json.RawMessage) json.RawMessage {
	t.Helper()
	fields := make(caddy.ModuleMap)
	if err := json.Unmarshal(experiment, &fields); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"points", "ttl", "note"} {
		delete(fields, name)
	}
	rule, _ := json.Marshal(fields)
	return rule
}

// A draft has only the forms that mean the same.
func TestDraftForms(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for _, tt := range []struct {
		draft, run string
		caddyfile  bool
	}{
		{`{"rule": "percent 10; respond 503", "points": ["*"]}`, `caddy fault run --point '*' 'percent 10; respond 503'`, true},
		{
			`{"rule": "respond 503; percent 10\n", "points": ["shop"], "name": "x", "ttl": "90s", "note": "it's us"}`,
			`caddy fault run --name x --ttl 1m30s --point shop --note 'it'\''s us' 'percent 10; respond 503'`, true,
		},
		{`{"rule": "respond 503 {\n retry_after 5s\n}", "points": ["*"], "ttl": 0}`, `caddy fault run --ttl 0s --point '*' 'respond 503; retry_after 5s'`, true},
		{`{"rule": "match path /a\nclose"}`, `caddy fault run 'match path /a; close'`, true},
		{`{"rule": "choose {\n 1 close\n}", "points": ["*"]}`, "", true},
		{"{\"rule\": \"respond 200 `{$HOME}`\", \"points\": [\"*\"]}", "caddy fault run --point '*' 'respond 200 {$HOME}'", false},
	} {
		view := draftOf(t, n, tt.draft)
		if view.Run != tt.run || (view.Caddyfile != "") != tt.caddyfile {
			t.Errorf("%s: got %s and\n%s\nwant %s and a Caddyfile: %v", tt.draft, view.Run, view.Caddyfile, tt.run, tt.caddyfile)
		}
	}
}

// At a transport the rule is in the transport of a proxy.
func TestDraftAtTransport(t *testing.T) {
	ctl := startTransport(t)
	view := draftOf(t, ctl, `{"rule": "refuse", "points": ["up"]}`)
	if want := "transport fault {\n\tpoint up\n\trefuse\n}"; strings.TrimSpace(view.Caddyfile) != want {
		t.Errorf("got\n%s\nwant\n%s", view.Caddyfile, want)
	}
	if view.Run != "caddy fault run --point up refuse" {
		t.Errorf("got %s", view.Run)
	}
	if _, err := testkit.Adapt(t, "http://localhost:8080 {\nreverse_proxy localhost:1 {\n"+view.Caddyfile+"\n}\n}"); err != nil {
		t.Error(err)
	}
}
