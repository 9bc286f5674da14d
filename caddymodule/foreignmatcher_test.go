package caddymodule

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(foreignMatcher{}) }

// foreignMatcher is a matcher of a module that is not Caddy's own.
type foreignMatcher struct {
	Panic bool `json:"panic,omitempty"`
}

func (foreignMatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.foreign", New: func() caddy.Module { return new(foreignMatcher) }}
}

func (m *foreignMatcher) Provision(caddy.Context) error {
	if m.Panic {
		panic("as it was told")
	}
	return nil
}

func (m *foreignMatcher) MatchWithError(*http.Request) (bool, error) { return true, nil }

// A module that is not Caddy's own needs the configuration's leave. One that
// panics does not end the process.
func TestExperimentMatchers(t *testing.T) {
	matching := func(match string) string {
		return `{"match": [` + match + `], "faults": [{"fault": "respond", "status_code": 500}]}`
	}
	n := startNode(t, shop, "")
	n.want(400, "PUT", "/experiments/a", matching(`{"foreign": {}}`), "match[0].foreign: the matcher 'foreign' is not Caddy's own and may read more than the request; the global option allows it: fault { experiment_matchers foreign }")
	n = startNode(t, shop, `{"experiment_matchers": ["foreign"]}`)
	n.put("a", matching(`{"not": [{"foreign": {}}]}, {"foreign": {}}`))
	if got := n.hit("/"); got != http.StatusInternalServerError {
		t.Errorf("got %d from what the configuration allows", got)
	}
	n.want(400, "PUT", "/experiments/b", matching(`{"foreign": {"panic": true}}`), "a module panicked while it was loaded: as it was told")
	for config, want := range map[string]string{
		`{"experiment_matchers": ["path"]}`:               "experiment_matchers: bad matcher 'path': experiments may use it anyway",
		`{"experiment_matchers": ["file"]}`:               "experiment_matchers: bad matcher 'file': an experiment reads no files",
		`{"experiment_matchers": ["none"]}`:               "this Caddy has no module http.matchers.none",
		`{"experiment_matchers": ["foreign", "foreign"]}`: "'foreign' is there twice",
	} {
		if _, err := tryLoad(t, shop, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", config, err, want)
		}
	}
}

// secretExpressions read a file that a header field names, if they may.
var secretExpressions = []string{
	`vars_regexp("n", {http.request.header.Y}, "(?s)(.*)")`,
	`header_regexp("n", "X", "(.*)") && vars_regexp("m", {http.regexp.n.1}, "(.*)")`,
	`path({http.request.cookie.y}) || host("{" + {http.request.header.Y})`,
	`query({"q": [{http.request.header.A} + {http.request.header.B}]})`,
	`[{http.request.header.Y}].exists(v, header({"X": v}))`,
}

// No way into a running Caddy lets an experiment read more than the request, or
// cost more than its bound.
func TestExperimentsReadTheRequest(t *testing.T) {
	expressions := append([]string{
		`[1].all(a, [1].all(b, a == b))`, `path_regexp("` + strings.Repeat("a", 1025) + `")`, strings.Repeat("true && ", 512) + "true",
	}, secretExpressions...)
	forms := []string{`{"expression": %s}`, `{"expression": {"expr": %s, "name": "n"}}`, `{"not": [{"path": ["/a"], "expression": %s}]}`}
	const faults = `"faults": [{"fault": "respond", "status_code": 418, "body": "{http.regexp.n.1}"}]`
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, shop, `{"share": {"group": "g", "interval": "1h"}}`)
		synctest.Wait() // it has looked
		n.put("there", `{"match": [{"path": ["/there"]}], `+faults+`}`)
		for _, expression := range expressions {
			quoted, _ := json.Marshal(expression) // a string can be written
			for _, form := range forms {
				match := `"match": [` + fmt.Sprintf(form, quoted) + `]`
				n.want(400, "PUT", "/experiments/new", `{`+match+`, `+faults+`}`, "match[0].")
				n.want(400, "PUT", "/experiments/there", `{`+match+`, `+faults+`}`, "match[0].")
				n.want(400, "PATCH", "/experiments/there", `{`+match+`}`, "match[0].")
			}
			line, _ := json.Marshal("match expression `" + expression + "`; 551")
			n.want(400, "POST", "/line", `{"line": `+string(line)+`}`, "match[0].expression: ")
		}
		now := time.Now().UTC().Format(time.RFC3339)
		quoted, _ := json.Marshal(secretExpressions[0])
		shared := fmt.Sprintf(`{"version": 99, "experiments": {
			"bad": {"revision": 98, "started": "%[1]s", "experiment": {"match": [{"expression": %[2]s}], %[3]s}},
			"good": {"revision": 99, "started": "%[1]s", "experiment": {"match": [{"path": ["/good"]}], %[3]s}}}}`, now, quoted, faults)
		if err := n.app.ctx.Storage().Store(t.Context(), "fault/g.json", []byte(shared)); err != nil {
			t.Fatal(err)
		}
		if err := n.ctl.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		n.want(200, "GET", "/experiments/good", "", `"good"`)
		n.want(404, "GET", "/experiments/bad", "", "no experiment 'bad'")
		n.app.Share.stop()
		n.ctl.beginExit()
		time.Sleep(time.Minute) // Caddy's storage is slow to notice that a lock has been released
	})
}
