package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// A matcher that is not part of Caddy requires the permission of the configuration. If
// it panics, the process continues.
func TestExperimentMatchers(t *testing.T) {
	matching := func(match string) string {
		return `{"match": [` + match + `], "faults": [{"fault": "respond", "status_code": 500}]}`
	}
	n := testnode.Start(t, testnode.Shop, "")
	n.Want(400, "PUT", "/experiments/a", matching(`{"foreign": {}}`), "match[0].foreign: the matcher 'foreign' is not part of Caddy and may read more than the request; to allow it, write in the global options: fault { experiment_matchers foreign }")
	n = testnode.Start(t, testnode.Shop, `{"experiment_matchers": ["foreign"]}`)
	n.Put("a", matching(`{"not": [{"foreign": {}}]}, {"foreign": {}}`))
	if got := n.Hit("/"); got != http.StatusInternalServerError {
		t.Errorf("got %d from what the configuration allows", got)
	}
	n.Want(400, "PUT", "/experiments/b", matching(`{"foreign": {"panic": true}}`), "a module panicked while loading: as configured")
	for config, want := range map[string]string{
		`{"experiment_matchers": ["path"]}`:               "experiment_matchers: bad matcher 'path': experiments may always use it",
		`{"experiment_matchers": ["file"]}`:               "experiment_matchers: bad matcher 'file': experiments read no files",
		`{"experiment_matchers": ["none"]}`:               "this Caddy has no module http.matchers.none",
		`{"experiment_matchers": ["foreign", "foreign"]}`: "duplicate name 'foreign'",
	} {
		if _, err := testnode.TryLoad(t, testnode.Shop, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", config, err, want)
		}
	}
}

// secretExpressions would read a file that a header field names.
var secretExpressions = []string{
	`vars_regexp("n", {http.request.header.Y}, "(?s)(.*)")`,
	`header_regexp("n", "X", "(.*)") && vars_regexp("m", {http.regexp.n.1}, "(.*)")`,
	`path({http.request.cookie.y}) || host("{" + {http.request.header.Y})`,
	`query({"q": [{http.request.header.A} + {http.request.header.B}]})`,
	`[{http.request.header.Y}].exists(v, header({"X": v}))`,
}

// No way to add an experiment to a running Caddy lets it read more than the request, or
// cost more than its bound.
func TestExperimentsReadTheRequest(t *testing.T) {
	expressions := append([]string{
		`[1].all(a, [1].all(b, a == b))`, `path_regexp("` + strings.Repeat("a", 1025) + `")`, strings.Repeat("true && ", 512) + "true",
	}, secretExpressions...)
	forms := []string{`{"expression": %s}`, `{"expression": {"expr": %s, "name": "n"}}`, `{"not": [{"path": ["/a"], "expression": %s}]}`}
	const faults = `"faults": [{"fault": "respond", "status_code": 418, "body": "{http.regexp.n.1}"}]`
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"share": {"group": "g", "interval": "1h"}}`)
		synctest.Wait() // the node has loaded the document
		n.Put("there", `{"match": [{"path": ["/there"]}], `+faults+`}`)
		for _, expression := range expressions {
			quoted, _ := json.Marshal(expression) // a string can always be written as JSON
			for _, form := range forms {
				match := `"match": [` + fmt.Sprintf(form, quoted) + `]`
				n.Want(400, "PUT", "/experiments/new", `{`+match+`, `+faults+`}`, "match[0].")
				n.Want(400, "PUT", "/experiments/there", `{`+match+`, `+faults+`}`, "match[0].")
				n.Want(400, "PATCH", "/experiments/there", `{`+match+`}`, "match[0].")
			}
			line, _ := json.Marshal("match expression `" + expression + "`; 551")
			n.Want(400, "POST", "/draft", `{"rule": `+string(line)+`}`, "match[0].expression: ")
		}
		now := time.Now().UTC().Format(time.RFC3339)
		quoted, _ := json.Marshal(secretExpressions[0])
		shared := fmt.Sprintf(`{"version": 99, "experiments": {
			"bad": {"revision": 98, "started": "%[1]s", "experiment": {"match": [{"expression": %[2]s}], %[3]s}},
			"good": {"revision": 99, "started": "%[1]s", "experiment": {"match": [{"path": ["/good"]}], %[3]s}}}}`, now, quoted, faults)
		if err := n.App.Context().Storage().Store(t.Context(), "fault/g.json", []byte(shared)); err != nil {
			t.Fatal(err)
		}
		if err := n.Ctl.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.Want(200, "GET", "/experiments/good", "", `"good"`)
		n.Want(404, "GET", "/experiments/bad", "", "no experiment 'bad'")
		if err := n.App.Stop(); err != nil {
			t.Error(err)
		}
		n.Ctl.BeginExit()
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}
