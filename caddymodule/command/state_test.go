package command

import (
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

func TestStateDryRun(t *testing.T) {
	var out strings.Builder
	if err := printState(&out, &api.StateView{DryRun: true}); err != nil || !strings.Contains(out.String(), "\ndry_run is configured: ") {
		t.Errorf("got %s, %v", &out, err)
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
