package command

import (
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

func TestStateDryRun(t *testing.T) {
	var out strings.Builder
	if err := printState(&out, &api.StateView{DryRun: true}, ""); err != nil || !strings.Contains(out.String(), "\ndry_run: ") {
		t.Errorf("got %s, %v", &out, err)
	}
}

// The status has a line for each set of exempt requests.
func TestStateExempt(t *testing.T) {
	var out strings.Builder
	view := &api.StateView{Exempt: caddyhttp.RawMatcherSets{
		{"path": []byte(`["/healthz", "/readyz"]`)},
		{"method": []byte(`["GET"]`), "header": []byte(`{"User-Agent": ["kube-probe/*"]}`)},
	}}
	if err := printState(&out, view, ""); err != nil {
		t.Fatal(err)
	}
	const want = "\nexempt: path /healthz /readyz\nexempt: { header User-Agent kube-probe/*; method GET }\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", &out, want)
	}
}

// The status has a line for each warning.
func TestShareText(t *testing.T) {
	g := &experiments.GroupState{Group: "g", Warnings: []string{"clocks differ", "an object was\nreplaced"}}
	lines := strings.Split(strings.TrimSpace(shareText(g)), "\n")
	if len(lines) != 3 || lines[1] != "warning: clocks differ" || !strings.HasPrefix(lines[2], "warning: an object was") {
		t.Errorf("got %q", lines)
	}
	if got := shareText(nil); got != "" {
		t.Errorf("got %q without a group", got)
	}
}

// If one answer has not all rules, the status says how to list the next ones.
func TestCommandStatusInParts(t *testing.T) {
	_, address := adminEndpoint(t, twoRules)
	for _, tt := range []struct{ flags, rules, more string }{
		{"", "slow gone", ""},
		{"--limit 1", "slow", "There are more rules: caddy fault status --after api/slow --limit 1\n"},
		{"--after api/slow --limit 1", "gone", ""},
		{"--after api/slow", "gone", ""},
	} {
		got := caddyFault(t, append(strings.Fields("status --address "+address), strings.Fields(tt.flags)...)...)
		var names []string
		for _, name := range []string{"slow", "gone"} {
			if strings.Contains(got.stdout, "\napi    "+name) {
				names = append(names, name)
			}
		}
		if rules := strings.Join(names, " "); got.err != nil || rules != tt.rules || strings.Contains(got.stdout, "more rules") != (tt.more != "") || !strings.Contains(got.stdout, tt.more) {
			t.Errorf("%s: got rules '%s' of\n%s%v, want '%s' and '%s'", tt.flags, rules, got.stdout, got.err, tt.rules, tt.more)
		}
	}
}
