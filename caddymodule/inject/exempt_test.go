package inject

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// probes exempts what an orchestrator sends.
const probes = `{"exempt": [{"path": ["/healthz"]}, {"header": {"User-Agent": ["kube-probe/*"]}, "method": ["GET"]}]}`

// exemptCount returns how many requests a point has counted as exempt.
func exemptCount(point string) float64 {
	return testutil.ToFloat64(metrics.PassedTotal.WithLabelValues(point, "", "exempt"))
}

// rewritten returns a request that handlers before the point have changed.
func rewritten(method, target string, change func(*http.Request), w http.ResponseWriter) *http.Request {
	r := testkit.Request(method, target, w)
	if change != nil {
		change(r)
	}
	return r
}

// asProbe sets the user agent of a probe.
func asProbe(r *http.Request) { r.Header.Set("User-Agent", "kube-probe/1.30") }

// exemptCases are requests, and whether the app probes exempts them.
var exemptCases = []struct {
	name, method, target string
	change               func(*http.Request)
	exempt               bool
}{
	{"another path", "GET", "/x", nil, false},
	{"path", "GET", "/healthz", nil, true},
	{"path and query", "GET", "/healthz?full=1", nil, true},
	{"longer path", "GET", "/healthz/x", nil, false},
	{"header", "GET", "/x", asProbe, true},
	{"one matcher of a set", "POST", "/x", asProbe, false},
	{"path stripped before", "GET", "/healthz", func(r *http.Request) { r.URL.Path = "/" }, true},
	{"stripped to the path", "GET", "/api/healthz", func(r *http.Request) { r.URL.Path = "/healthz" }, false},
	{"method rewritten", "GET", "/x", func(r *http.Request) { asProbe(r); r.Method = "POST" }, true},
	{"method rewritten to it", "POST", "/x", func(r *http.Request) { asProbe(r); r.Method = "GET" }, false},
}

// A handler and a transport never hit an exempt request. They count it once, and leave it
// as it is.
func TestExempt(t *testing.T) {
	const rule = `"rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`
	h := load(t, `{"point": "exempting", `+rule, probes)
	tr := loadExemptTransport(t, `{"point": "exempting-attempts", `+rule)
	for _, tt := range exemptCases {
		t.Run(tt.name, func(t *testing.T) {
			want, counted := 551, 0.0
			if tt.exempt {
				want, counted = 200, 1.0
			}
			testkit.WantPassed(t, "exempting", "", "exempt", counted)
			testkit.WantPassed(t, "exempting-attempts", "", "exempt", counted)
			w := httptest.NewRecorder()
			r := rewritten(tt.method, tt.target, tt.change, w)
			method, path := r.Method, r.URL.Path
			if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil || w.Code != want {
				t.Errorf("handler: got %d, %v, want %d", w.Code, err, want)
			}
			if resp, _ := roundTrip(t, tr, rewritten(tt.method, tt.target, tt.change, nil)); resp.StatusCode != want {
				t.Errorf("transport: got %d, want %d", resp.StatusCode, want)
			}
			if r.Method != method || r.URL.Path != path {
				t.Errorf("the request is now %s %s, was %s %s", r.Method, r.URL.Path, method, path)
			}
		})
	}
}

// loadExemptTransport provisions a transport with the app probes.
func loadExemptTransport(t *testing.T, config string) *Transport {
	t.Helper()
	ctx, err := testkit.Provision(t, control.New(), probes)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := testkit.Load[*Transport](t, ctx, "http.reverse_proxy.transport.fault", config)
	if err != nil {
		t.Fatal(err)
	}
	tr.inner = roundTripFunc(func(r *http.Request) (*http.Response, error) {
		closeBody(r)
		return upstreamReply(), nil
	})
	return tr
}

// An active health check of a proxy can be exempt.
func TestExemptHealthCheck(t *testing.T) {
	tr := loadExemptTransport(t, `{"point": "exempt-checks", "rules": [{"health_checks": true, "faults": [{"fault": "respond", "status_code": 551}]}]}`)
	testkit.WantPassed(t, "exempt-checks", "", "exempt", 1)
	for target, want := range map[string]int{"/healthz": 200, "/ready": 551} {
		if resp, _ := roundTrip(t, tr, testkit.HealthCheck(target)); resp.StatusCode != want {
			t.Errorf("%s: got %d, want %d", target, resp.StatusCode, want)
		}
	}
}

// The trigger of an exempt request does nothing. The upstream does not see its field, and
// the client gets no refusal.
func TestExemptTrigger(t *testing.T) {
	h := load(t, `{"point": "exempt-trigger", "match": [{"path": ["/*"]}], "triggers": [{"source": "header"}]}`, probes)
	testkit.WantPassed(t, "exempt-trigger", "", "exempt", 2)
	testkit.WantPassed(t, "exempt-trigger", "trigger", "trigger_refused", 1)
	for _, tt := range []struct {
		line, agent string
		status      int
		refused     string
	}{
		{"551", "curl", 551, ""},
		{"551", "kube-probe/1", 200, ""},
		{"nonsense", "curl", 200, "unknown word 'nonsense'"},
		{"nonsense", "kube-probe/1", 200, ""},
	} {
		got := testkit.Ask(h, "X-Fault", tt.line, "User-Agent", tt.agent)
		if got.Status != tt.status || (got.Header.Get("X-Fault-Refused") != "") != (tt.refused != "") {
			t.Errorf("%s of %s: got %d %v, want %d and refused %q", tt.line, tt.agent, got.Status, got.Header, tt.status, tt.refused)
		}
		if got.Upstream.Get("X-Fault") != "" {
			t.Errorf("%s of %s: the upstream has seen the field", tt.line, tt.agent)
		}
	}
}

// An exempt request uses up no turn and is not counted by a point whose matcher leaves it
// out.
func TestExemptCountsNothing(t *testing.T) {
	h := load(t, `{"point": "exempt-turns", "match": [{"path": ["/healthz", "/x"]}], "rules": [{"times": 1, "skip": 1, "faults": [{"fault": "respond", "status_code": 551}]}]}`, probes)
	apart := load(t, `{"point": "exempt-apart", "match": [{"path": ["/x"]}], "rules": [{"faults": [{"fault": "close"}]}]}`, probes)
	var got []int
	for _, target := range []string{"/healthz", "/x", "/healthz", "/x", "/healthz", "/x"} {
		resp, _, err := testkit.Get(t, h, target, testkit.Upstream)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, resp.StatusCode)
	}
	if want := []int{200, 200, 200, 551, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if n := exemptCount("exempt-turns"); n != 3 {
		t.Errorf("%v exempt requests, want 3", n)
	}
	if resp, _, err := testkit.Get(t, apart, "/healthz", testkit.Upstream); err != nil || resp.StatusCode != 200 {
		t.Errorf("apart: got %v, %v", resp, err)
	}
	if n := exemptCount("exempt-apart"); n != 0 {
		t.Errorf("apart: %v exempt requests, want none", n)
	}
	if rule := h.Rules[0].Stats(); rule.Hits != 1 {
		t.Errorf("got %d hits, want 1", rule.Hits)
	}
}

// Exemption costs no allocation, neither for an exempt request nor for another one.
func TestExemptAllocatesNothing(t *testing.T) {
	h := load(t, `{"point": "exempt-allocs", "rules": [{"match": [{"path": ["/hit"]}], "faults": [{"fault": "close"}]}]}`, probes)
	for _, target := range []string{"/healthz", "/other"} {
		w := &testkit.Discard{Fields: make(http.Header)}
		r := testkit.Request(http.MethodGet, target, w)
		next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
		if allocs := testing.AllocsPerRun(100, func() { _ = h.ServeHTTP(w, r, next) }); allocs != 0 {
			t.Errorf("%s: %v allocations, want none", target, allocs)
		}
	}
}

// A matcher that reads the query sees that of the client.
func TestExemptQuery(t *testing.T) {
	h := load(t, `{"point": "exempt-query", "rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`, `{"exempt": [{"query": {"probe": ["*"]}}]}`)
	for _, tt := range []struct {
		target string
		change func(*url.URL)
		want   int
	}{
		{"/x?probe=1", nil, 200},
		{"/x?probe=1", func(u *url.URL) { u.RawQuery = "" }, 200},
		{"/x", func(u *url.URL) { u.RawQuery = "probe=1" }, 551},
	} {
		w := httptest.NewRecorder()
		r := rewritten("GET", tt.target, func(r *http.Request) {
			if tt.change != nil {
				tt.change(r.URL)
			}
		}, w)
		if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil || w.Code != tt.want {
			t.Errorf("%s: got %d, %v, want %d", tt.target, w.Code, err, tt.want)
		}
	}
}
