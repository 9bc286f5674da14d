package caddymodule

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

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

// There is a most of experiments. Another in the place of one is none more.
func TestExperimentsAreBounded(t *testing.T) {
	n := startNode(t, shop, "")
	const experiment = `{"points": ["*"], "faults": [{"fault": "close"}]}`
	for i := range experiments.MaxExperiments {
		name := fmt.Sprint("e", i)
		e, err := experiments.Parse(name, []byte(experiment))
		if err == nil {
			_, _, err = n.ctl.put(e, []byte(experiment), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n.want(409, "PUT", "/experiments/more", experiment, "there are 1000, the most are 1000: end one first, as with 'caddy fault rm <name>'")
	n.want(200, "PUT", "/experiments/e1", experiment, "")
	n.want(200, "PATCH", "/experiments/e2", `{"ttl": "1m"}`, "")
	n.want(204, "DELETE", "/experiments/e1", "", "")
	n.want(201, "PUT", "/experiments/more", experiment, "")
}
