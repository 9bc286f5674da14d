package match

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// compile provisions an expression.
func compile(t *testing.T, expr string) (*caddyhttp.MatchExpression, error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	m := &caddyhttp.MatchExpression{Expr: expr}
	return m, m.Provision(ctx)
}

// TestExpression matches by the body in an expression, and the body is whole afterwards.
func TestExpression(t *testing.T) {
	const call = `{"method": "tools/call", "id": 7, "params": {"name": "search", "none": null}}`
	for _, tt := range []struct {
		expr, body string
		want       bool
	}{
		{`json_body({'/method': 'tools/call'})`, call, true},
		{`json_body({'/method': 'tools/list'})`, call, false},
		{`json_body({'/method': ['tools/list', 'tools/c*']})`, call, true},
		{`json_body({'/method': 'tools/call', '/id': '7'})`, call, true},
		{`json_body({'/method': 'tools/call', '/id': '8'})`, call, false},
		{`json_body({'/params/none': []})`, call, true},
		{`json_body({'/params/other': []})`, call, false},
		{`json_body({'': []})`, call, true},
		{`!json_body({'/method': 'tools/list'}) && json_body({'/id': []})`, call, true},
		{`json_body({'/method': 'tools/list'}) || method('POST') && json_body({'/id': '7'})`, call, true},
		{`json_body({'/method': {http.request.header.X-Method}})`, call, true},
		{`json_body({'/' + {http.request.header.X-Name}: 'tools/call'})`, call, true},
		{`json_body({'/id': {http.request.header.X-Method}})`, call, false},
		{`json_body({'/a': '1'})`, `{"a": 1, "b": "` + strings.Repeat("x", maxBody-17) + `"}`, true},
		{`json_body({'/a': '1'})`, `{"a": 1, "b": "` + strings.Repeat("x", maxBody-16) + `"}`, false},
		{`json_body({'/a': '1'})`, `{"a": `, false},
		{`json_body({'/a': '1'})`, ``, false},
	} {
		m, err := compile(t, tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		for _, known := range []bool{true, false} {
			r := post(strings.NewReader(tt.body), "X-Method", "tools/call", "X-Name", "method")
			if !known {
				r.ContentLength = -1
			}
			repl := caddyhttp.NewTestReplacer(r)
			r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
			got, err := m.MatchWithError(r)
			if got != tt.want || err != nil {
				t.Errorf("%s, length known %v: got %v, error %v, want %v", tt.expr, known, got, err, tt.want)
			}
			if body, err := io.ReadAll(r.Body); string(body) != tt.body || err != nil {
				t.Errorf("%s, length known %v: the body has %d bytes, error %v, want %d", tt.expr, known, len(body), err, len(tt.body))
			}
		}
	}
}

// An expression and the matcher agree on every pointer and value.
func TestExpressionIsTheMatcher(t *testing.T) {
	const body = `{"a": "x*y", "b": [1.50, null, {"c/d": ["e"]}], "~": true, "": ""}`
	for _, pointer := range []string{"", "/", "/a", "/b", "/b/0", "/b/1", "/b/2/c~1d", "/b/3", "/~0", "/none"} {
		for _, values := range [][]string{{}, {""}, {"*"}, {"x*y"}, {"x*"}, {"*y"}, {"1.50"}, {"1.5", "null"}, {"true"}, {`["e"]`}, {"none", "*e*"}} {
			matcher := JSONBody{pointer: values}
			text, err := json.Marshal(matcher)
			if err != nil {
				t.Fatal(err)
			}
			m, err := compile(t, "json_body("+string(text)+")")
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			got, err := m.MatchWithError(post(strings.NewReader(body)))
			if want := matcher.Match(post(strings.NewReader(body))); got != want || err != nil {
				t.Errorf("%s: got %v, error %v, want %v", text, got, err, want)
			}
		}
	}
}

// A mistake is refused when the expression loads.
func TestExpressionRefuses(t *testing.T) {
	for expr, want := range map[string]string{
		`json_body({'method': 'x'})`:      "bad pointer 'method': must begin with a slash; write /method",
		`json_body({'/a~2': 'x'})`:        "bad pointer",
		`json_body({})`:                   "json_body has no pointer; write one such as /method",
		`json_body('/method', 'x')`:       "json_body",
		`json_body('/method')`:            "map literal",
		`json_body({'/id': 7})`:           "must be string or list literals",
		`json_body({'/id': ['a', 7]})`:    "must be string or list literals",
		`json_body({'/id': 'a' == 'a'})`:  "must be string or list literals",
		`json_body({7: 'a'})`:             "keys must be string literals",
		`json_body({'/id': '7'}) == 'no'`: "no matching overload",
	} {
		if _, err := compile(t, expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", expr, err, want)
		}
	}
}

// A pointer from the request that is not valid is an error, and no match.
func TestExpressionFails(t *testing.T) {
	m, err := compile(t, `json_body({{http.request.header.X-Pointer}: []})`)
	if err != nil {
		t.Fatal(err)
	}
	for pointer, valid := range map[string]bool{"/a": true, "a": false, "/a~": false} {
		r := post(strings.NewReader(`{"a": 1}`), "X-Pointer", pointer)
		r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddyhttp.NewTestReplacer(r)))
		got, err := m.MatchWithError(r)
		if got != valid || (err == nil) != valid {
			t.Errorf("%s: got %v, error %v", pointer, got, err)
		}
		if body, err := io.ReadAll(r.Body); string(body) != `{"a": 1}` || err != nil {
			t.Errorf("%s: the body is %q, error %v", pointer, body, err)
		}
	}
}
