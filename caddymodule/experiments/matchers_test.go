package experiments

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cel.dev/cel-go/cel"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // all of Caddy's matchers

	_ "github.com/caddyfault/caddyfault/caddymodule/match"
)

// foreignMatcher is a matcher of another module.
type foreignMatcher struct{}

func init() { caddy.RegisterModule(foreignMatcher{}) }

func (foreignMatcher) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.matchers.foreign", New: func() caddy.Module { return new(foreignMatcher) }}
}

func (foreignMatcher) MatchWithError(*http.Request) (bool, error) { return true, nil }

// The table has every matcher of Caddy and of this module. A new one must be looked at first.
func TestTableIsCaddys(t *testing.T) {
	registered := make(map[string]bool)
	for _, info := range caddy.GetModules("http.matchers") {
		name := info.ID.Name()
		registered[name] = true
		if known, ok := caddyMatchers[name]; !ok && name != "foreign" || ok && known.why == "" {
			t.Errorf("%s: not in the table, or without a reason", name)
		}
	}
	for name := range caddyMatchers {
		if !registered[name] {
			t.Errorf("%s: Caddy has no such matcher", name)
		}
	}
}

// In an expression a matcher of Caddy is a function with the same name. The matchers
// add no other function, and each takes the request first.
func TestFunctionsAreMatchers(t *testing.T) {
	language, err := loadCEL()
	if err != nil {
		t.Fatal(err)
	}
	producers := 0
	for _, info := range caddy.GetModules("http.matchers") {
		producer, ok := info.New().(caddyhttp.CELLibraryProducer)
		if !ok {
			continue
		}
		producers++
		library, err := producer.CELLibrary(caddy.Context{Context: context.Background()})
		if err != nil {
			t.Fatal(err)
		}
		env, err := cel.NewEnv(append([]cel.EnvOption{cel.ClearMacros(), cel.Variable("req", cel.ObjectType("http.Request"))}, library.CompileOptions()...)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, macro := range env.Macros() {
			if macro.Function() != info.ID.Name() || macro.IsReceiverStyle() {
				t.Errorf("%s: a macro '%s'", info.ID, macro.Function())
			}
		}
		for name, function := range env.Functions() {
			if language.known(name) {
				continue
			}
			for _, overload := range function.OverloadDecls() {
				if args := overload.ArgTypes(); len(args) == 0 || args[0].TypeName() != "http.Request" {
					t.Errorf("%s: %s does not take the request first", info.ID, name)
				}
			}
		}
	}
	if producers < 10 {
		t.Errorf("only %d matchers have functions", producers)
	}
}

// check checks matchers without loading anything.
func check(match string, named ...string) error {
	var sets caddyhttp.RawMatcherSets
	if err := json.Unmarshal([]byte(match), &sets); err != nil {
		return fmt.Errorf("test is wrong: %w", err)
	}
	return CheckMatchers(sets, named)
}

func TestMatchersRefused(t *testing.T) {
	text := func(n int) string { return strings.Repeat("a", n) }
	for _, tt := range []struct{ name, match, want string }{
		{"file", `[{"file": {}}]`, "match[0].file: experiments read no files"},
		{"file in not", `[{"path": ["/"]}, {"not": [{}, {"file": {}}]}]`, "match[1].not[1].file: experiments read no files"},
		{"file in not in not", `[{"not": [{"not": [{"file": {}}]}]}]`, "match[0].not[0].not[0].file: "},
		{"not of something else", `[{"not": {"file": {}}}]`, "match[0].not: json: cannot unmarshal object"},
		{"another module", `[{"foreign": {}}]`, "fault { experiment_matchers foreign }"},
		{"another module in not", `[{"not": [{"foreign": {}}]}]`, "match[0].not[0].foreign: the matcher 'foreign' is not part of Caddy"},
		{"path_regexp too long", `[{"path_regexp": {"pattern": "` + text(1025) + `"}}]`, "match[0].path_regexp.pattern: the pattern has 1025 bytes; experiments allow 1024"},
		{"in any case", `[{"path_regexp": {"pattern": "a", "PATTERN": "` + text(1025) + `"}}]`, "match[0].path_regexp.pattern: the pattern has 1025 bytes"},
		{"header_regexp too long", `[{"header_regexp": {"A": {"pattern": "a"}, "X": {"pattern": "` + text(1025) + `"}}}]`, "match[0].header_regexp.X.pattern: "},
		{"vars_regexp too long", `[{"not": [{"vars_regexp": {"{http.request.uri}": {"pattern": "` + text(1025) + `"}}}]}]`, "match[0].not[0].vars_regexp.{http.request.uri}.pattern: "},
		{"url_pattern too long", `[{"url_pattern": {"pattern": "/` + text(1024) + `"}}]`, "match[0].url_pattern.pattern: "},
		{"its base too long", `[{"url_pattern": {"pattern": "/a", "base_url": "https://` + text(1024) + `"}}]`, "match[0].url_pattern.base_url: "},
		{"json_body too long", `[{"json_body": {"/a": ["` + text(1025) + `"]}}]`, "match[0].json_body./a: the pattern has 1025 bytes"},
		{"too much of json_body", `[{"json_body": {"/a": ["` + strings.Repeat(`x", "`, 32) + `"]}}]`, "more than 32 expressions and patterns"},
		{"json_body of something else", `[{"json_body": ["/a"]}]`, "match[0].json_body: json: cannot unmarshal array"},
		{"repetitions", `[{"path_regexp": {"pattern": "` + strings.Repeat(`.{0,1000}`, 2) + `"}}]`, "match[0].path_regexp.pattern: the repetitions of the pattern make"},
		{"repetitions of repetitions", `[{"path_regexp": {"pattern": "((a{10}){10}){10}((a{10}){10}){10}` + strings.Repeat(`a{1000}`, 9) + `"}}]`, "the repetitions of the pattern make"},
		{"bomb", `[{"path_regexp": {"pattern": "(a{1000}){1000}"}}]`, "match[0].path_regexp.pattern: error parsing regexp: invalid repeat count"},
		{"bad pattern", `[{"path_regexp": {"pattern": "("}}]`, "match[0].path_regexp.pattern: error parsing regexp: missing closing )"},
		{"pattern is null", `[{"header_regexp": {"X": null}}]`, `match[0].header_regexp.X: null is not a pattern; write one such as {"pattern": "^a"}`},
		{"no patterns", `[{"vars_regexp": []}]`, "match[0].vars_regexp: json: "},
		{"too many", `[{"path_regexp": {"pattern": "a"}}` + strings.Repeat(`, {"path_regexp": {"pattern": "a"}, "expression": "true"}`, 16) + `]`, "more than 32 expressions and patterns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := check(tt.match); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestMatchersAllowed(t *testing.T) {
	for _, match := range []string{
		`[]`, `[{"path": ["/a", "/{http.request.host}/*"]}]`, `[{"not": [{"path": ["/a"]}, {"not": [{"method": ["GET"]}]}]}]`,
		`[{"path_regexp": {"pattern": "^/[a-z]{2}/.{1,255}$"}}]`, `[{"header_regexp": {"X": {"name": "n", "pattern": "` + strings.Repeat("a", 1024) + `"}}}]`,
		`[{"path_regexp": {"pattern": "^(a|b).{0,1000}$"}}]`,
		`[{"url_pattern": {"pattern": "/books/:id"}}]`, `[{"query": {"file": ["x"]}}]`, `[{"nobody_knows": {}}]`,
	} {
		if err := check(match); err != nil {
			t.Errorf("%s: %v", match, err)
		}
	}
	if err := check(`[{"foreign": {}}, {"not": [{"foreign": {}}]}]`, "foreign"); err != nil {
		t.Errorf("one that the configuration names: %v", err)
	}
}

func TestCheckNamed(t *testing.T) {
	for name, want := range map[string]string{
		"file":         "bad matcher 'file': experiments read no files",
		"path":         "bad matcher 'path': experiments may always use it",
		"nobody_knows": "this Caddy has no module http.matchers.nobody_knows",
	} {
		if err := CheckNamed(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q", name, err, want)
		}
	}
	if err := CheckNamed("foreign"); err != nil {
		t.Error(err)
	}
}

// loadMatcher loads a matcher as Caddy does.
func loadMatcher(t *testing.T, name, config string) (caddyhttp.RequestMatcherWithError, error) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	mod, err := ctx.LoadModuleByID("http.matchers."+name, []byte(config))
	if err != nil {
		return nil, err
	}
	return mod.(caddyhttp.RequestMatcherWithError), nil
}

// prepared returns a request as Caddy's server passes it to a handler.
func prepared(target string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
}

// The table is right: a value of the request is not expanded again.
func TestFilledInOnce(t *testing.T) {
	const secret = "secret.test"
	t.Setenv("FAULT_SECRET", secret)
	for _, tt := range []struct{ name, config string }{
		{"host", `["{http.request.header.Y}"]`},
		{"path", `["/{http.request.header.Y}"]`},
		{"query", `{"{http.request.header.Y}": ["*"]}`},
		{"query", `{"q": ["{http.request.header.Y}"]}`},
		{"header", `{"X": ["{http.request.header.Y}"]}`},
		{"vars", `{"v": ["{http.request.header.Y}"]}`},
		{"vars", `{"{http.request.header.Y}": ["secret.test"]}`},
		{"vars_regexp", `{"{http.request.header.Y}": {"pattern": "secret"}}`},
		{"header_regexp", `{"Y": {"pattern": "secret"}}`},
		{"not", `[{"not": [{"header": {"X": ["{http.request.header.Y}"]}}]}]`},
		{"expression", `"{http.request.header.Y}.contains('secret')"`},
		{"expression", `"header({'X': '\\{http.request.header.Y}'})"`},
		{"expression", `"vars_regexp('\\{http.request.header.Y}', 'secret')"`},
	} {
		m, err := loadMatcher(t, tt.name, tt.config)
		if err != nil {
			t.Fatalf("%s %s: %v", tt.name, tt.config, err)
		}
		for y, want := range map[string]bool{secret: true, "{env.FAULT_SECRET}": false} {
			r := prepared("http://secret.test/secret.test?q=secret.test&secret.test=1", "X", secret, "Y", y)
			caddyhttp.SetVar(r.Context(), "v", secret)
			if got, err := m.MatchWithError(r); got != want || err != nil {
				t.Errorf("%s %s with Y: %s: got %t, %v, want %t", tt.name, tt.config, y, got, err, want)
			}
		}
	}
	for _, name := range []string{"remote_ip", "client_ip"} {
		if _, err := loadMatcher(t, name, `{"ranges": ["{http.request.header.Y}"]}`); err == nil {
			t.Errorf("%s fills in a value of the request", name)
		}
	}
}

// The check reads the same text as Caddy.
func TestRewriteIsCaddys(t *testing.T) {
	for _, expression := range append(slices.Clone(allowedExpressions), `{http.a}{http.b} == ''`, `"a{http.a}b"`, `\{http.a}\\{http.b}`, `x{http.a}.y({a.}) {2} {-.a} {ä.b}`) {
		m := caddyhttp.MatchExpression{Expr: expression}
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		_ = m.Provision(ctx) // whether it compiles or not
		cancel()
		if got, want := rewrite(expression, ""), reflect.ValueOf(m).FieldByName("expandedExpr").String(); got != want {
			t.Errorf("%s: got %s, want %s", expression, got, want)
		}
	}
}
