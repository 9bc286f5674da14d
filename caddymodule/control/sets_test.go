package control_test

import (
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

const closeAll = `{"points": ["*"], "faults": [{"fault": "close"}]}`

// set returns an app with one set, which has one good experiment and these others.
func set(name, others string) string {
	return `{"sets": {"` + name + `": {"source": "Caddyfile:7", "experiments": {"good": ` + closeAll + others + `}}}}`
}

// What cannot start is refused when the configuration loads, with its place.
func TestSetsOfConfiguration(t *testing.T) {
	many := make([]string, 1000)
	for i := range many {
		many[i] = fmt.Sprintf(`"e%d": %s`, i, closeAll)
	}
	for _, tt := range []struct{ app, want string }{
		{set("outage", ""), ""},
		{set("outage", `, "backend": {"points": ["backend"], "faults": [{"fault": "refuse"}]}`), ""}, // may be a transport
		{`{"sets": {"outage": null}}`, "sets.outage: null is not a value"},
		{`{"sets": {"outage": {}}}`, "set 'outage': at least one experiment is required"},
		{`{"sets": {"outage": {"experiments": {"a": null}}}}`, "null is not a value"},
		{`{"sets": {"outage": {"experiment": {}}}}`, "unknown field"},
		{`{"sets": {"outage": {"source": "a\nb", "experiments": {"a": ` + closeAll + `}}}}`, "set 'outage': bad source"},
		{set("an outage", ""), "set 'an outage': bad name 'an outage'"},
		{set(strings.Repeat("n", 5000), ""), "set '" + strings.Repeat("n", 100) + "...': bad name"},
		{set("outage", `, "a b": `+closeAll), "set 'outage', at Caddyfile:7: experiment 'a b': bad name 'a b'"},
		{set("outage", `, "bad": {"faults": [{"fault": "close"}]}`), "set 'outage', at Caddyfile:7: experiment 'bad': either match or points is required"},
		{set("outage", `, "bad": {"name": "x", "points": ["*"], "faults": [{"fault": "close"}]}`), "experiment 'bad': name: 'x' differs"},
		{set("outage", `, "bad": {"points": ["*"], "percent": 101, "faults": [{"fault": "close"}]}`), "experiment 'bad': bad percent"},
		{set("outage", `, "bad": {"points": ["*"], "ttl": -1, "faults": [{"fault": "close"}]}`), "experiment 'bad': ttl: '-1ns' is negative"},
		{set("outage", `, "bad": {"points": ["*"], "follows": {"rule": "good"}, "faults": [{"fault": "close"}]}`), "experiment 'bad': follows and observe are about other rules"},
		{set("outage", `, "bad": {"points": ["*"], "faults": [{"fault": "none_such"}]}`), "none_such"},
		{set("outage", `, "bad": {"points": ["*"], "faults": [{"fault": "respond", "status_code": 1}]}`), "set 'outage', at Caddyfile:7: experiment 'bad': "},
		{set("outage", `, "bad": {"points": ["*"], "faults": [{"fault": "respond", "body_file": "/x"}]}`), "experiment 'bad': faults[0].body_file: experiments read no files"},
		{set("outage", `, "bad": {"match": [{"file": {}}], "faults": [{"fault": "close"}]}`), "experiment 'bad': match[0].file: experiments read no files"},
		{set("outage", `, "bad": {"match": [{"header_regexp": {"X": null}}], "faults": [{"fault": "close"}]}`), "null"},
		{set("outage", `, "bad": {"points": ["*"], "faults": [{"fault": "refuse"}]}`), "set 'outage', at Caddyfile:7: experiment 'bad': "}, // not for handlers
		{set("outage", ", "+strings.Join(many, ", ")), "set 'outage', at Caddyfile:7: it has 1001 experiments, more than 1000"},
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

// A set that cannot start with the points of the configuration is reported.
func TestSetsWarn(t *testing.T) {
	n, err := testnode.TryLoad(t, testnode.Shop, set("outage", `,
		"gone": {"points": ["shop"], "faults": [{"fault": "close"}]},
		"far": {"points": ["shop", "nowhere"], "faults": [{"fault": "close"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.WarnLevel)
	n.App.SetLogger(zap.New(core))
	if err := n.App.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.App.Stop(); err != nil {
			t.Error(err)
		}
	}()
	want := []string{
		"Caddyfile:7: experiment 'far' of set 'outage' cannot start: the injection point 'nowhere' does not exist; the injection points are: shop",
		"Caddyfile:7: experiment 'gone' of set 'outage' cannot start: the injection point 'shop' has a rule 'gone'; choose another name",
	}
	all := logs.All()
	if len(all) != len(want) {
		t.Fatalf("%d warnings, want %d", len(all), len(want))
	}
	for i, entry := range all {
		if entry.Message != want[i] {
			t.Errorf("got %q, want %q", entry.Message, want[i])
		}
	}
}

// A reload that changes or removes a set does not touch what runs. The set can still be
// ended by its name.
func TestSetsReload(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, set("outage", `, "slow": `+closeAll))
	n.Want(201, "POST", "/sets/outage", "", "")
	live := n.Ctl.Store.Get("slow")
	ctx, err := testkit.Provision(t, n.Ctl, "") // a configuration without the set
	if err != nil {
		t.Fatal(err)
	}
	next := testkit.App(t, ctx)
	for _, err := range []error{next.Start(), n.App.Stop()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if n.Ctl.Store.Get("slow") != live || live.Ended().Err() != nil {
		t.Error("the reload has ended the experiment")
	}
	n.Want(200, "GET", "/sets", "", "\"experiments\": [],\n      \"running\": [\n        \"good\",\n        \"slow\"\n      ]")
	n.Want(404, "POST", "/sets/outage", "", "no set 'outage'; the configuration has no sets")
	n.Want(200, "DELETE", "/sets/outage", "", "slow")
	n.Want(200, "GET", "/sets", "", `"sets": []`)
	if err := next.Stop(); err != nil {
		t.Error(err)
	}
}
