package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// busy is a point that is busy for two requests.
const busy = `{"point": "shop", "rules": [{"name": "busy", "times": 2, "faults": [
	{"fault": "respond", "status_code": 503, "headers": {"set": {"Retry-After": ["2"]}}}]}]}`

// order sends a POST request with a key until it succeeds, and waits before each retry.
func order(n *testnode.Node, key string, wait time.Duration) {
	n.T.Helper()
	for try := 0; ; try++ {
		w := httptest.NewRecorder()
		r := testkit.Request(http.MethodPost, "/orders?token=secret", w)
		r.Header.Set("Idempotency-Key", key)
		r.Header.Set("User-Agent", "checkout/2.1 (linux)")
		if err := n.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil {
			n.T.Fatal(err)
		}
		if w.Code == http.StatusOK || try == 5 {
			return
		}
		time.Sleep(wait)
	}
}

func clientsOf(n *testnode.Node, query string, status int) (view api.ClientsView) {
	n.T.Helper()
	w := n.Want(status, "GET", "/clients"+query, "", "")
	if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
		n.T.Fatal(err)
	}
	return view
}

// TestClients holds what the API says of clients.
func TestClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, busy, "")
		empty := clientsOf(n, "", 200)
		if empty.Enough || len(empty.Clients) != 0 {
			t.Errorf("nothing seen: got %+v", empty)
		}
		n.Want(417, "GET", "/clients?min_calls=1", "", "saw 0 calls, needs 1")
		order(n, "key-1", 500*time.Millisecond)
		view := clientsOf(n, "", 200)
		if len(view.Clients) != 1 || !strings.HasPrefix(view.Clients[0].Client, "checkout/2.1") {
			t.Fatalf("got %+v", view.Clients)
		}
		c := view.Clients[0]
		if c.Attempts != 3 || c.Outcomes.Recovered != 1 || c.By["key"] != 1 {
			t.Errorf("got %+v", c)
		}
		if len(c.Findings) != 1 || c.Findings[0].Finding != "retry_after_ignored" || c.Findings[0].Level != "error" {
			t.Errorf("findings: got %+v", c.Findings)
		}
		for query, want := range map[string]struct {
			status int
			text   string
		}{
			"?fail_on=error": {417, "retry_after_ignored: waited 0.50 s (median), was told to wait 2.00 s"},
			"?fail_on=info&allow=retry_after_ignored": {200, ""},
			"?fail_on=many_attempts":                  {200, ""},
			"?fail_on=no_jitter,wave":                 {417, "no_jitter is undecided for all clients"},
			"?require=retry":                          {200, ""},
			"?min_calls=2":                            {417, "saw 1 call, needs 2"},
			"?fail_on=error&rule=nobody":              {417, "saw 0 calls"},
			"?rule=shop/busy&point=shop&since=1h":     {200, "retry_after_ignored"},
			"?fail_on=error&client=somebody":          {417, "saw 0 calls"},
			"?fail_on=bad":                            {400, "fail_on: 'bad' is not a level"},
			"?allow=bad":                              {400, "allow: 'bad' is not a finding"},
			"?require=bad":                            {400, "require: 'bad' is not known"},
			"?min_calls=0":                            {400, "min_calls: '0' is not a number above 0"},
			"?calls=maybe":                            {400, "calls: 'maybe' is neither true nor false"},
			"?wait=11m":                               {400, "wait: '11m' is not a duration of at most 10m0s"},
			"?rule=a/b/c":                             {400, "rule: 'a/b/c'"},
			"?since=soon":                             {400, "since: 'soon'"},
			"?who=me":                                 {400, "unknown parameter 'who'"},
		} {
			n.Want(want.status, "GET", "/clients"+query, "", want.text)
		}
		recorded := n.Want(200, "GET", "/clients?calls=true", "", `"recorded"`).Body.String()
		if !strings.Contains(recorded, `"window": 60,`) {
			t.Errorf("the evidence is without its settings: %s", recorded)
		}
		if strings.Contains(recorded, "secret") || strings.Contains(recorded, "key-1") {
			t.Errorf("the evidence has secrets: %s", recorded)
		}
		n.Want(204, "DELETE", "/clients", "", "")
		if left := clientsOf(n, "", 200); len(left.Clients) != 0 {
			t.Errorf("after DELETE: got %+v", left.Clients)
		}
		n.Ctl.BeginExit()
	})
}

// TestClientsWait holds that an assertion waits for what comes.
func TestClientsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		start := time.Now()
		time.AfterFunc(3*time.Second, func() { n.Hit("/gone") })
		n.Want(200, "GET", "/clients?min_calls=1&wait=5m", "", `"gave_up": 1`)
		if took := time.Since(start); took < time.Minute || took > 65*time.Second {
			t.Errorf("answered after %v, want a little more than the window", took)
		}
		n.Want(417, "GET", "/clients?min_calls=2&wait=5s", "", "saw 1 call, needs 2")
		n.Ctl.BeginExit()
	})
}

// TestClientsOff holds what is said if nothing is recorded.
func TestClientsOff(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"clients": {"off": true}}`)
	n.Hit("/gone")
	n.Want(404, "GET", "/clients", "", "clients are not recorded")
	n.Want(404, "DELETE", "/clients", "", "remove the line 'clients off'")
}

// TestClientsEndOfExperiment holds that the end of an experiment and a halt end a period.
func TestClientsEndOfExperiment(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Put("slow", testnode.Slow500)
	n.Hit("/slow")
	n.Hit("/gone")
	ended := func(rule string) bool {
		for _, p := range clientsOf(n, "?rule="+rule, 200).Periods {
			return !p.End.IsZero()
		}
		t.Fatalf("no period of %s", rule)
		return false
	}
	if ended("slow") || ended("gone") {
		t.Error("a period has ended before its fault")
	}
	n.Want(204, "DELETE", "/experiments/slow", "", "")
	if !ended("slow") || ended("gone") {
		t.Error("the end of the experiment has not ended its period, or another one")
	}
	n.Want(200, "POST", "/halt", "", "")
	if !ended("gone") {
		t.Error("the halt has not ended the period")
	}
}
