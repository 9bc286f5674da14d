package api_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	_ "github.com/caddyfault/caddyfault/caddymodule/match"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

// The triggers of the request come first in an explanation, which makes no draw, counts
// nothing and shows no key.
func TestExplainTrigger(t *testing.T) {
	const key = "0123456789abcdef"
	n := testnode.Start(t, `{"point": "in", "match": [{"path": ["/in/*"], "header": {"X-Fault": ["*"]}}, {"path": ["/in/*"]}],
		"triggers": [{"source": "header", "key": "`+key+`", "max_active": 1}, {"source": "cookie", "percent": 50, "allow": ["respond"]}, {"source": "baggage"}, {"source": "envoy"}],
		"rules": [{"name": "own", "match": [{"not": [{"header": {"X-Fault": ["*"]}}]}], "faults": [{"fault": "close"}]}]}`, "")
	explain := func(url, field, value string) (text string) {
		ask, err := json.Marshal(api.ExplainRequest{URL: url, Header: map[string]api.HeaderValues{field: {value}}})
		if err != nil {
			t.Fatal(err)
		}
		w := n.Want(200, "POST", "/explain", string(ask), `"in"`)
		if strings.Contains(w.Body.String(), key) {
			t.Errorf("%s shows the key: %s", value, w.Body)
		}
		var view api.ExplainView
		if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		text = fmt.Sprint(view.Points[0].Match)
		for _, v := range view.Points[0].Rules {
			text += fmt.Sprintf("; %s %s %v %s %s", v.Rule, v.Trigger, v.Fires, v.Gate, v.Why)
		}
		return text
	}
	for _, tt := range []struct{ url, field, value, want string }{
		{"/in/", "X-Other", "551", "true; own  true  "},
		{"/out/", "X-Fault", "551", "false"},
		{"/in/", "X-Fault", "key " + key + "; delay 1s; 551", "true; trigger header X-Fault true  it asks for 'delay 1s; 551'; own  false before 'trigger' takes the request first"},
		{"/in/", "X-Fault", "key " + key + "; percent 0; 551", "true; trigger header X-Fault false percent the percentage is currently 0; own  true  "},
		{"/in/", "X-Fault", "key " + key + "; pass", "true; trigger header X-Fault false trigger it asks to pass: no rule and no experiment applies; own  false before 'trigger' takes the request first"},
		{"/in/", "X-Fault", "key wrong-and-as-long; 551", "true; trigger header X-Fault false trigger refused: the key is missing or wrong; own  true  "},
		{"/in/", "Cookie", "fault=551", "true; trigger cookie fault true percent it asks for '551'; 50 percent chance: a draw from 0 to below 50; own  true  "},
		{"/in/", "Cookie", "fault=close", "true; trigger cookie fault false trigger refused: 'close' is not allowed here: want id, percent, phase, skip, times, or one of respond; own  true  "},
		{"/in/", "Cookie", "other=fault", "true; own  true  "},
		{"/in/", "Baggage", "default=1,=x", "true; own  true  "},
		{"/in/", "X-Envoy-Fault-Delay-Request", "20", "true; trigger envoy true  it asks for 'delay 20ms'; own  false before 'trigger' takes the request first"},
	} {
		if got := explain(tt.url, tt.field, tt.value); got != tt.want {
			t.Errorf("%s %s: %s: got\n%s, want\n%s", tt.url, tt.field, tt.value, got, tt.want)
		}
	}
	n.Want(200, "GET", "/verify?rule=trigger&exactly=0", "", "")
	if got := testutil.ToFloat64(metrics.PassedTotal.WithLabelValues("in", trigger.RuleName, "trigger_refused")); got != 0 {
		t.Errorf("%v refused triggers were counted", got)
	}
	if got := slices.Collect(n.Ctl.Journal.Entries(experiments.Query{})); len(got) != 0 {
		t.Errorf("the journal has %v", got)
	}
}

// An exempt request is hit by no trigger, experiment or rule. A rule that does not match
// says so.
func TestExplainExempt(t *testing.T) {
	n := testnode.Start(t, `{"point": "in", "match": [{"path": ["/*"]}], "triggers": [{"source": "header"}], "rules": [
		{"name": "own", "faults": [{"fault": "close"}]}, {"name": "apart", "match": [{"path": ["/apart"]}], "faults": [{"fault": "close"}]}]}`,
		`{"exempt": [{"path": ["/healthz"]}, {"header": {"User-Agent": ["kube-probe/*"]}}]}`)
	n.Put("guest", `{"points": ["in"], "faults": [{"fault": "respond", "status_code": 500}]}`)
	const exempt = "; trigger exempt; guest exempt; own exempt; apart match"
	for _, tt := range []struct{ url, agent, line, want string }{
		{"/healthz", "curl", "551", "may not hit" + exempt},
		{"/healthz", "curl", "nonsense", "may not hit" + exempt},
		{"/healthz", "curl", "pass", "may not hit" + exempt},
		{"/x", "kube-probe/1", "551", "may not hit" + exempt},
		{"/x", "curl", "551", "may hit; trigger fires; guest before; own before; apart match"},
		{"/x", "curl", "", "may hit; guest fires; own before; apart match"},
		{"/x", "kube-probe/1", "", "may not hit; guest exempt; own exempt; apart match"},
	} {
		header := map[string]api.HeaderValues{"User-Agent": {tt.agent}}
		if tt.line != "" {
			header["X-Fault"] = api.HeaderValues{tt.line}
		}
		ask, err := json.Marshal(api.ExplainRequest{URL: tt.url, Header: header})
		if err != nil {
			t.Fatal(err)
		}
		var view api.ExplainView
		if err := json.Unmarshal(n.Want(200, "POST", "/explain", string(ask), `"in"`).Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		got := "may not hit"
		if view.MayHit {
			got = "may hit"
		}
		for _, v := range view.Points[0].Rules {
			word := v.Gate
			if v.Fires {
				word = "fires"
			}
			got += "; " + v.Rule + " " + word
			if (v.Gate == "exempt") != (v.Why == "the global option exempts the request") {
				t.Errorf("%s: %s has gate %s because %q", tt.url, v.Rule, v.Gate, v.Why)
			}
		}
		if got != tt.want {
			t.Errorf("%+v: got %s", tt, got)
		}
	}
	var state api.StateView
	if err := json.Unmarshal(n.Do("GET", "/", "").Body.Bytes(), &state); err != nil || len(state.Exempt) != 2 || string(state.Exempt[0]["path"]) == "" {
		t.Errorf("got %s, %v, want both sets of matchers", state.Exempt, err)
	}
}

// Each part of Envoy's header fields has a separate draw, or no draw.
func TestExplainEnvoy(t *testing.T) {
	const abort, delay = `"X-Envoy-Fault-Abort-Request": "503"`, `"X-Envoy-Fault-Delay-Request": "20"`
	percent := func(part, value string) string {
		return `, "X-Envoy-Fault-` + part + `-Request-Percentage": "` + value + `"`
	}
	const never = `"fires": false,
          "gate": "percent",
          "why": "the percentage is currently 0"`
	for _, tt := range []struct{ trigger, header, want string }{
		{`{"source": "envoy"}`, abort + percent("Abort", "0"), never},
		{`{"source": "envoy"}`, abort + ", " + delay + percent("Abort", "0") + percent("Delay", "0"), never},
		{`{"source": "envoy", "percent": 0}`, abort + percent("Abort", "100"), never},
		{`{"source": "envoy"}`, abort + percent("Abort", "50"), `"why": "it asks for 'respond 503'; a separate draw for each part"`},
		{`{"source": "envoy", "percent": 50}`, abort, `"why": "it asks for 'respond 503'; a separate draw for each part"`},
		{`{"source": "envoy"}`, abort + percent("Abort", "100"), `"why": "it asks for 'respond 503'"`},
		{`{"source": "envoy"}`, abort + percent("Abort", "lots"), `"why": "it asks for 'respond 503'"`},
		{`{"source": "envoy"}`, abort + ", " + delay + percent("Abort", "0"), `"why": "it asks for 'delay 20ms'"`},
		{`{"source": "envoy"}`, abort + ", " + delay + percent("Delay", "1"), `"why": "it asks for 'delay 20ms;respond 503'; a separate draw for each part"`},
		{`{"source": "envoy"}`, `"X-Envoy-Fault-Abort-Request": "9"` + percent("Abort", "0"), `"why": "refused: bad X-Envoy-Fault-Abort-Request '9': want 200 to 599"`},
	} {
		n := testnode.Start(t, testkit.Triggered(tt.trigger), "")
		n.Want(200, "POST", "/explain", `{"url": "/", "header": {`+tt.header+`}}`, tt.want)
	}
}

// The explanation reports a trigger that already holds its maximum of requests.
func TestExplainHeldTrigger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testkit.Triggered(`{"source": "header", "max_active": 1}`), "")
		go testkit.Ask(n.Handler, "X-Fault", "delay 20s")
		synctest.Wait()
		n.Want(200, "POST", "/explain", `{"url": "/", "header": {"X-Fault": "551"}}`, `"gate": "max_active"`)
		n.Want(200, "POST", "/halt", "", "")
		synctest.Wait()
		n.Ctl.BeginExit()
	})
}

// Explain matches by the body that it is given, and says so if it has none. So does an
// expression.
func TestExplainJSONBody(t *testing.T) {
	for name, matcher := range map[string]string{
		"json_body":  `{"json_body": {"/method": ["tools/call"]}}`,
		"expression": `{"expression": "json_body({'/method': 'tools/call'})"}`,
	} {
		n := testnode.Start(t, `{"point": "in", "rules": [{"name": "call", "match": [`+matcher+`], "faults": [{"fault": "close"}]}]}`, "")
		no := "the matcher '" + name + "' does not match"
		for body, want := range map[string]string{`{"method": "tools/call"}`: `"fires": true`, `{"method": "tools/list"}`: no, "": no} {
			ask, err := json.Marshal(api.ExplainRequest{Method: "POST", URL: "/", Body: &body, Header: map[string]api.HeaderValues{"Content-Type": {"application/json"}}})
			if err != nil {
				t.Fatal(err)
			}
			n.Want(200, "POST", "/explain", string(ask), want)
		}
	}
}

// A path that begins with two slashes is a path, whatever follows them.
func TestExplainSlashes(t *testing.T) {
	n := testnode.Start(t, `{"point": "shop", "match": [{"path": ["//a:b/*"]}], "rules": [{"name": "odd", "faults": [{"fault": "close"}]}]}`, "")
	for _, path := range []string{"//a:b/c", "//a:b/[x"} {
		n.Want(200, "POST", "/explain", `{"url": "http://shop.example.com`+path+`"}`, `"may_hit": true`)
	}
	n.Want(400, "POST", "/explain", `{"url": "/", "method": "A B"}`, "method: ")
}
