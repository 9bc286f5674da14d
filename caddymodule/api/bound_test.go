package api_test

import (
	"fmt"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// The number of experiments is bounded. Replacing an experiment does not add one.
func TestExperimentsAreBounded(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	const experiment = `{"points": ["*"], "faults": [{"fault": "close"}]}`
	for i := range experiments.MaxExperiments {
		name := fmt.Sprint("e", i)
		e, err := experiments.Parse(name, []byte(experiment))
		if err == nil {
			_, _, err = n.Ctl.Start(experiments.Batch{Drafts: []experiments.Draft{{Experiment: e, JSON: []byte(experiment)}}})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	n.Want(409, "PUT", "/experiments/more", experiment, "there are 1000 of at most 1000; end one first, for example with 'caddy fault rm <name>'")
	n.Want(200, "PUT", "/experiments/e1", experiment, "")
	n.Want(200, "PATCH", "/experiments/e2", `{"ttl": "1m"}`, "")
	n.Want(204, "DELETE", "/experiments/e1", "", "")
	n.Want(201, "PUT", "/experiments/more", experiment, "")
}
