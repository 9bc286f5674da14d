package caddymodule

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// The titles of the sections on what is refused while Caddy runs.
const (
	apiErrorsTitle     = "The API and the command line"
	triggerErrorsTitle = "Refused triggers"
)

// refusedRequests are requests that the API refuses, for the most frequent mistakes.
var refusedRequests = []struct{ method, path, body string }{
	{"PUT", "/experiments/slow", `{"faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["nowhere"], "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "percentage": 10, "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "Percent": 10, "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "percent": "10", "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "percent": null, "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "faults": [{"fault": "explode"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "faults": [{"kind": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "faults": [{"fault": "delay", "duration": "fast"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "faults": [{"fault": "respond", "status_code": 503, "body_file": "/etc/hosts"}]}`},
	{"PUT", "/experiments/slow", `{"match": [{"path": ["api/*"]}], "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/slow", `{"points": ["*"], "ttl": "soon", "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/my%20test", `{"points": ["*"], "faults": [{"fault": "close"}]}`},
	{"PUT", "/experiments/gone", `{"points": ["*"], "faults": [{"fault": "close"}]}`},
	{"PATCH", "/experiments/slow", `{"percent": 50}`},
	{"POST", "/rules/shop/nothing/off", ""},
	{"POST", "/reset?rules=gone", ""},
	{"GET", "/verify?rule=gone", ""},
	{"GET", "/verify?rule=gone&exactly=1", ""},
	{"GET", "/verify?refused=true&exactly=0", ""},
	{"GET", "/nothing", ""},
}

// refusedLines are lines of triggers that are refused, for the most frequent mistakes.
var refusedLines = []string{
	"551", "key 0123456789abcdef; 999999", "key 0123456789abcdef; delay 1", "key 0123456789abcdef; delay 10s",
	"key 0123456789abcdef; close", "key 0123456789abcdef; patch", "key 0123456789abcdef; times 2; 503",
	"key 0123456789abcdef; respond 503 busy", "key 0123456789abcdef; respond 503; delay 1s", "key 0123456789abcdef; percent 10",
	"key 0123456789abcdef; corrupt 10%; corrupt 20%; 551; 552; 553; 554; 555; 556; 557",
}

// apiErrors writes what the API says of the requests.
func (m *referencePage) apiErrors(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	var rows [][]string
	for _, asked := range refusedRequests {
		w := n.Do(asked.method, asked.path, asked.body)
		var no struct{ Error string }
		if err := json.Unmarshal(w.Body.Bytes(), &no); err != nil || no.Error == "" {
			t.Errorf("%s %s %s: got %d %s, want a refusal", asked.method, asked.path, asked.body, w.Code, w.Body)
		}
		written := manual.Code(asked.method + " /fault" + asked.path)
		if asked.body != "" {
			written += "<br>" + manual.Code(asked.body)
		}
		rows = append(rows, []string{manual.Code(kindsCut(no.Error)), written})
	}
	m.Printf("## %s\n", apiErrorsTitle)
	m.Printf("See [api.md](api.md) and [cli.md](cli.md). The command line prints the errors of the API.\n")
	m.Table([]string{"Message", "Request"}, rows)
}

// triggerErrors writes what X-Fault-Refused says of the lines.
func (m *referencePage) triggerErrors(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop", "triggers": [{"source": "header", "key": "0123456789abcdef", "max_delay": "5s",
		"allow": ["respond", "delay", "corrupt", "reset"]}]}`, "")
	var rows [][]string
	for _, line := range refusedLines {
		got := testkit.Ask(n.Handler, "X-Fault", line)
		reason := got.Header.Get("X-Fault-Refused")
		if reason == "" {
			t.Errorf("%s: got %d, want a refusal", line, got.Status)
		}
		rows = append(rows, []string{manual.Code(kindsCut(reason)), manual.Code("X-Fault: " + strings.Replace(line, "0123456789abcdef", "…", 1))})
	}
	m.Printf("## %s\n", triggerErrorsTitle)
	m.Printf("The reply has the reason in `X-Fault-Refused`. See [triggers.md](triggers.md).")
	m.Printf("Here the key is right where the line has one, and the trigger has `allow` and `max_delay 5s`.\n")
	m.Table([]string{"Value of `X-Fault-Refused`", "Request"}, rows)
}
