package api_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

// The API has the presets of the binary and of the configuration.
func TestPresets(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"presets": {"acme-busy": {"params": {"wait": "2s"}, "text": "delay {preset.wait}\nrespond 503"}}}`)
	w := n.Want(200, "GET", "/presets", "", `"acme-busy"`)
	var list api.PresetList
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if got, want := len(list.Presets), len(presets.Set(nil).All())+1; got != want {
		t.Errorf("got %d presets, want %d", got, want)
	}
	find := func(name string) api.PresetView {
		i := slices.IndexFunc(list.Presets, func(p api.PresetView) bool { return p.Name == name })
		if i < 0 {
			t.Fatalf("no preset %s", name)
		}
		return list.Presets[i]
	}
	if own := find("acme-busy"); !own.Own || own.Status != "503" || own.Line != "preset acme-busy" || own.Params[0].Default != "2s" {
		t.Errorf("got %+v", own)
	}
	if p := find("openai-rate-limit"); p.Own || p.Status != "429" || p.Settings || len(p.Sources) < 2 || len(p.Params) != 1 || p.What == "" {
		t.Errorf("got %+v", p)
	}
	if p := find("cloudflare-origin"); p.Status != "522" || !slices.Contains(p.Params[0].Choices, "524") {
		t.Errorf("got %+v", p)
	}
	if p := find("flaky"); !p.Settings || p.Status != "" {
		t.Errorf("got %+v", p)
	}
	n.Want(200, "GET", "/presets/anthropic-overloaded", "", "overloaded_error")
	n.Want(200, "GET", "/presets/acme-busy", "", "respond 503")
	n.Want(404, "GET", "/presets/acme-bussy", "", "unknown preset 'acme-bussy': did you mean 'preset acme-busy'?")
	n.Want(400, "GET", "/presets?name=x", "", "unknown parameter 'name'")
}

// A draft with a preset becomes an experiment, also with a preset of the configuration.
func TestDraftWithPreset(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"presets": {"acme-busy": {"text": "respond 503"}}}`)
	w := n.Want(200, "POST", "/draft", `{"rule": "percent 100; preset acme-busy", "points": ["*"]}`, `"status_code": 503`)
	var view struct{ Experiment json.RawMessage }
	if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	n.Want(201, "PUT", "/experiments/busy", string(view.Experiment), `"busy"`)
	if got := n.Hit("/"); got != 503 {
		t.Errorf("got %d, want 503", got)
	}
	n.Want(200, "POST", "/draft", `{"rule": "percent 10\nchoose {\n1 preset acme-busy\n1 preset openai-quota\n}", "points": ["*"]}`, "insufficient_quota")
	n.Want(400, "POST", "/draft", `{"rule": "percent 10; preset acme-buzy", "points": ["*"]}`, "did you mean 'preset acme-busy'?")
	n.Want(400, "POST", "/draft", `{"rule": "preset openai-rate-limit retry_after=soon", "points": ["*"]}`, "write preset openai-rate-limit retry_after=20")
}
