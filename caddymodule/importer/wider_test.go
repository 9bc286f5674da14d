package importer

import (
	"os"
	"strings"
	"testing"
)

// importAll imports several files, with the files beside them.
func importAll(t *testing.T, files []File, beside map[string]string) Result {
	t.Helper()
	result, err := Import(files, Options{Open: func(_, name string) ([]byte, error) {
		if text, ok := beside[name]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}})
	if err != nil {
		t.Fatal(err, result.Notes)
	}
	checkLoads(t, result.Caddyfile)
	return result
}

// WireMock tries the stubs of all files together, by priority and then the last one first.
func TestWireMockFolder(t *testing.T) {
	result := importAll(t, []File{
		{"stubs/mappings/all-down.json", []byte(`{"priority": 10, "request": {"urlPathPattern": "/api/.*"}, "response": {"status": 503, "bodyFileName": "down.txt"}}`)},
		{"stubs/mappings/health.json", []byte(`{"request": {"urlPath": "/api/health"}, "response": {"status": 200}}`)},
		{"stubs/mappings/users/slow.json", []byte(`{"mappings": [{"priority": 1, "request": {"urlPath": "/api/users"}, "response": {"status": 200, "fixedDelayMilliseconds": 700}}]}`)},
	}, map[string]string{"../__files/down.txt": "down"})
	want := strings.TrimPrefix(`
# Imported from stubs/mappings, 3 files, 3 stubs: 3 rules, 1 that only mocks.
# The last one that matches decides in WireMock, so the rules are in reverse order.

fault {
	point mappings
	rule stub3 {
		match path /api/users
		delay 700ms
	}
	rule health {
		match path /api/health
		choose {
			1 pass
		}
	}
	rule all-down {
		match path_regexp ^/api/.*$
		respond 503 down
	}
}
`, "\n")
	if result.Caddyfile != want {
		t.Errorf("got\n%s\nwant\n%s", result.Caddyfile, want)
	}
	wantNotes := `stubs/mappings/health.json:1: file: skipped: a stub without a fault: stub health
stubs/mappings/users/slow.json:1: mappings[0].response: skipped: the reply of status 200 is not imported: its delay applies to the reply of the upstream
`
	if got := notesOf(result); got != wantNotes {
		t.Errorf("got the notes\n%s", got)
	}
}

// A stub that cannot be said leaves out those of other files after it.
func TestWireMockFolderLeftOut(t *testing.T) {
	result := importAll(t, []File{
		{"a.json", []byte(`{"request": {"urlPath": "/x"}, "response": {"status": 500}}`)},
		{"b.json", []byte(`{"request": {"urlPath": "/x", "bodyPatterns": [{"equalToXml": "<a/>"}]}, "response": {"status": 200}}`)},
		{"c.json", []byte(`{"request": {"urlPath": "/y"}, "response": {"status": 404, "body": ""}}`)},
	}, nil)
	if result.Rules != 1 || !strings.Contains(result.Caddyfile, "point wiremock\n") || !strings.Contains(notesOf(result), "a.json:1: file: left out: stub b decides first and cannot be said") {
		t.Errorf("got %d rules\n%s%s", result.Rules, result.Caddyfile, notesOf(result))
	}
}

// Files without a fault have no output.
func TestWireMockOnlyMocks(t *testing.T) {
	result, err := Import([]File{{"a.json", []byte(`{"request": {"urlPath": "/x"}, "response": {"status": 200}}`)}}, Options{})
	if err != ErrNothing || result.Caddyfile != "" || notesOf(result) != "a.json:1: file: skipped: a stub without a fault: stub 1\n" {
		t.Errorf("got error %v, output %q, notes %s", err, result.Caddyfile, notesOf(result))
	}
}

// A body is in the folder __files beside the mappings, or above a folder within them.
func TestBodyFiles(t *testing.T) {
	for _, place := range []string{"__files/a.txt", "../__files/a.txt", "../../../__files/a.txt"} {
		result := importAll(t, []File{{"m.json", []byte(`{"request": {"urlPath": "/x"}, "response": {"status": 500, "bodyFileName": "a.txt"}}`)}}, map[string]string{place: "from a file"})
		if !strings.Contains(result.Caddyfile, `respond 500 "from a file"`) {
			t.Errorf("%s: got\n%s", place, result.Caddyfile)
		}
	}
}

// Where one configuration stands in for another, only its faults are imported for its
// requests.
func TestNarrowerConfiguration(t *testing.T) {
	const abort = `abort: {http_status: 503, percentage: {numerator: 100}}`
	manager := func(hosts string) string {
		return "route_config:\n  virtual_hosts: [" + hosts + "]\nhttp_filters:\n- name: envoy.filters.http.fault\n  typed_config: {'@type': x.HTTPFault, " + abort + "}\n"
	}
	const off = `typed_per_filter_config: {envoy.filters.http.fault: {'@type': x.FilterConfig, disabled: true}}`
	policy := func(name, kind, target, more, spec string) string {
		return "---\napiVersion: gateway.envoyproxy.io/v1alpha1\nkind: BackendTrafficPolicy\nmetadata: {name: " + name + "}\nspec: {targetRefs: [{kind: " + kind + ", name: " + target + more + "}]" + spec + "}\n"
	}
	const down = ", faultInjection: {abort: {httpStatus: 503}}"
	route := func(parent string) string {
		return "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: search}\nspec:\n  parentRefs: [{name: " + parent + "}]\n  rules:\n  - name: one\n    matches: [{path: {value: /one}}]\n  - name: two\n    matches: [{path: {value: /two}}]\n"
	}
	pass := func(match string) string { return "match " + match + " choose { 1 pass }" }
	for _, tt := range []struct {
		name, source string
		want         []string
		rules        int
	}{
		{"a route that disables", manager(`{domains: ["*"], routes: [{match: {prefix: /health}, ` + off + `}, {match: {prefix: /}}]}`), []string{pass("path /health*"), "rule rest"}, 2},
		{"two virtual hosts", manager(`{domains: [a.example], routes: [{match: {prefix: /health}, ` + off + `}]}, {domains: ["*"], routes: []}`), []string{"host a.example path /health* } choose { 1 pass }"}, 2},
		{"a virtual host that disables", manager(`{domains: [a.example], routes: [], ` + off + `}, {domains: ["*"], routes: []}`), []string{pass("host a.example")}, 2},
		{"a route that disables what its virtual host has", `{domains: ["*"], routes: [{match: {prefix: /health}, ` + off + `}, {match: {prefix: /}}], typed_per_filter_config: {envoy.filters.http.fault: {'@type': x.HTTPFault, ` + abort + `}}}`, []string{pass("path /health*"), "rule routes1 { respond 503"}, 2},
		{"a route that cannot be said", manager(`{domains: ["*"], routes: [{match: {prefix: /, tls_context: {presented: true}}, ` + off + `}]}`), []string{"# Left out: the fault filter: route_config.virtual_hosts[0].routes[0] decides first and cannot be said."}, 0},
		{"the only virtual host", manager(`{domains: ["*"], routes: [], `+off+`}, {domains: [a.example], routes: []}`) + "---\n'@type': x.HTTPFault\n" + abort, []string{"respond 503"}, 1},
		{"a policy of a route", route("eg") + policy("all", "Gateway", "eg", "", down) + policy("own", "HTTPRoute", "search", "", ""), []string{"rule search { match path /one /one/* match path /two /two/* choose { 1 pass } } rule rest { respond 503"}, 2},
		{"a route of another Gateway", route("other") + policy("all", "Gateway", "eg", "", down) + policy("own", "HTTPRoute", "search", "", ""), []string{"point all respond 503"}, 1},
		{"a policy of a rule", route("eg") + policy("all", "HTTPRoute", "search", "", down) + policy("own", "HTTPRoute", "search", ", sectionName: one", ""), []string{pass("path /one /one/*"), "match path /two /two/* respond 503"}, 2},
		{"a route that is not there", policy("all", "Gateway", "eg", "", down) + policy("own", "HTTPRoute", "search", "", ""), []string{"the policy own of HTTPRoute search decides first and cannot be said"}, 0},
		{"a listener", policy("all", "Gateway", "eg", "", down) + policy("own", "Gateway", "eg", ", sectionName: http", ""), []string{"the policy own of Gateway eg decides first and cannot be said"}, 0},
	} {
		result := importAll(t, []File{{"a.yaml", []byte(tt.source)}}, nil)
		flat := strings.Join(strings.Fields(result.Caddyfile), " ")
		for _, want := range tt.want {
			if !strings.Contains(flat, want) || result.Rules != tt.rules {
				t.Errorf("%s: got %d rules, want %d, and %s in\n%s%s", tt.name, result.Rules, tt.rules, want, result.Caddyfile, notesOf(result))
			}
		}
	}
}

// What is not a route of APISIX is for some requests only.
func TestAPISIXNoRoute(t *testing.T) {
	for _, object := range []string{`"username": "jack", `, `"id": "p1", `, `"hosts": ["a.example"], `} {
		result := importAll(t, []File{{"a.json", []byte(`{` + object + `"plugins": {"fault-injection": {"abort": {"http_status": 503, "body": "x"}}}}`)}}, nil)
		if result.Rules != 0 || !strings.Contains(notesOf(result), "left out: without uri or uris it is not a route") {
			t.Errorf("%s: got %d rules\n%s", object, result.Rules, notesOf(result))
		}
	}
}

// A plugin of Dev Proxy that replies keeps its requests from the plugins after it.
func TestDevProxyReplies(t *testing.T) {
	const errors = `{"errors": [{"request": {"url": "https://a.example/*"}, "responses": [{"statusCode": 503}]}]}`
	config := func(plugins, more string) string {
		return `{"urlsToWatch": ["https://a.example/*"], "plugins": [` + plugins + `, {"name": "GenericRandomErrorPlugin", "configSection": "e"}, {"name": "LatencyPlugin"}], "e": {"errorsFile": "errors.json"}` + more + `}`
	}
	const mock = `{"name": "MockResponsePlugin", "configSection": "m"}`
	for _, tt := range []struct {
		name, config, mocks, want, note string
		rules                           int
	}{
		{
			"mocks", config(mock, `, "m": {"mocksFile": "m.json"}`), `{"mocks": [{"request": {"url": "https://a.example/x", "method": "GET"}}]}`,
			"rule mock { match { expression `{http.request.uri} == \"/x\"` method GET } choose { 1 pass } } rule errors1 { percent 50 respond 503 \"\" }", "", 3,
		},
		{"inline mocks, and the usual file", config(mock, `, "m": {}`), "", "rule errors1 { percent 50", "", 3},
		{"a mock of an nth request", config(mock, `, "m": {"mocks": [{"request": {"url": "https://a.example/*", "nth": 2}}]}`), "", "the mock of https://a.example/* decides first and cannot be said", "left out", 1},
		{"all requests", config(mock, `, "m": {"blockUnmockedRequests": true, "mocks": []}`), "", "MockResponsePlugin decides first and cannot be said", "left out", 1},
		{"mocks that cannot be read", config(mock, `, "m": {"mocksFile": "none.json"}`), "", "MockResponsePlugin decides first and cannot be said", "left out", 1},
		{"another plugin", config(`{"name": "CrudApiPlugin"}`, ""), "", "CrudApiPlugin decides first and cannot be said", "left out", 1},
		{"one that does not reply", config(`{"name": "DevToolsPlugin"}`, ""), "", "point devproxyrc-errors percent 50 respond 503 \"\"", "", 2},
		{"one that is off", config(`{"name": "CrudApiPlugin", "enabled": false}`, ""), "", "point devproxyrc-errors percent 50 respond 503 \"\"", "", 2},
	} {
		beside := map[string]string{"errors.json": errors, "m.json": tt.mocks, "mocks.json": `{"mocks": [{"request": {"url": "https://a.example/y"}}]}`}
		result := importAll(t, []File{{"devproxyrc.json", []byte(tt.config)}}, beside)
		flat := strings.Join(strings.Fields(result.Caddyfile), " ")
		if !strings.Contains(flat, tt.want) || !strings.Contains(notesOf(result), tt.note) || result.Rules != tt.rules || !strings.Contains(flat, "delay 0s 5s") {
			t.Errorf("%s: got %d rules, want %d, and %s in\n%s%s", tt.name, result.Rules, tt.rules, tt.want, result.Caddyfile, notesOf(result))
		}
	}
}

// A file that a configuration of Dev Proxy names is not a configuration.
func TestDevProxyParts(t *testing.T) {
	const schema = `"$schema": "https://raw.githubusercontent.com/dotnet/dev-proxy/main/schemas/v1.0.0/x.json"`
	for text, want := range map[string]string{
		`{` + schema + `, "errors": []}`: "left out: a file of errors does not say how often they happen: import the configuration that names it",
		`{` + schema + `, "mocks": []}`:  "skipped: a file of Dev Proxy without plugins: import the configuration that names it",
	} {
		result, err := Import([]File{{"a.json", []byte(text)}}, Options{})
		if err != ErrNothing || !strings.Contains(notesOf(result), want) {
			t.Errorf("%s: got error %v, notes %s", text, err, notesOf(result))
		}
	}
}

// A value of a wrong type is named once, and a condition is written once.
func TestSaidOnce(t *testing.T) {
	result := importAll(t, []File{{"a.yaml", []byte("apiVersion: chaos-mesh.org/v1alpha1\nkind: HTTPChaos\nspec: {mode: all, target: Request, delay: {latency: 1s}}\n")}}, nil)
	if notes := notesOf(result); notes != "a.yaml:3: spec.delay: left out: want a duration such as 1.5s, got an object\n" {
		t.Errorf("got the notes %s", notes)
	}
	lines := conds{one("host", "", "a.example"), one("method", "", "GET"), one("host", "", "a.example")}.lines()
	if len(lines) != 2 {
		t.Errorf("got the lines %v", lines)
	}
}
