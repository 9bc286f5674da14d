package importer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// request is a request for a model of a source.
type request struct {
	method, path  string
	query, fields map[string]string
	cookie        string // its value; empty: absent
}

func (q request) String() string {
	return fmt.Sprintf("%s %s query %q fields %q cookie %q", q.method, q.path, q.query, q.fields, q.cookie)
}

// target returns the path with the query.
func (q request) target() string {
	if len(q.query) == 0 {
		return q.path
	}
	values := make(url.Values)
	for name, value := range q.query {
		values.Set(name, value)
	}
	return q.path + "?" + values.Encode()
}

// send sends the request.
func (q request) send(r *running) int {
	fields := []string{}
	for name, value := range q.fields {
		fields = append(fields, name, value)
	}
	if q.cookie != "" {
		fields = append(fields, "Cookie", "c="+q.cookie)
	}
	return r.ask(q.method, q.target(), "", fields...).status
}

// The words that sources and requests are made of. They are near one another, so that
// comparisons go both ways.
var (
	genMethods = []string{"GET", "POST", "PUT"}
	genPaths   = []string{"/", "/a", "/a/b", "/ab", "/b", "/b/c"}
	genValues  = []string{"v", "vx", "xv", "xvx", "V", "v*", "*v", "{v}", "{host}", "v`\"x", "17", "18", "x7"}
)

func pick[T any](r *rand.Rand, all []T) T { return all[r.IntN(len(all))] }

// randomRequest returns a request.
func randomRequest(r *rand.Rand) request {
	q := request{method: pick(r, genMethods), path: pick(r, genPaths), query: map[string]string{}, fields: map[string]string{}}
	for _, name := range []string{"X-A", "X-B"} {
		if r.IntN(3) > 0 {
			q.fields[name] = pick(r, genValues)
		}
	}
	if r.IntN(2) > 0 {
		q.query["q"] = pick(r, genValues)
	}
	if r.IntN(3) == 0 {
		q.cookie = pick(r, []string{"v", "vx"})
	}
	return q
}

// fact is a condition of a model.
type fact struct {
	on   string // method, path, query, cookie, or a header field
	op   op
	text string
	not  bool

	// absent is the result for a value that is not there.
	absent bool
}

// holds reports whether a request meets the condition.
func (f fact) holds(q request) bool {
	var value string
	there := true
	switch f.on {
	case "method":
		value = q.method
	case "path":
		value = q.path
	case "query":
		value, there = q.query["q"]
	case "cookie":
		value, there = q.cookie, q.cookie != ""
	default:
		value, there = q.fields[f.on]
	}
	if f.op == exists {
		return there != f.not
	}
	if !there {
		return f.absent
	}
	return compareText(f.op, value, f.text) != f.not
}

func compareText(o op, value, text string) bool {
	switch o {
	case equal:
		return value == text
	case prefix:
		return strings.HasPrefix(value, text)
	case suffix:
		return strings.HasSuffix(value, text)
	case contains:
		return strings.Contains(value, text)
	case whole:
		return regexp.MustCompile("^(?:" + text + ")$").MatchString(value)
	default:
		return regexp.MustCompile(text).MatchString(value)
	}
}

// entry is a route or a stub of a model: all facts must hold. If it is unknown, there is
// a condition that no model knows.
type entry struct {
	blocks  [][]fact // alternatives; none: everything
	unknown []bool   // of each block
	status  int      // 0: no fault
}

// matches reports whether an entry matches, if unknown conditions have this result.
func (e entry) matches(q request, unknown bool) bool {
	if len(e.blocks) == 0 {
		return true
	}
	for i, facts := range e.blocks {
		if (unknown || !e.unknown[i]) && !slices.ContainsFunc(facts, func(f fact) bool { return !f.holds(q) }) {
			return true
		}
	}
	return false
}

// first returns what the first entry that matches does.
func first(entries []entry, q request, unknown bool) int {
	for _, e := range entries {
		if e.matches(q, unknown) {
			if e.status == 0 {
				return 200
			}
			return e.status
		}
	}
	return 200
}

// checkNeverWider imports sources, and sends requests. Where all is said, the result is
// that of the model. Otherwise, a fault is one of the model, whatever the unknown
// conditions are.
func checkNeverWider(t *testing.T, name string, source func(*rand.Rand) (any, []entry)) {
	t.Helper()
	draws := rand.New(rand.NewPCG(1, 2))
	sources, hits, exact := 60, 0, 0
	for range sources {
		document, entries := source(draws)
		text, err := json.MarshalIndent(document, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		result, err := Import([]File{{name, text}}, Options{})
		if err != nil { // without a fault
			continue
		}
		r := run(t, result.Caddyfile)
		isExact := result.Count(LeftOut) == 0
		for range 40 {
			q := randomRequest(draws)
			got, ifSo, ifNot := q.send(r), first(entries, q, true), first(entries, q, false)
			if got != 200 {
				hits++
			}
			if got != 200 && (got != ifSo || got != ifNot) || isExact && got != ifSo {
				t.Fatalf("%v: got %d, want %d or %d, exact %t\n%s\n%s\n%s", q, got, ifSo, ifNot, isExact, text, result.Caddyfile, notesOf(result))
			}
			if isExact {
				exact++
			}
		}
	}
	t.Logf("%s: %d hits, %d of %d requests to exact imports", name, hits, exact, sources*40)
	if hits < sources || exact < sources {
		t.Errorf("%d hits and %d requests to exact imports in %d sources prove little", hits, exact, sources)
	}
}

// randomPattern returns a pattern that matches some of the values.
func randomPattern(r *rand.Rand) string {
	return pick(r, []string{"v.*", "v|xv", "x?v", ".*", "[vV]x?", "xv.+"})
}

// obj is an object of JSON.
type obj = map[string]any

func TestNeverWiderIstio(t *testing.T) {
	checkNeverWider(t, "virtual.json", func(r *rand.Rand) (any, []entry) {
		var routes []any
		var entries []entry
		for i := range 1 + r.IntN(4) {
			e := entry{}
			route := obj{}
			var blocks []any
			for range r.IntN(3) {
				block, facts, unknown := istioBlock(r)
				blocks = append(blocks, block)
				e.blocks, e.unknown = append(e.blocks, facts), append(e.unknown, unknown)
			}
			if blocks != nil {
				route["match"] = blocks
			}
			if r.IntN(3) > 0 {
				e.status = 500 + i
				route["fault"] = obj{"abort": obj{"httpStatus": e.status, "percentage": obj{"value": 100}}}
			}
			routes, entries = append(routes, route), append(entries, e)
		}
		return obj{"kind": "VirtualService", "metadata": obj{"name": "v"}, "spec": obj{"http": routes}}, entries
	})
}

// istioBlock returns a match block.
func istioBlock(r *rand.Rand) (block obj, facts []fact, unknown bool) {
	block = obj{}
	compare := func(on string, values []string) (obj, fact) {
		switch r.IntN(3) {
		case 0:
			text := pick(r, values)
			return obj{"exact": text}, fact{on: on, text: text}
		case 1:
			text := pick(r, values)
			return obj{"prefix": text}, fact{on: on, op: prefix, text: text}
		default:
			text := randomPattern(r)
			if on == "path" {
				text = pick(r, []string{"/a.*", "/a|/b", "/[ab]/.", "/.*"})
			}
			return obj{"regex": text}, fact{on: on, op: whole, text: text}
		}
	}
	add := func(o obj, f fact) obj { facts = append(facts, f); return o }
	if r.IntN(2) == 0 {
		block["uri"] = add(compare("path", genPaths))
	}
	if r.IntN(3) == 0 {
		m := pick(r, genMethods)
		block["method"] = add(obj{"exact": m}, fact{on: "method", text: m})
	}
	if r.IntN(2) == 0 {
		block["headers"] = obj{"x-a": add(compare("X-A", genValues))}
	} else if r.IntN(3) == 0 {
		block["headers"] = obj{"x-a": add(obj{}, fact{on: "X-A", op: exists})}
	}
	if r.IntN(3) == 0 {
		o, f := compare("X-B", genValues)
		f.not, f.absent = true, !compareText(f.op, "", f.text) // absent is like empty
		block["withoutHeaders"] = obj{"x-b": add(o, f)}
	}
	if r.IntN(3) == 0 {
		block["queryParams"] = obj{"q": add(compare("query", genValues))}
	}
	if r.IntN(6) == 0 {
		block["sourceLabels"], unknown = obj{"app": "web"}, true
	}
	return block, facts, unknown
}

func TestNeverWiderEnvoy(t *testing.T) {
	checkNeverWider(t, "filter.json", func(r *rand.Rand) (any, []entry) {
		e := entry{status: 500, unknown: []bool{false}}
		var matchers []any
		var facts []fact
		for range 1 + r.IntN(3) {
			name, on := "x-a", "X-A"
			if r.IntN(3) == 0 {
				name, on = "x-b", "X-B"
			}
			text := pick(r, genValues)
			m := obj{"name": name}
			f := fact{on: on, text: text}
			switch r.IntN(6) {
			case 0:
				m["exact_match"] = text
			case 1:
				f.op, m["string_match"] = prefix, obj{"prefix": text}
			case 2:
				f.op, m["stringMatch"] = suffix, obj{"suffix": text}
			case 3:
				f.op, m["string_match"] = contains, obj{"contains": text}
			case 4:
				f.op, f.text = whole, randomPattern(r)
				m["string_match"] = obj{"safe_regex": obj{"regex": f.text}}
			default:
				f.op, m["present_match"] = exists, true
			}
			if r.IntN(4) == 0 {
				f.not, m["invert_match"] = true, true
			}
			matchers, facts = append(matchers, m), append(facts, f)
		}
		e.blocks = [][]fact{facts}
		return obj{
			"@type": "x/envoy.extensions.filters.http.fault.v3.HTTPFault", "headers": matchers,
			"abort": obj{"http_status": 500, "percentage": obj{"numerator": 100}},
		}, []entry{e}
	})
}

func TestNeverWiderWireMock(t *testing.T) {
	checkNeverWider(t, "stubs.json", func(r *rand.Rand) (any, []entry) {
		type stub struct {
			entry
			priority, at int
		}
		var mappings []any
		var stubs []stub
		for i := range 1 + r.IntN(5) {
			req, facts, unknown := wireMockRequest(r)
			s := stub{entry{[][]fact{facts}, []bool{unknown}, 0}, 1 + r.IntN(2), i}
			response := obj{"status": 200}
			if r.IntN(3) > 0 {
				s.status = 500 + i
				response["status"] = s.status
			}
			mappings = append(mappings, obj{"request": req, "response": response, "priority": s.priority})
			stubs = append(stubs, s)
		}
		slices.SortStableFunc(stubs, func(a, b stub) int {
			if a.priority != b.priority {
				return a.priority - b.priority
			}
			return b.at - a.at
		})
		var entries []entry
		for _, s := range stubs {
			entries = append(entries, s.entry)
		}
		return obj{"mappings": mappings}, entries
	})
}

// wireMockRequest returns the request of a stub.
func wireMockRequest(r *rand.Rand) (req obj, facts []fact, unknown bool) {
	req = obj{"method": "ANY"}
	switch r.IntN(4) {
	case 0:
		text := pick(r, genPaths)
		req["urlPath"] = text
		facts = append(facts, fact{on: "path", text: text})
	case 1:
		text := pick(r, []string{"/a.*", "/[ab]/[a-z]", "/a|/b"})
		req["urlPathPattern"] = text
		facts = append(facts, fact{on: "path", op: whole, text: text})
	case 2:
		text := pick(r, genPaths)
		req["url"] = text
		facts = append(facts, fact{on: "path", text: text}, fact{on: "query", op: exists, not: true})
	}
	if r.IntN(3) == 0 {
		req["method"] = pick(r, genMethods)
		facts = append(facts, fact{on: "method", text: req["method"].(string)})
	}
	compare := func(on string) obj {
		text, f := pick(r, genValues), fact{on: on}
		o := obj{}
		switch r.IntN(6) {
		case 0:
			o["equalTo"], f.text = text, text
		case 1:
			o["contains"], f.op, f.text = text, contains, text
		case 2:
			f.text, f.op = randomPattern(r), whole
			o["matches"] = f.text
		case 3:
			f.text, f.op, f.not = randomPattern(r), whole, true
			o["doesNotMatch"] = f.text
		case 4:
			o["absent"], f.op, f.not = true, exists, true
		default:
			o["equalToJson"], unknown = "{}", true
			return o
		}
		facts = append(facts, f)
		return o
	}
	if r.IntN(2) == 0 {
		req["headers"] = obj{"X-A": compare("X-A")}
	}
	if r.IntN(3) == 0 {
		req["queryParameters"] = obj{"q": compare("query")}
	}
	if r.IntN(4) == 0 {
		req["cookies"] = obj{"c": compare("cookie")}
	}
	return req, facts, unknown
}

func TestNeverWiderAPISIX(t *testing.T) {
	checkNeverWider(t, "route.json", func(r *rand.Rand) (any, []entry) {
		uri := pick(r, []string{"/*", "/a*", "/a", "/b/*"})
		base := []fact{{on: "path", text: uri}}
		if short, ok := strings.CutSuffix(uri, "*"); ok {
			base = []fact{{on: "path", op: prefix, text: short}}
		}
		e := entry{status: 500}
		var vars []any
		for range 1 + r.IntN(2) {
			facts, conditions, unknown := slices.Clone(base), []any{}, false
			for range 1 + r.IntN(2) {
				name, on := "http_x_a", "X-A"
				if r.IntN(2) == 0 {
					name, on = "arg_q", "query"
				}
				text, f := pick(r, genValues), fact{on: on}
				condition := []any{name}
				switch r.IntN(5) {
				case 0:
					f.text, condition = text, append(condition, "==", text)
				case 1:
					f.text, f.not, f.absent, condition = text, true, true, append(condition, "~=", text)
				case 2:
					f.op, f.text = search, pick(r, []string{"v", "^x", "x$", "[0-9]"})
					condition = append(condition, "~~", f.text)
				case 3:
					f.op, f.text, condition = whole, "17|-?[0-9]|1[0-7]", append(condition, "<", 18)
				default:
					unknown, condition = true, append(condition, "has", "x")
				}
				facts, conditions = append(facts, f), append(conditions, condition)
			}
			vars = append(vars, conditions)
			e.blocks, e.unknown = append(e.blocks, facts), append(e.unknown, unknown)
		}
		return obj{"uri": uri, "plugins": obj{"fault-injection": obj{"abort": obj{"http_status": 500, "body": "x", "vars": vars}}}}, []entry{e}
	})
}

func TestNeverWiderChaosMesh(t *testing.T) {
	checkNeverWider(t, "chaos.json", func(r *rand.Rand) (any, []entry) {
		spec := obj{"mode": "all", "target": "Response", "replace": obj{"code": 500, "body": "eA=="}}
		var facts []fact
		if r.IntN(3) > 0 {
			glob := pick(r, []string{"*", "/a", "/a*", "*b", "/?", "/*/c"})
			spec["path"] = glob
			facts = append(facts, fact{on: "path", op: whole, text: strings.NewReplacer("*", ".*", "?", ".").Replace(glob)})
		}
		if r.IntN(3) == 0 {
			spec["method"] = pick(r, genMethods)
			facts = append(facts, fact{on: "method", text: spec["method"].(string)})
		}
		if r.IntN(2) == 0 {
			text := pick(r, genValues)
			spec["request_headers"] = obj{"X-A": text}
			facts = append(facts, fact{on: "X-A", text: text})
		}
		return obj{"kind": "HTTPChaos", "metadata": obj{"name": "c"}, "spec": spec}, []entry{{[][]fact{facts}, []bool{false}, 500}}
	})
}

func TestNeverWiderDevProxy(t *testing.T) {
	paths := []string{"/*", "/a*", "/a", "/b/*", "/*b", "/*/*"}
	checkNeverWider(t, "devproxyrc.json", func(r *rand.Rand) (any, []entry) {
		toFact := func(path string) []fact {
			if !strings.Contains(path, "*") { // the whole URL
				return []fact{{on: "path", text: path}, {on: "query", op: exists, not: true}}
			}
			facts := []fact{{on: "path", op: whole, text: strings.ReplaceAll(path, "*", ".*")}}
			if !strings.HasSuffix(path, "*") {
				facts = append(facts, fact{on: "query", op: exists, not: true}) // no value ends like it
			}
			return facts
		}
		watched := pick(r, paths)
		var list []any
		var entries []entry
		for i := range 1 + r.IntN(3) {
			path := pick(r, paths)
			e := entry{[][]fact{append(toFact(watched), toFact(path)...)}, []bool{false}, 500 + i}
			req := obj{"url": "https://api.example" + path}
			if r.IntN(3) == 0 {
				req["method"] = pick(r, genMethods)
				e.blocks[0] = append(e.blocks[0], fact{on: "method", text: req["method"].(string)})
			}
			list, entries = append(list, obj{"request": req, "responses": []any{obj{"statusCode": e.status}}}), append(entries, e)
		}
		return obj{
			"plugins": []any{obj{"name": "GenericRandomErrorPlugin", "configSection": "s"}}, "urlsToWatch": []any{"https://api.example" + watched},
			"s": obj{"rate": 100, "errors": list},
		}, entries
	})
}

func TestNeverWiderEnvoyGateway(t *testing.T) {
	checkNeverWider(t, "policy.json", func(r *rand.Rand) (any, []entry) {
		e := entry{status: 500}
		var matches []any
		for range 1 + r.IntN(2) {
			kind, path := pick(r, []string{"Exact", "PathPrefix"}), pick(r, genPaths[1:])
			f := fact{on: "path", text: path}
			if kind == "PathPrefix" {
				f.op, f.text = whole, path+"(/.*)?"
			}
			match, facts := obj{"path": obj{"type": kind, "value": path}}, []fact{f}
			if r.IntN(2) == 0 {
				text := pick(r, genValues)
				match["headers"] = []any{obj{"name": "x-a", "value": text}}
				facts = append(facts, fact{on: "X-A", text: text})
			}
			matches = append(matches, match)
			e.blocks, e.unknown = append(e.blocks, facts), append(e.unknown, false)
		}
		policy := obj{"apiVersion": "x", "kind": "BackendTrafficPolicy", "metadata": obj{"name": "p"}, "spec": obj{
			"targetRef": obj{"kind": "HTTPRoute", "name": "r"}, "faultInjection": obj{"abort": obj{"httpStatus": 500}},
		}}
		route := obj{"apiVersion": "x", "kind": "HTTPRoute", "metadata": obj{"name": "r"}, "spec": obj{"rules": []any{obj{"matches": matches}}}}
		return obj{"apiVersion": "v1", "kind": "List", "items": []any{policy, route}}, []entry{e}
	})
}

// Toxiproxy has no conditions: all requests of a proxy get its toxics.
func TestToxiproxyHasNoConditions(t *testing.T) {
	result, err := importFileOf(t, "testdata/toxiproxy/proxies.json")
	if err != nil || strings.Contains(result.Caddyfile, "match") {
		t.Errorf("got error %v and\n%s", err, result.Caddyfile)
	}
}
