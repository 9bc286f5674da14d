package command

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// began is when the calls of these tests began.
var began = time.Date(2026, 11, 29, 18, 10, 0, 0, time.UTC)

// evidenceOf returns the evidence of calls by name. Each attempt has the time after the
// beginning, and its outcome. A call that ends with "ok" has recovered.
func evidenceOf(client string, by clients.By, calls map[string][]string) clients.Evidence {
	ev := clients.Evidence{Since: began, Until: began.Add(time.Hour), Clients: []clients.Client{{Client: client}}}
	two := 2.0
	for id, attempts := range calls {
		c := clients.Call{
			Client: client, ID: id, By: by, Point: "api", Method: http.MethodPost, Host: "shop.example", Path: "/orders",
			MayRepeat: by == clients.ByKey, Outcome: clients.GaveUp, Count: len(attempts),
		}
		for i, text := range attempts {
			at, outcome, _ := strings.Cut(text, " ")
			after, err := time.ParseDuration(at)
			if err != nil {
				panic(err)
			}
			a := clients.Attempt{N: i + 1, Start: began.Add(after), End: began.Add(after), Outcome: clients.Passed, Status: 200}
			if outcome == "ok" {
				c.Outcome = clients.Recovered
			} else {
				a.Outcome, a.Status, a.Rule, a.RetryAfter = clients.Reply, 503, "busy", &two
			}
			c.Attempts = append(c.Attempts, a)
		}
		ev.Calls = append(ev.Calls, c)
	}
	return clients.Merge(ev) // in a stable order
}

// fakeNode is an API that knows this evidence. It counts the requests.
type fakeNode struct {
	evidence atomic.Pointer[clients.Evidence]
	asked    atomic.Int32
	last     atomic.Pointer[http.Request]
	settings api.ClientsSettings
	old      bool // knows nothing of evidence
}

func newFakeNode(t *testing.T, ev clients.Evidence) (n *fakeNode, address string) {
	t.Helper()
	n = &fakeNode{settings: api.ClientsSettings{Window: 60, Recovery: 30, Attempts: 5}}
	n.evidence.Store(&ev)
	return n, listen(t, n)
}

func (n *fakeNode) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.asked.Add(1)
	n.last.Store(r)
	if r.Method == http.MethodDelete {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	ev := n.evidence.Load()
	view := api.ClientsView{Report: clients.Judge(*ev, n.settings.Settings())}
	if r.URL.Query().Get("calls") == "true" && !n.old {
		view.Recorded, view.Settings = ev, &n.settings
	}
	_ = api.Answer(w, http.StatusOK, view)
}

// impatient is a client that ignores Retry-After in each of two calls.
func impatient() clients.Evidence {
	return evidenceOf("checkout/2.1 10.0.0.7", clients.ByKey, map[string][]string{
		"9f2ab31c": {"0s 503", "500ms 503", "1s 503", "3s ok"}, "00c0ffee": {"1s 503", "1500ms 503"},
	})
}

func TestClientsSummary(t *testing.T) {
	since := time.Date(2026, time.November, 29, 18, 10, 0, 0, time.UTC)
	two := []clients.ClientReport{{Client: "a", Calls: 2}, {Client: "b", Calls: 1}}
	for _, tt := range []struct {
		view api.ClientsView
		want string
	}{
		{api.ClientsView{Report: clients.Report{Since: since}}, "no fault has hit a client since 2026-11-29 18:10:00Z"},
		{api.ClientsView{Report: clients.Report{Since: since, Calls: 3, Clients: two}}, "3 calls of 2 clients since 2026-11-29 18:10:00Z"},
		{api.ClientsView{Report: clients.Report{Since: since, Calls: 1, Clients: two}}, "3 calls of 2 clients since 2026-11-29 18:10:00Z, 2 without a second attempt so far"},
	} {
		if got := clientsSummary(&tt.view); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestCommandClients(t *testing.T) {
	n, address := newFakeNode(t, impatient())
	got := caddyFault(t, "clients", "--address", address)
	wantLines(t, got.stdout, `
2 calls of 1 client since 2026-11-29 18:10:00Z

CLIENT                 CALLS  ATTEMPTS/CALL  LEVEL      FINDING              DETAILS
checkout/2.1 10.0.0.7  2      3.0            error      retry_after_ignored  2 of 2: waited 0.50 s (median), was told to wait 2.00 s
                                             undecided  11 findings          too little evidence; to list what is missing, add --undecided
`)
	if got.err != nil {
		t.Errorf("without an assertion: got %v", got.err)
	}
	got = caddyFault(t, "clients", "--address", address, "--undecided")
	wantLines(t, got.stdout, `
2 calls of 1 client since 2026-11-29 18:10:00Z

CLIENT                 CALLS  ATTEMPTS/CALL  LEVEL      FINDING                 DETAILS
checkout/2.1 10.0.0.7  2      3.0            error      retry_after_ignored     2 of 2: waited 0.50 s (median), was told to wait 2.00 s
                                             undecided  no_wait                 needs 3 waits, has 0
                                             undecided  first_retry_at_once     needs 3 calls, has 0
                                             undecided  no_growth               needs 5 calls with 3 waits, has 0
                                             undecided  no_jitter               needs 20 first waits, has 0
                                             undecided  unsafe_retry, no_retry  needs 3 calls, has 2
                                             undecided  pointless_retry         needs 2 calls, has 0
                                             undecided  amplification           needs 20 calls, has 2
                                             undecided  no_timeout              needs 3 attempts that are held for 60 s, has 0
                                             undecided  short_timeout           needs 20 attempts, has 0 that the client left
                                             undecided  connection_churn        needs 10 retries after a whole reply, has 4
`)
	caddyFault(t, "clients", "--address", address, "--client", "checkout/2.1 10.0.0.7", "--point", "api", "--rule", "busy", "--since", "1h")
	if got, want := n.last.Load().URL.RequestURI(), "/fault/clients?client=checkout%2F2.1+10.0.0.7&point=api&rule=busy&since=1h"; got != want {
		t.Errorf("filters: got %s, want %s", got, want)
	}
}

// Too little evidence never passes as success, and the text says what is missing.
func TestCommandClientsAssertion(t *testing.T) {
	_, address := newFakeNode(t, impatient())
	_, nothing := newFakeNode(t, clients.Evidence{Since: began})
	ignored := "checkout/2.1 10.0.0.7: error retry_after_ignored: waited 0.50 s (median), was told to wait 2.00 s"
	for _, tt := range []struct{ address, args, stderr string }{
		{address, "--fail-on error", ignored},
		{address, "--fail-on no_jitter,retry_after_ignored", ignored},
		{address, "--fail-on info --allow retry_after_ignored", ""},
		{address, "--fail-on many_attempts", ""},
		{address, "--fail-on no_jitter", "no_jitter is undecided for all clients: checkout/2.1 10.0.0.7: needs 20 first waits, has 0"},
		{address, "--fail-on wave", "wave is undecided: no fault periods"},
		{address, "--require retry --min-calls 2", ""},
		{address, "--min-calls 20", "saw 2 calls, needs 20"},
		{address, "--min-calls 20 --wait 10ms", "saw 2 calls, needs 20"},
		{nothing, "--fail-on error", "saw 0 calls, needs 1"},
		{nothing, "--require retry", "saw 0 calls, needs 1"},
		{nothing, "", ""},
	} {
		got := caddyFault(t, append([]string{"clients", "--address", tt.address}, strings.Fields(tt.args)...)...)
		wantErr, wantText := "", ""
		if tt.stderr != "" {
			wantErr, wantText = "exiting with status 2", "Error: "+tt.stderr+"\n"
		}
		if got.stderr != wantText || fmt.Sprint(got.err) != fmt.Sprint(errorOf(wantErr)) || !strings.Contains(got.stdout, "since 2026-11-29 18:10:00Z\n") {
			t.Errorf("%s: got %+v, want %q", tt.args, got, wantText)
		}
	}
	var view api.ClientsView
	got := caddyFault(t, "clients", "--address", nothing, "--fail-on", "error", "--json")
	if err := json.Unmarshal([]byte(got.stdout), &view); err != nil || view.Enough || view.Why != "saw 0 calls, needs 1" || got.stderr == "" {
		t.Errorf("--json: got %+v, %v", got, err)
	}
}

func TestCommandClientsRefused(t *testing.T) {
	n, address := newFakeNode(t, impatient())
	for args, want := range map[string]string{
		"--fail-on nope":              "--fail-on: 'nope' is not a level or a finding: want one of error, warning, info, retry_after_ignored,",
		"--fail-on=":                  "--fail-on is empty",
		"--fail-on error --allow bad": "--allow: 'bad' is not a finding",
		"--allow no_jitter":           "--allow needs --fail-on",
		"--require wave":              "bad value 'wave' of --require: write --require retry",
		"--min-calls 0":               "--min-calls 0 asserts nothing",
		"--wait 1s":                   "--wait needs something to wait for",
		"--min-calls 1 --wait 1":      "bad --wait '1': want a duration such as 30s",
		"--min-calls 1 --wait=-1s":    "bad --wait '-1s'",
		"--client=":                   "--client is empty",
		"--output=":                   "--output is empty",
		"--json --html":               "--json and --html exclude each other: give one of them",
		"--reset --junit":             "--junit and --reset exclude each other",
		"client":                      "unexpected argument 'client'",
		"--address " + address:        "is given twice",
		"--address nope":              "has no port",
		"-o no/such/folder/x.html":    "no such file or directory",
	} {
		got := caddyFault(t, append([]string{"clients", "--address", address}, strings.Fields(args)...)...)
		if got.err == nil || !strings.Contains(got.err.Error(), want) || got.stdout != "" {
			t.Errorf("%s: got %+v, want %q", args, got, want)
		}
	}
	if got := n.asked.Load(); got != 1 {
		t.Errorf("asked %d times, want once, for the file", got)
	}
}

// The attempts of a call reach two nodes. Each has half of them.
func TestCommandClientsNodes(t *testing.T) {
	const name = "checkout/2.1 10.0.0.7"
	one, first := newFakeNode(t, evidenceOf(name, clients.ByKey, map[string][]string{"9f2ab31c": {"0s 503", "4s 503"}}))
	two, second := newFakeNode(t, evidenceOf(name, clients.ByKey, map[string][]string{"9f2ab31c": {"500ms 503", "6s ok"}}))
	both := []string{"clients", "--address", first, "--address", second, "--fail-on", "error"}
	got := caddyFault(t, both...)
	if want := "checkout/2.1 10.0.0.7  1      4.0            error      retry_after_ignored"; !strings.Contains(got.stdout, want) || fmt.Sprint(got.err) != "exiting with status 2" {
		t.Errorf("got %+v, want %s", got, want)
	}
	for _, address := range []string{first, second} { // neither knows enough
		if got := caddyFault(t, "clients", "--address", address); strings.Contains(got.stdout, "error ") {
			t.Errorf("one node: got %+v", got)
		}
	}
	two.settings.Attempts = 3
	if got := caddyFault(t, both...); got.err == nil || got.err.Error() != second+": 'clients' in the global option fault differs from "+first+": use the same on all nodes" {
		t.Errorf("other settings: got %+v", got)
	}
	one.settings.Attempts = 3
	if got := caddyFault(t, both...); !strings.Contains(got.stdout, "many_attempts") {
		t.Errorf("the settings of the nodes are ignored: got %+v", got)
	}
	if got := caddyFault(t, append(both, "--since", "1h")...); got.stdout == "" || one.last.Load().URL.RawQuery != "since=1h&calls=true" {
		t.Errorf("filters: got %+v, query %s", got, one.last.Load().URL.RawQuery)
	}
	again := listen(t, one) // such as localhost and 127.0.0.1
	if got := caddyFault(t, "clients", "--address", second, "--address", first, "--address", again); got.err == nil || got.err.Error() !=
		first+" and "+again+" are the same node, and its calls would count twice: leave out one" {
		t.Errorf("one node twice: got %+v", got)
	}
	two.old = true
	if got := caddyFault(t, both...); got.err == nil || !strings.Contains(got.err.Error(), second+": the answer has no evidence") {
		t.Errorf("an old node: got %+v", got)
	}
	off := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = api.Answer(w, http.StatusNotFound, api.Error{Message: "clients are not recorded"})
	}))
	if got := caddyFault(t, "clients", "--address", first, "--address", off); fmt.Sprint(got.err) != off+": clients are not recorded" {
		t.Errorf("a node that does not record clients: got %+v", got)
	}
	if got := caddyFault(t, "clients", "--reset", "--address", first, "--address", second); got.stdout != "What clients did is forgotten.\n" ||
		one.last.Load().Method != http.MethodDelete || two.last.Load().Method != http.MethodDelete {
		t.Errorf("--reset: got %+v", got)
	}
}

// A waiting assertion ends when it holds.
func TestCommandClientsWait(t *testing.T) {
	n, address := newFakeNode(t, clients.Evidence{Since: began})
	timer := time.AfterFunc(100*time.Millisecond, func() {
		ev := impatient()
		n.evidence.Store(&ev)
	})
	defer timer.Stop()
	got := caddyFault(t, "clients", "--address", address, "--min-calls", "2", "--wait", "5m", "--since", "1h")
	if got.err != nil || n.asked.Load() < 2 {
		t.Errorf("got %+v after %d requests", got, n.asked.Load())
	}
	if since := n.last.Load().URL.Query().Get("since"); !strings.HasPrefix(since, "1h0m0.") {
		t.Errorf("--since means another instant: got %s", since)
	}
}

// A reload during the wait takes nothing of it. Without a wait it is an error.
func TestCommandClientsReload(t *testing.T) {
	known, _ := newFakeNode(t, impatient())
	asked := 0
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked%2 == 1 {
			_ = api.Answer(w, http.StatusServiceUnavailable, api.Error{Message: "the server is shutting down"})
			return
		}
		known.ServeHTTP(w, r)
	}))
	if got := caddyFault(t, "clients", "--address", address, "--min-calls", "2", "--wait", "5s"); got.err != nil || asked != 2 {
		t.Errorf("got %+v after %d requests", got, asked)
	}
	if got := caddyFault(t, "clients", "--address", address, "--min-calls", "2"); fmt.Sprint(got.err) != "the server is shutting down" {
		t.Errorf("without a wait: got %+v", got)
	}
}

// hostile is a report with all that a client may choose, and all that may be absent.
func hostile() *api.ClientsView {
	ratio, load := 4.0, 1.24
	return &api.ClientsView{
		Why: "<b>: error",
		Report: clients.Report{
			Since: began, Calls: 215, Lost: 3,
			Clients: []clients.ClientReport{
				{
					Client: "<script>alert(1)</script>|`*_[x](https://example.com)\x1b[2J\n@all", By: map[clients.By]int{clients.ByKey: 214},
					Calls: 214, Attempts: 856, AttemptsPerCall: &ratio, Outcomes: clients.Outcomes{Recovered: 16, GaveUp: 198},
					Waits: clients.Waits{First: clients.Spread{Count: 214, P50: 0.51}}, LeftAfter: clients.Spread{Count: 3, P50: 30},
					Findings: []clients.Finding{
						{
							Finding: clients.RetryAfterIgnored, Level: clients.Error, Count: 198, Of: 214, Text: "waited 0.51 s (median), was told to wait 2.00 s",
							Evidence: []clients.Proof{{
								Call: "9f2ab31c", Point: "api", Rule: "busy", Path: "/a|<i>&\"'\x00", Times: []time.Time{began, began.Add(510 * time.Millisecond)},
								Outcomes: []string{"reply 503", "no_reply"},
							}},
						},
						{Finding: clients.NoJitter, Level: clients.Warning, Count: 1, Text: "first waits 0.50 s to 0.53 s"},
					},
					Undecided: []clients.Undecided{{Finding: clients.NoTimeout, Why: "needs 3 attempts that are held for 60 s, has 0"}},
				},
				{
					Client: "worker", By: map[clients.By]int{clients.ByGuess: 1}, Calls: 1,
					Undecided: []clients.Undecided{{Finding: clients.NoGrowth, Why: "no key tells its calls apart"}, {Finding: clients.NoJitter, Why: "no key tells its calls apart"}},
				},
			},
			Periods: []clients.PeriodReport{
				{
					Point: "api", Rule: "busy", Start: began, End: began.Add(time.Minute), LoadRatio: &load, Recovery: clients.Spread{Count: 2, P50: 0.3, Max: 0.41},
					Findings: []clients.Finding{{Finding: clients.Wave, Level: clients.Warning, Count: 28, Text: "28 requests"}},
				},
				{Point: "api", Rule: "gone", Start: began, Waiting: 1, Undecided: []clients.Undecided{{Finding: clients.Wave, Why: "the fault continues"}, {Finding: clients.SlowRecovery, Why: "the fault continues"}}},
			},
		},
	}
}

// TestGoldenClients holds the forms of a report. With -update it writes them.
func TestGoldenClients(t *testing.T) {
	address := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _ = api.Answer(w, http.StatusOK, hostile()) }))
	for file, args := range map[string][]string{
		"clients.txt":          nil,
		"clients.md":           {"--markdown"},
		"clients.html":         {"--html"},
		"clients.xml":          {"--junit"},
		"clients-asserted.xml": {"--junit", "--fail-on", "error"},
	} {
		t.Run(file, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), file)
			printed := caddyFault(t, append([]string{"clients", "--address", address, "-o", out}, args...)...)
			got, err := os.ReadFile(out)
			if err != nil || printed.stdout != "" {
				t.Fatalf("got %+v, %v", printed, err)
			}
			golden := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(golden, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			wantLines(t, string(got), string(want))
			if strings.ContainsAny(string(got), "\x00\x1b") || strings.HasSuffix(file, "ml") && strings.Contains(string(got), "<script") {
				t.Error("the report has text of a client as it was sent")
			}
			if strings.HasSuffix(file, ".xml") {
				if err := xml.Unmarshal(got, new(junitSuites)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestClientsJUnitEvidence holds that a build without evidence is not green.
func TestClientsJUnitEvidence(t *testing.T) {
	_, address := newFakeNode(t, clients.Evidence{Since: began})
	for args, want := range map[string]string{
		"":                  `<testsuites name="caddy fault clients" tests="1" failures="0" skipped="1">`,
		"--fail-on warning": `<testsuites name="caddy fault clients" tests="1" failures="1" skipped="0">`,
	} {
		got := caddyFault(t, append([]string{"clients", "--address", address, "--junit"}, strings.Fields(args)...)...)
		if !strings.Contains(got.stdout, want) {
			t.Errorf("%s: got %s, want %s", args, got.stdout, want)
		}
	}
}

// The rows of a table have a cell for each column of its head.
func TestClientsUnseen(t *testing.T) {
	v := &api.ClientsView{Report: clients.Report{Clients: make([]clients.ClientReport, 2)}}
	v.Clients[1].Outcomes.Unseen = 3
	var text strings.Builder
	if err := printClientsMarkdown(&text, v); err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(text.String()) {
		if strings.HasPrefix(line, "|") {
			rows = append(rows, line)
		}
	}
	if len(rows) < 4 || !strings.Contains(rows[0], "answered by another node |") || !strings.HasSuffix(rows[3], "| 3 |\n") {
		t.Fatalf("got\n%s", text.String())
	}
	for _, row := range rows[1:4] {
		if strings.Count(row, "|") != strings.Count(rows[0], "|") {
			t.Errorf("got %s, want as many cells as in %s", row, rows[0])
		}
	}
}
