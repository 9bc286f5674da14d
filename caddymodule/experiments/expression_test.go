package experiments

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// quote returns a text as JSON.
func quote(text string) string {
	quoted, _ := json.Marshal(text) // a string can be written
	return string(quoted)
}

// expression returns the error of an experiment's check: of its placeholders, or of its
// matchers.
func expression(text string) error {
	match := `[{"expression": ` + quote(text) + `}]`
	if err := checkWeak([]byte(`{"match": ` + match + `}`)); err != nil {
		return err
	}
	return check(match)
}

// allowedExpressions are expressions that people write.
var allowedExpressions = []string{
	`true`,
	`json_body({"/method": ["tools/call", "tools/l*"], "/id": []}) && !json_body({"/a": "b"})`,
	`{http.request.body}.contains("x")`,
	`{http.request.method} == "GET" && !({http.request.host} in ["a.test", "b.test"])`,
	`int({http.request.header.X-N}) % 2 == 1 || {http.request.header.X}.matches("^[a-z]{2}$")`,
	`{http.request.uri.path}.startsWith({http.request.header.X-Prefix})`,
	`{http.request.header.X} + "{a" == "{" + "a.b}"`, // not expanded
	`{http.request.body}.contains("{\"a\": 1}") && {http.request.body}.contains('\x7bx')`,
	`path("/a", "/b*") && method("GET") && host("*.test") && protocol("https") && tls() && tls('complete')`,
	`header({"X": ["a", "b"], "Y": "c"}) || query({"q": "*"}) || vars({"v": ["1"]})`,
	`header({'X': 'http://{http.request.host}/'}) // it's`,
	`header({'X': '\{http.request.host} \{time.now.year}'})`,
	`path_regexp('n', '^/[a-z]{2}\\d+$') && {http.regexp.n.1} == "a"`,
	`path_regexp(r'\d{2}\x41') && header_regexp('n', 'X', '^b') && vars_regexp('{http.request.uri}', "c")`,
	`url_pattern('/books/:id', 'https://a.test') && remote_ip("127.0.0.1", "::1/128") && client_ip("10.0.0.0/8")`,
	`path('/file/*') && {http.request.host} == 'file(x) ph(x)' // ph(x)`,
	`{http.request.header.X}.split(",").exists(v, v.trim() == "a")`,
	`["a", "b"].exists(v, {http.request.uri.path}.endsWith(v))`,
	`{http.request.header.X}.split(",").map(v, v.lowerAscii()).exists(v, v == "a")`,
	`cel.bind(h, {http.request.header.X}, h == "a" || h == "b")`,
	`{http.request.uri.path}.replace("/v1", "").replace("/v2", "") == "/a"`,
	`math.greatest(1, size({http.request.uri})) > 100 && strings.quote("a") == "b" && [1, 2].sort()[0] == 1`,
	`has({"a": 1}.a) ? {time.now}.getHours() > 8 : timestamp("2026-01-01T00:00:00Z") < {time.now}`,
	`[2, 1].sortBy(x, -x) == [2, 1] && dyn({http.request.port}) == 80`,
	`{http.request.tls.client.subject} == "CN=a" || {http.vars.a} == "b" || {http.error.status_code} == 404`,
}

func TestExpressionsAllowed(t *testing.T) {
	for _, text := range allowedExpressions {
		if err := expression(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if _, err := loadMatcher(t, "expression", quote(text)); err != nil {
			t.Errorf("Caddy refuses the test: %v", err)
		}
	}
	for _, match := range []string{`[{"expression": {"expr": "path('/a')", "name": "n"}}]`, `[{"not": [{"expression": "true"}, {"expression": {"expr": "true", "name": ""}}]}]`} {
		if err := check(match); err != nil {
			t.Errorf("%s: %v", match, err)
		}
	}
}

// matcherFunctions are calls of all functions of Caddy's matchers, with a gap for a
// text.
var matcherFunctions = []string{
	`client_ip(%)`, `client_ip("::1", %)`, `header({"X": %})`, `header({%: "x"})`, `header({"X": ["a", %]})`,
	`header_regexp(%, "a")`, `header_regexp("X", %)`, `header_regexp("n", "X", %)`, `header_regexp(%, "X", "a")`, `header_regexp("n", %, "a")`,
	`host(%)`, `host("a", %)`, `json_body({"/a": %})`, `json_body({%: "x"})`, `json_body({"/a": ["b", %]})`, `method(%)`, `path(%)`, `path("/a", %)`, `path_regexp(%)`, `path_regexp("n", %)`, `path_regexp(%, "a")`,
	`protocol(%)`, `query({"q": %})`, `query({%: "x"})`, `query({"q": [%]})`, `remote_ip(%)`, `tls(%)`,
	`url_pattern(%)`, `url_pattern("/a", %)`, `url_pattern(%, "https://a.test")`,
	`vars({"v": %})`, `vars({%: "x"})`, `vars({"v": ["a", %]})`,
	`vars_regexp(%, "a")`, `vars_regexp("v", %)`, `vars_regexp("n", %, "(?s)(.*)")`, `vars_regexp(%, "v", "a")`, `vars_regexp("n", "v", %)`,
}

// A matcher function accepts only literals. A computed value may be, or become, a
// placeholder.
func TestFunctionsTakeTextsOnly(t *testing.T) {
	covered := make(map[string]bool)
	for _, call := range matcherFunctions {
		name, _, _ := strings.Cut(call, "(")
		covered[name] = true
		for _, argument := range []string{
			`{http.request.header.Y}`, `{http.request.cookie.y}`, `{http.regexp.n.1}`, `{http.vars.v}`, `{http.request.body}`,
			`"a" + {http.request.header.Y}`, `"{env" + ".HOME}"`, `("{" + "env.HOME}")`, `"a" + "b"`, `r"{" + 'env.HOME}'`,
			`true ? {http.request.header.Y} : "a"`, `true ? "a" : "b"`, `[{http.request.header.Y}][0]`, `["a"][0]`, `{"a": "b"}["a"]`, `{"a": "b"}.a`,
			`dyn({http.request.header.Y})`, `dyn("a")`, `string({http.request.header.Y})`, `string("a")`, `string(b"a")`, `{http.request.header.Y}.trim()`, `"}VNE{".reverse()`,
			`"a".replace("a", "{")`, `["{", "env.HOME}"].join()`, `"%s".format(["a"])`, `["a"].map(v, v)`, `cel.bind(v, "a", v)`, `strings.quote("a")`, `v`, `req`, `1`, `b"a"`, `null`,
			`math.greatest(1, 2)`, `"a" /* */`, "\"{\" // \"\n + \"env.HOME}\"", `"a" + /* " */ "b"`,
		} {
			text := strings.Replace(call, "%", argument, 1)
			if expression(text) == nil {
				t.Errorf("%s: not refused", text)
			}
			if loop := `["{` + `env.HOME"].exists(v, ` + strings.Replace(call, "%", "v", 1) + ")"; expression(loop) == nil {
				t.Errorf("%s: not refused", loop)
			}
		}
		for _, argument := range []string{
			`"{env.HOME}"`, `r"{env.HOME}"`, `'''{env.HOME}'''`, `"\{env.HOME}"`, `"\x7benv.HOME}"`, `"\173env.HOME\u007d"`, `"\U0000007b\x65nv.HOME}"`, `"{file./etc/hostname}"`, `"{system.hostname}"`,
			`"{e\u006ev.HOME}"`, `"\x7bfile./a{1/../b}"`, `"{host}"`, `"\x7bhost}"`,
		} {
			text := strings.Replace(call, "%", argument, 1)
			if err := expression(text); err == nil || !strings.Contains(err.Error(), "placeholder '{") {
				t.Errorf("%s: got error %v, want that of the placeholder", text, err)
			}
		}
	}
	for name, known := range caddyMatchers {
		if hasFunction := name != "not" && name != "expression"; !known.refused && covered[name] != hasFunction {
			t.Errorf("%s: covered: %t", name, covered[name])
		}
	}
}

func TestExpressionsRefused(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"file()", `file()`, "match[0].expression: file(): experiments read no files"},
		{"file() of a text", `file('x')`, "file(): experiments read no files"},
		{"file() after a comment", "file // \n ('x')", "file(): experiments read no files"},
		{"its function", `file_request_map(req, {"root": "/"})`, "'file_request_map' is not a function of CEL or a matcher of Caddy"},
		{"a matcher's function", `header_matcher_request_map(req, {"X": {http.request.header.Y}})`, "'header_matcher_request_map' is not a function"},
		{"with a dot before", `.host_match_request_list(req, [{http.request.header.Y}])`, "'host_match_request_list' is not a function"},
		{"ph()", `ph(req, 'env.HOME') == 'x'`, "ph() is reserved by Caddy; write the placeholder"},
		{"ph() of the request", `ph (req, "http.request.uri") == 'x'`, "ph() is reserved by Caddy"},
		{"ph() with a dot", `.ph(req, "env.HOME") == 'x'`, "ph() is reserved by Caddy"},
		{"ph() of a sum", `ph(req, "en" + "v.HOME") == 'x'`, "ph() is reserved by Caddy"},
		{"ph() of a variable", `["env.HOME"].exists(v, ph(req, v) == 'x')`, "ph() is reserved by Caddy"},
		{"ph() with the mark", `ph(req, ":env.HOME") == 'x'`, "placeholder '{env.HOME}'"},
		{"ph() without", `ph()`, "ph() is reserved by Caddy"},
		{"ph() of a text that ends before", `"a{http.a}) == '' || ph(req, 'env.HOME') + "b" == ''`, "bad expression"},
		{"a text that ends before", `"{http.a}" + env.b + "{http.c}" == "x" || ph(req, "env.HOME") == ""`, "bad expression"},
		{"the request", `[req].exists(r, true)`, "'req' is reserved by Caddy"},
		{"with a dot", `.req == .req`, "'req' is reserved by Caddy"},
		{"bound", `cel.bind(r, req, ph(r, 'env.HOME') == 'x')`, "'req' is reserved by Caddy"},
		{"in a map", `{"a": req}.a == 1`, "'req' is reserved by Caddy"},
		{"in a struct", `google.protobuf.Any{value: req} == 1`, "'req' is reserved by Caddy"},
		{"selected", `has(req.a)`, "'req' is reserved by Caddy"},
		{"after a quote in a comment", "// '\nheader({'X': '{' + 'env.HOME}'})", "an argument of header() is not a single string literal"},
		{"after a raw text", `r'\' == 'x' || header({'X': '{' + 'env.HOME}'})`, "not a single string literal"},
		{"after three quotes", `''' ' ''' == 'x' || header({'X': '{' + 'env.HOME}'})`, "not a single string literal"},
		{"after an escaped quote", `'\'' == 'x' || header({'X': '{' + 'env.HOME}'})`, "not a single string literal"},
		{"two halves of a name", `header({'X': ('{e') /* */ + r"nv.HOME}"})`, "bad expression"}, // CEL has no such comments
		{"of the environment", `{env.HOME} == 'x'`, "placeholder '{env.HOME}' is not allowed in experiments; they may use {http.*} and {time.*}"},
		{"in an operand", `"{env.HOME}" == 'x'`, "placeholder '{env.HOME}'"},
		{"an unknown function", `geoip({http.request.remote.host}) == 'x'`, "'geoip' is not a function of CEL or a matcher of Caddy"},
		{"a member of a name", `"a".path("/b")`, "'path' is not a function"},
		{"nothing", ``, "bad expression"},
		{"half", `path(`, "bad expression"},
		{"a module of another", `foreign("a")`, "'foreign' is not a function"},

		{"size", `"` + strings.Repeat("a", 4095) + `" == ""`, "the expression has 4103 bytes; experiments allow 4096"},
		{"pattern", `path_regexp("` + strings.Repeat("a", 1025) + `")`, "match[0].expression: path_regexp(): the pattern has 1025 bytes"},
		{"value of json_body", `json_body({"/a": ["b", "` + strings.Repeat("a", 1025) + `"], "/c": "d"})`, "json_body(): the pattern has 1025 bytes"},
		{"pointer of json_body", `json_body({"/` + strings.Repeat("a", 1024) + `": []})`, "json_body(): the pattern has 1025 bytes"},
		{"too much of json_body", `json_body({"/a": ["` + strings.Repeat(`x", "`, 31) + `"]})`, "more than 32 expressions and patterns"},
		{"json_body for each part", `["a", "b"].exists(v, json_body({"/a": "b"}))`, "json_body() would run for each element of exists(); call it once, outside"},
		{"pattern of url_pattern", `url_pattern("/` + strings.Repeat("a", 1025) + `")`, "url_pattern(): the pattern has 1026 bytes"},
		{"pattern of matches", `{http.request.uri}.matches("` + strings.Repeat("a", 1025) + `")`, "matches(): the pattern has 1025 bytes"},
		{"pattern of matches()", `matches({http.request.uri}, "(")`, "matches(): error parsing regexp"},
		{"pattern that repeats", `header_regexp("X", r"` + strings.Repeat(`\d{1000}`, 3) + `")`, "header_regexp(): the repetitions of the pattern make"},
		{"pattern of the client", `"a".matches({http.request.header.X})`, "the pattern of matches() is not a single string literal"},
		{"search of the client", `{http.request.body}.indexOf({http.request.header.X}) > 0`, "the pattern of indexOf()"},
		{"all in all", `[1].all(a, [2].all(b, a == b))`, "all() inside all() is too expensive"},
		{"exists in what all goes through", `[[1].exists(a, true)].all(b, [2].exists(c, true))`, "exists() inside all()"},
		{"map in filter", `[1].filter(a, [2].map(b, b) == [a]) == []`, "map() inside filter()"},
		{"map in map", `[1].map(a, [2].map(b, b)) == []`, "map() inside map()"},
		{"map of map", `["a"].map(a, a + a).map(b, b + b) == []`, "map() inside map()"},
		{"map with a filter", `[1].map(a, a > 0, [1].exists_one(b, b == a)) == []`, "exists_one() inside map()"},
		{"a macro that Caddy has not", `[1].existsOne(a, [2].existsOne(b, a == b))`, "'existsOne' is not a function"},
		{"sortBy", `[1].sortBy(a, [2].sortBy(b, b)[0]) == []`, "sortBy() inside sortBy()"},
		{"bind in bind", `cel.bind(a, "x", cel.bind(b, a + a, b + b)) == ""`, "cel.bind() inside cel.bind()"},
		{"bind of bind", `cel.bind(a, cel.bind(b, "x", b + b), a + a) == ""`, "cel.bind() inside cel.bind()"},
		{"bind in all", `[1].all(a, cel.bind(b, a, b == a))`, "cel.bind() inside all()"},
		{"all in bind", `cel.bind(a, [1], a.all(b, true))`, "all() inside cel.bind()"},
		{"flatten of map", `[1].map(a, [1, 2]).flatten() == []`, "map() inside flatten()"},
		{"replace of replace", `"a".replace("a", "bb").replace("b", "aa") == ""`, "replace() inside replace()"},
		{"replace by a value", `"a".replace({http.request.header.X}, "").replace("", "bb") == ""`, "replace() inside replace()"},
		{"join of split of replace", `"a".replace("a", "bb").split("").join("cc") == ""`, "replace() inside join()"},
		{"quote of quote", `strings.quote(strings.quote("a")) == ""`, "strings.quote() inside strings.quote()"},
		{"range", `lists.range(1000000).size() > 0`, "lists.range() has no bound; write the list out"},
		{"distinct", `{http.request.body}.split("").distinct().size() > 3`, "distinct() has no bound"},
		{"body for each part of the body", `{http.request.body}.split("").all(a, {http.request.body}.contains(a))`, "{http.request.body} would be evaluated for each part of another request value"},
		{"matcher for each part", `{http.request.body}.split("").map(a, path_regexp("a")) == []`, "path_regexp() would run for each element of map()"},
		{"matcher for each text", `["a", "b"].all(a, path("/a"))`, "path() would run for each element of all(); call it once, outside"},
		{"pattern for each text", `["a", "b"].all(a, {http.request.uri}.matches("a"))`, "matches() would run for each element of all()"},
		{"deep", strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300), "bad expression"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := expression(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got error %v, want %q", tt.text, err, tt.want)
			}
		})
	}
	for match, want := range map[string]string{
		`[{"expression": {"expr": "file()", "name": "n"}}]`:            "match[0].expression: file(): experiments read no files",
		`[{"not": [{"expression": "file()"}]}]`:                        "match[0].not[0].expression: file(): ",
		`[{"not": [{"expression": {"expr": "file()", "name": "n"}}]}]`: "match[0].not[0].expression: file(): ",
		`[{"expression": {"expr": "true"}}]`:                           `want an expression, such as "path('/a')", or {"expr": "path('/a')", "name": "a"}`,
		`[{"expression": {"expr": "true", "name": null}}]`:             "want an expression",
		`[{"expression": {"name": "n"}}]`:                              "want an expression",
		`[{"expression": null}]`:                                       "want an expression",
		`[{"expression": 1}]`:                                          "want an expression",
		`[{"expression": ["true"]}]`:                                   "want an expression",
	} {
		if err := check(match); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", match, err, want)
		}
	}
	if err := check(`[{"expression": "foreign({http.request.header.Y})"}]`, "foreign"); err == nil || !strings.Contains(err.Error(), "an argument of foreign()") {
		t.Errorf("one that the configuration names: got error %v", err)
	}
}

// The check itself, and Caddy's reading of what it lets through, cost little.
func TestExpressionsAreReadInTime(t *testing.T) {
	fill := func(begin, part, end string) string {
		return begin + strings.Repeat(part, (maxExpression-len(begin)-len(end))/len(part)) + end
	}
	for _, text := range []string{
		fill("true", "&&true", ""), fill("1", "+1", "==1"), fill("[", "[1],", "] == []"), fill("!", "!", "true"), fill("", "[", ""), fill("", "{1:", ""),
		fill("", "(", ""), fill("'", "\\", ""), fill("", "{http.a}", ""), fill(`path("`, "{http.a}", `")`), fill("path(", `"a",`, `"b")`), fill("", "a.", "b"), fill("true", "?true:true", ""),
		fill("[1", ",[1]", "] == []"), fill("1 in ", "[1] in ", "[1]"),
	} {
		began := time.Now()
		if expression(text) == nil {
			_, _ = loadMatcher(t, "expression", quote(text))
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("%.40s: took %s", text, took)
		}
	}
}

// Whatever an expression is, the check returns. What it lets through reads the
// request and the time, as Caddy itself reports.
func FuzzExpression(f *testing.F) {
	for _, text := range allowedExpressions {
		f.Add(text)
	}
	for _, text := range []string{
		`vars_regexp("n", {http.request.header.Y}, "(?s)(.*)")`, `ph(req, "env.HOME") == ""`, `"{http.a}) || ph(req, "env.HOME") == "`,
		`[req].exists(r, ph(r, "env.HOME") == "")`, `header({"X": "\x7benv.HOME}"})`, `.ph(req, ":env.HOME")`, `"\{env.HOME}"`, `r{http.a}`, `x{http.a}{http.b}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if expression(text) != nil {
			return
		}
		m := caddyhttp.MatchExpression{Expr: text}
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		defer cancel()
		if m.Provision(ctx) != nil {
			return
		}
		if i := slices.IndexFunc(m.Placeholders(), func(name string) bool {
			return !strings.HasPrefix(name, "http.") && !strings.HasPrefix(name, "time.") && !strings.HasPrefix(name, marker)
		}); i >= 0 {
			t.Errorf("%q reads '%s'", text, m.Placeholders()[i])
		}
	})
}
