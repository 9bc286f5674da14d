package command

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// The command that the API writes for a draft starts the same experiment, after a shell
// has read it.
func TestDraftRuns(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	n, address := adminEndpoint(t, `{"point": "shop"}`)
	for i, rule := range []string{
		"percent 10; respond 503",
		"respond 503 {\n  retry_after 5s\n}\npercent 12.5",
		"match path /a /b*; respond 410 `it's \"gone\"; $HOME`",
		"match `path('/a') && header({'X': 'it\\'s'})`; throttle 1KiB/s; burst 1MiB; shared",
		"respond 200 \"a ` b\"",
		"551",
	} {
		draft, _ := json.Marshal(map[string]any{"rule": rule, "name": fmt.Sprintf("n%d", i), "points": []string{"*"}, "ttl": "90s", "note": "it's $PATH; `x`"})
		var view api.DraftView
		if err := json.Unmarshal(n.Want(200, "POST", "/draft", string(draft), "").Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), sh, "-c", `caddy() { printf '%s\0' "$@"; }; `+view.Run).Output()
		if err != nil {
			t.Errorf("%s: %v", view.Run, err)
			continue
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		if words[0] != "fault" || words[1] != "run" {
			t.Errorf("got %q, want fault run ...", words)
			continue
		}
		if got := caddyFault(t, append(words[1:], "--address", address)...); got.err != nil {
			t.Errorf("%s: %v", view.Run, got.err)
			continue
		}
		live := n.Ctl.Store.Get(fmt.Sprintf("n%d", i))
		if live == nil || !grammar.SameJSON(withoutName(t, live.JSON), view.Experiment) {
			t.Errorf("%s has started\n%s\nwant\n%s", view.Run, live.JSON, view.Experiment)
		}
	}
}

// withoutName returns the JSON of an experiment without its name, which the command
// repeats.
func withoutName(t *testing.T, experiment json.RawMessage) json.RawMessage {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(experiment, &fields); err != nil {
		t.Fatal(err)
	}
	delete(fields, "name")
	data, _ := json.Marshal(fields)
	return data
}
