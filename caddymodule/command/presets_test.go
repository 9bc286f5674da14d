package command

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/api"
)

// startOwn starts a Caddy with a preset in its configuration.
func startOwn(t *testing.T) (address string) {
	t.Helper()
	address = freeAddress(t)
	stopAfter(t)
	config := `{"admin": {"listen": "` + address + `", "config": {"persist": false}}, "apps": {
		"fault": {"presets": {"acme-busy": {"params": {"wait": "2s"}, "text": "delay {preset.wait}\nrespond 503"}}},
		"http": {"servers": {"a": {"listen": ["127.0.0.1:0"], "routes": [{"handle": [{"handler": "fault", "point": "edge"}]}]}}}}}`
	if err := caddy.Load([]byte(config), true); err != nil {
		t.Fatal(err)
	}
	return address
}

func TestPresetsCommand(t *testing.T) {
	address := startOwn(t)
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"NAME", "STATUS", "acme-busy", "503", "wait=2s", "anthropic-overloaded", "529"}},
		{[]string{"stripe"}, []string{"stripe-rate-limit", "stripe-card-declined", "decline=insufficient_funds"}},
		{[]string{"acme-busy"}, []string{"# A preset of the configuration.", "# param: wait=2s", "delay 2s\nrespond 503"}},
		{[]string{"openai-rate-limit"}, []string{"# OpenAI: ", "# source: https://", "respond 429 {"}},
		{[]string{"openai-rate-limit", "--json"}, []string{`"name": "openai-rate-limit"`, `"retry_after"`}},
	} {
		got := caddyFault(t, append(append([]string{"presets"}, tt.args...), "--address", address)...)
		for _, want := range tt.want {
			if got.err != nil || !strings.Contains(got.stdout, want) {
				t.Errorf("%q: got %q, error %v, want %q", tt.args, got.stdout, got.err, want)
			}
		}
	}
	if got := caddyFault(t, "presets", "openai", "--address", address); strings.Contains(got.stdout, "stripe") {
		t.Errorf("openai: got\n%s", got.stdout)
	}
	got := caddyFault(t, "presets", "openai-quotas", "--address", address)
	if want := "unknown preset 'openai-quotas': did you mean 'preset openai-quota'?"; got.err == nil || got.err.Error() != want {
		t.Errorf("got error %v, want %s", got.err, want)
	}
}

// Without a Caddy, the command lists the presets of the binary and says so.
func TestPresetsWithoutCaddy(t *testing.T) {
	address := freeAddress(t)
	got := caddyFault(t, "presets", "--json", "--address", address)
	var list api.PresetList
	if err := json.Unmarshal([]byte(got.stdout), &list); got.err != nil || err != nil || len(list.Presets) < 40 {
		t.Errorf("got %.200s, %v, %v", got.stdout, got.err, err)
	}
	if want := "no Caddy answers at " + address + ": the list has the presets of this binary"; !strings.Contains(got.stderr, want) {
		t.Errorf("got %q, want %q", got.stderr, want)
	}
}

// An experiment can have a preset of the binary, and one that only Caddy knows.
func TestRunWithPreset(t *testing.T) {
	address := startOwn(t)
	for _, tt := range []struct{ name, line, want string }{
		{"a", "percent 10; preset anthropic-overloaded", "overloaded_error"},
		{"b", "percent 10; preset acme-busy wait=3s", "delay 3s; respond 503"},
	} {
		got := caddyFault(t, "run", "--name", tt.name, "--match", "path /api/*", tt.line, "--address", address)
		if got.err != nil {
			t.Fatal(got.err)
		}
		list := caddyFault(t, "list", "--json", "--address", address)
		if !strings.Contains(list.stdout, tt.want) || !strings.Contains(list.stdout, "/api/*") {
			t.Errorf("%s: got %s, want %q", tt.line, list.stdout, tt.want)
		}
	}
	got := caddyFault(t, "run", "--point", "*", "preset acme-bizy", "--address", address)
	if got.err == nil || !strings.Contains(got.err.Error(), "did you mean 'preset acme-busy'?") {
		t.Errorf("got error %v", got.err)
	}
}
