package inject

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
)

// beyondTriggers are the presets of services that a client cannot ask for. They wait for
// the reply of the upstream, or change it.
var beyondTriggers = []string{"stripe-lost-reply", "jsonrpc-error"}

// A client that asks for a preset gets its reply within the bounds of the trigger, or the
// reason why not.
func TestEveryPresetByTrigger(t *testing.T) {
	const maxDelay = 30 * time.Second
	synctest.Test(t, func(t *testing.T) {
		h := load(t, testkit.Triggered(`{"source": "header"}`), "")
		refused := 0
		for _, p := range presets.Set(nil).All() {
			got := testkit.Ask(h, "X-Fault", p.Line())
			reason := got.Header.Get("X-Fault-Refused")
			if got.Took > maxDelay {
				t.Errorf("%s: took %v", p.Name, got.Took)
			}
			if strings.HasPrefix(reason, "the line cannot be parsed") {
				t.Errorf("%s: the reason is hidden", p.Name)
			}
			isService := p.Sources[0] != "pattern"
			status, err := strconv.Atoi(grammar.AboutPreset(p).Status)
			switch {
			case reason != "":
				refused++
				if got.Status != 200 {
					t.Errorf("%s: refused, and got %d", p.Name, got.Status)
				}
				if isService && !slices.Contains(beyondTriggers, p.Name) {
					t.Errorf("%s: refused: %s", p.Name, reason)
				}
			case err == nil && got.Status != status:
				t.Errorf("%s: got %d, want %d", p.Name, got.Status, status)
			}
		}
		t.Logf("%d presets are refused", refused)
	})
}

// Rules with presets answer as the presets say, and a percentage of the rule wins.
func TestPresetRules(t *testing.T) {
	for line, want := range map[string]int{
		"preset stripe-card-declined":            402,
		"preset cloudflare-origin code=525":      525,
		"preset flaky percent=0":                 200,
		"percent 0; preset anthropic-overloaded": 200,
		"percent 100; preset problem status=451": 451,
		"preset recovers times=1":                503,
	} {
		rule, err := grammar.ParseLine(line)
		if err != nil {
			t.Fatal(err)
		}
		rule.Name = "preset"
		config, err := json.Marshal(map[string]any{"point": "presets", "rules": []any{rule}})
		if err != nil {
			t.Fatal(err)
		}
		h := load(t, string(config), "")
		if got := testkit.Ask(h); got.Status != want {
			t.Errorf("%s: got %d, want %d", line, got.Status, want)
		}
	}
}
