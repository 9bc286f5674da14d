package importer

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// running is an output that runs in front of an upstream.
type running struct {
	t      testing.TB
	server *caddyhttp.Server
}

// run loads lines of a site.
func run(t *testing.T, text string) *running {
	t.Helper()
	if !isWhole(text) {
		text = "http://:8080 {\n" + text + "\nheader X-Upstream yes\nrespond \"hello from the upstream\"\n}\n"
	}
	ctx := testkit.ProvisionCaddyfile(t, control.New(), text)
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	return &running{t, app.(*caddyhttp.App).Servers["srv0"]}
}

// got is what a client gets.
type got struct {
	status int // 0: the connection ends without a reply
	body   string
	header http.Header
}

// isHit reports whether a fault has replied.
func (g got) isHit() bool { return g.header.Get("X-Fault-Injected") != "" || g.status == 0 }

// ask sends a request. Header fields alternate names and values.
func (r *running) ask(method, target, body string, fields ...string) (result got) {
	r.t.Helper()
	w := httptest.NewRecorder()
	req := httptest.NewRequest(method, target, strings.NewReader(body))
	req.ProtoMajor, req.ProtoMinor = 2, 0 // an abort needs no connection
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			req.Host = fields[i+1]
			continue
		}
		req.Header.Add(fields[i], fields[i+1])
	}
	defer func() {
		if p := recover(); p != nil && p != any(http.ErrAbortHandler) {
			panic(p)
		} else if p != nil {
			result = got{header: http.Header{}}
		}
	}()
	r.server.ServeHTTP(w, req)
	return got{w.Code, w.Body.String(), w.Header()}
}

// importText imports a text, and checks that the output loads.
func importText(t *testing.T, name, text string) Result {
	t.Helper()
	result, err := Import([]File{{name, []byte(text)}}, Options{})
	if err != nil {
		t.Fatalf("%v of\n%s", err, text)
	}
	checkLoads(t, result.Caddyfile)
	return result
}

// A case is a request and what the client gets.
type runCase struct {
	request string // method, target and fields as a: b
	status  int    // 0: no reply
	want    string // in the body
}

// checkRun sends requests in order to one configuration.
func checkRun(t *testing.T, text string, cases []runCase) {
	t.Helper()
	r := run(t, text)
	for i, c := range cases {
		words := strings.Split(c.request, " | ")
		method, target, _ := strings.Cut(words[0], " ")
		var fields []string
		body := ""
		for _, word := range words[1:] {
			name, value, _ := strings.Cut(word, ": ")
			if name == "body" {
				body = value
				fields = append(fields, "Content-Type", "application/json")
				continue
			}
			fields = append(fields, name, value)
		}
		if g := r.ask(method, target, body, fields...); g.status != c.status || !strings.Contains(g.body, c.want) {
			t.Errorf("%d. %s: got %d %q, want %d %q", i+1, c.request, g.status, g.body, c.status, c.want)
		}
	}
}

// The samples of the formats inject what their sources describe.
func TestRunSamples(t *testing.T) {
	const passes = "hello from the upstream"
	for file, cases := range map[string][]runCase{
		"istio/pay.yaml":      {{"POST /pay/health", 200, passes}, {"GET /other", 200, passes}},
		"envoy/byheader.yaml": {{"GET /", 200, passes}},
		"envoy-gateway/search.yaml": {
			{"GET /search | X-Tenant: acme", 501, abortText},
			{"GET /search/x | X-Tenant: acme", 501, ""},
			{"GET /searching | X-Tenant: acme", 200, passes},
			{"GET /search", 200, passes},
		},
		"wiremock/stubs.json": {
			{"POST /pay", 503, ""},
			{"POST /pay", 502, ""},
			{"POST /pay", 200, passes},
			{"POST /pay", 200, passes},
			{"POST /pay?x=1", 200, passes},
			{`POST /q | body: {"boom": 1}`, 500, ""},
			{`POST /q | body: {"boom": null}`, 200, passes},
			{`POST /q | body: {}`, 200, passes},
			{"GET /users/ann | X-Mode: some chaos now", 500, `{"error":"boom","path":"/users/ann"}`},
			{"GET /users/ann", 200, passes},
			{"GET /users/a1 | X-Mode: chaos", 200, passes},
			{"GET /reset", 0, ""},
			{"POST /reset", 200, passes},
			{"GET /fine", 200, passes},
		},
		"chaos-mesh/lost.yaml":      {{"GET /data/a", 551, `{"error":"lost"}`}, {"POST /data/a", 200, passes}, {"GET /other", 200, passes}},
		"dev-proxy/devproxyrc.json": {},
	} {
		t.Run(file, func(t *testing.T) {
			result, err := importFileOf(t, "testdata/"+file)
			if err != nil {
				t.Fatal(err)
			}
			checkRun(t, result.Caddyfile, cases)
		})
	}
}

// shareOf returns the share of requests that are hit.
func shareOf(r *running, n int, method, target string, fields ...string) float64 {
	hits := 0
	for range n {
		if r.ask(method, target, "", fields...).isHit() {
			hits++
		}
	}
	return float64(hits) / float64(n)
}

// The share of requests is that of the source, within three standard deviations.
func TestRunShares(t *testing.T) {
	const n = 4000
	for _, tt := range []struct {
		name, text string
		want       float64
	}{
		{"a.yaml", "kind: VirtualService\nmetadata: {name: a}\nspec: {http: [{fault: {abort: {httpStatus: 500, percentage: {value: 12.5}}}}]}", 0.125},
		{"b.yaml", "kind: VirtualService\nmetadata: {name: b}\nspec: {http: [{fault: {abort: {httpStatus: 500, percent: 30}}}]}", 0.3},
		{"c.yaml", "kind: VirtualService\nmetadata: {name: c}\nspec: {http: [{fault: {abort: {httpStatus: 500}}}]}", 0},
		{"d.yaml", "\"@type\": x/HTTPFault\nabort: {http_status: 500, percentage: {numerator: 2500, denominator: TEN_THOUSAND}}", 0.25},
		{"e.json", `{"uri": "/*", "plugins": {"fault-injection": {"abort": {"http_status": 500, "percentage": 40}}}}`, 0.4},
		{"f.yaml", "kind: BackendTrafficPolicy\nmetadata: {name: f}\nspec: {faultInjection: {abort: {httpStatus: 500, percentage: 60}}}", 0.6},
		{"g.json", `{"plugins": [{"name": "GenericRandomErrorPlugin", "configSection": "s"}], "urlsToWatch": ["https://a/*"],
			"s": {"rate": 35, "errors": [{"request": {"url": "https://a/x*"}, "responses": [{"statusCode": 500}]}, {"request": {"url": "https://a/*"}, "responses": [{"statusCode": 501}, {"statusCode": 502}]}]}}`, 0.35},
		{"h.yaml", "kind: VirtualService\nmetadata: {name: h}\nspec: {http: [{match: [{uri: {prefix: /a}}], fault: {abort: {httpStatus: 500, percentage: {value: 10}}}}, {fault: {abort: {httpStatus: 501, percentage: {value: 80}}}}]}", 0.8},
	} {
		result := importText(t, tt.name, tt.text)
		deviation := 3 * math.Sqrt(tt.want*(1-tt.want)/n)
		r := run(t, result.Caddyfile)
		var got float64
		if !seldomTwice(func() bool {
			got = shareOf(r, n, http.MethodGet, "/")
			return math.Abs(got-tt.want) > deviation
		}) {
			t.Errorf("%s: got %v, want %v within %v\n%s", tt.name, got, tt.want, deviation, result.Caddyfile)
		}
	}
}

// seldomTwice reports whether what is seldom by chance does not happen twice in a row.
func seldomTwice(happens func() bool) bool {
	for range 2 {
		if !happens() {
			return true
		}
	}
	return false
}

// Two draws are independent: the reply is slow in a quarter of the cases, for example.
func TestRunIndependent(t *testing.T) {
	result := importText(t, "a.yaml", "kind: VirtualService\nmetadata: {name: a}\nspec: {http: [{fault: {delay: {fixedDelay: 1us, percent: 50}, abort: {httpStatus: 500, percent: 50}}}]}")
	r := run(t, result.Caddyfile)
	const n = 4000
	var counts map[string]int
	if !seldomTwice(func() bool {
		counts = make(map[string]int)
		for range n {
			g := r.ask(http.MethodGet, "/", "")
			counts[fmt.Sprintf("%d %t", g.status, g.header.Get("Server-Timing") != "")]++
		}
		far := len(counts) != 4
		for _, count := range counts {
			far = far || math.Abs(float64(count)/n-0.25) > 3*math.Sqrt(0.25*0.75/n)
		}
		return far
	}) {
		t.Errorf("got %v of %d, want a quarter for each of four", counts, n)
	}
}

// Of several routes of APISIX, one with vars takes its requests even if they do not
// match the vars.
func TestRunRoutesWithVars(t *testing.T) {
	result := importText(t, "routes.json", `[
		{"uri": "/a/b", "plugins": {"fault-injection": {"abort": {"http_status": 501, "body": "x", "vars": [[["arg_q", "==", "1"]]]}}}},
		{"uri": "/a/*", "plugins": {"fault-injection": {"abort": {"http_status": 502, "body": "x"}}}}]`)
	checkRun(t, result.Caddyfile, []runCase{
		{"GET /a/b?q=1", 501, ""}, {"GET /a/b?q=2", 200, ""}, {"GET /a/b", 200, ""}, {"GET /a/c", 502, ""}, {"GET /b?q=1", 200, ""},
	})
}

// A fault filter of Envoy takes the requests of its route even if they do not match its
// header fields.
func TestRunRoutesWithFields(t *testing.T) {
	result := importText(t, "routes.yaml", `
name: shop
domains: ["*"]
routes:
- match: {path: /a}
  typed_per_filter_config:
    envoy.filters.http.fault:
      "@type": x/HTTPFault
      abort: {http_status: 501, percentage: {numerator: 100}}
      headers: [{name: x-a, string_match: {exact: v}}]
- match: {prefix: /}
  typed_per_filter_config:
    envoy.filters.http.fault:
      "@type": x/HTTPFault
      abort: {http_status: 502, percentage: {numerator: 100}}
`)
	checkRun(t, result.Caddyfile, []runCase{
		{"GET /a | X-A: v", 501, ""}, {"GET /a | X-A: w", 200, ""}, {"GET /a", 200, ""}, {"GET /b", 502, ""}, {"GET /b | X-A: v", 502, ""},
	})
}
