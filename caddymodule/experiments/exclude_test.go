package experiments

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func setsOf(t *testing.T, text string) (sets caddyhttp.RawMatcherSets) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &sets); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return sets
}

func TestExclude(t *testing.T) {
	for _, tt := range []struct{ one, other, want string }{
		{`[]`, `[{"path": ["/a"]}]`, ""},
		{`[{"path": ["/a"]}]`, `[]`, ""},
		{`[{}]`, `[{"path": ["/a"]}]`, ""},
		{`[{"path": ["/a"]}]`, `[{"path": ["/b"]}]`, "path /a and /b"},
		{`[{"path": ["/a"]}]`, `[{"path": ["/A"]}]`, ""},
		{`[{"path": ["/a/*"]}]`, `[{"path": ["/b/*"]}]`, "path /a/* and /b/*"},
		{`[{"path": ["/a/*"]}]`, `[{"path": ["/a/b*"]}]`, ""},
		{`[{"path": ["/a/*"]}]`, `[{"path": ["/a"]}]`, "path /a/* and /a"},
		{`[{"path": ["/a*"]}]`, `[{"path": ["/a"]}]`, ""},
		{`[{"path": ["/a", "/c*"]}]`, `[{"path": ["/b", "/d/*"]}]`, "path /a /c* and /b /d/*"},
		{`[{"path": ["/a", "/d/*"]}]`, `[{"path": ["/b", "/d/e"]}]`, ""},
		{`[{"path": ["*"]}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"path": ["*.php"]}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"path": ["/a?"]}]`, `[{"path": ["/bb"]}]`, ""},
		{`[{"path": ["/{x}"]}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"path": ["/a//b"]}]`, `[{"path": ["/a/b"]}]`, ""},
		{`[{"path": ["/%61"]}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"path": []}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"path": "/a"}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"path_regexp": {"pattern": "a"}}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"not": [{"path": ["/b"]}]}]`, `[{"path": ["/b"]}]`, ""},
		{`[{"host": ["a.test"]}]`, `[{"host": ["b.test", "c.a.test"]}]`, "host a.test and b.test c.a.test"},
		{`[{"host": ["a.test"]}]`, `[{"host": ["A.TEST"]}]`, ""},
		{`[{"host": ["*.test"]}]`, `[{"host": ["a.b.test"]}]`, "host *.test and a.b.test"},
		{`[{"host": ["*.test"]}]`, `[{"host": ["a.*"]}]`, ""},
		{`[{"host": ["{x}"]}]`, `[{"host": ["a"]}]`, ""},
		{`[{"host": ["[::1]"]}]`, `[{"host": ["::1"]}]`, ""},
		{`[{"host": ["bücher.test"]}]`, `[{"host": ["xn--bcher-kva.test"]}]`, ""},
		{`[{"method": ["GET"]}]`, `[{"method": ["POST", "PUT"]}]`, "method GET and POST PUT"},
		{`[{"method": ["GET"]}]`, `[{"method": ["get"]}]`, ""},
		{`[{"method": ["ı"]}]`, `[{"method": ["i"]}]`, ""},
		{`[{"header": {"X": null}}]`, `[{"header": {"x": ["1"]}}]`, "header !X and x"},
		{`[{"header": {"X": null}}]`, `[{"header": {"X": []}}]`, "header !X and X"},
		{`[{"header": {"X": null}}]`, `[{"header": {"X": null}}]`, ""},
		{`[{"header": {"X": ["1"]}}]`, `[{"header": {"X": ["2"]}}]`, ""},
		{`[{"header": {"X": null}}]`, `[{"header": {"Y": ["1"]}}]`, ""},
		{`[{"path": ["/a"], "method": ["GET"]}]`, `[{"path": ["/a"], "method": ["PUT"]}]`, "method GET and PUT"},
		{`[{"path": ["/a"]}, {"path": ["/b"]}]`, `[{"path": ["/c"]}]`, "path /a and /c"},
		{`[{"path": ["/a"]}, {"method": ["GET"]}]`, `[{"path": ["/c"]}]`, ""},
	} {
		one, other := setsOf(t, tt.one), setsOf(t, tt.other)
		if got := Exclude(one, other); got != tt.want {
			t.Errorf("%s and %s: got %q, want %q", tt.one, tt.other, got, tt.want)
		}
		if back := Exclude(other, one); (back == "") != (tt.want == "") {
			t.Errorf("%s and %s: got %q the other way round", tt.other, tt.one, back)
		}
	}
}

// Lists may be very long.
func TestExcludeLong(t *testing.T) {
	paths := func(n int) caddyhttp.RawMatcherSets {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprint("/", i))
		}
		data, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return caddyhttp.RawMatcherSets{{"path": data}}
	}
	other := setsOf(t, `[{"path": ["/a", "/b"]}]`)
	for n, want := range map[int]string{3: "path /0 /1 /2 and /a /b", 5000: "path /0 /1 /2 ... and /a /b", 5001: ""} {
		if got := Exclude(paths(n), other); got != want {
			t.Errorf("%d paths: got %.100q, want %q", n, got, want)
		}
	}
}

// Caddy's matchers never both match if Exclude says that they exclude each other.
func TestExcludeAsCaddy(t *testing.T) {
	matchers := []string{}
	for _, path := range []string{"/", "/a", "/A", "/a/", "/a/*", "/a*", "/a/b", "/a/B*", "/b*", "/b/", "*", "/*", "*b", "*a*", "/a/*b", "/?", "/[ab]", "/a//b", "//a", "/%61", "a", "", "/a.", "/.."} {
		matchers = append(matchers, fmt.Sprintf(`{"path": [%q]}`, path))
	}
	for _, host := range []string{"a", "A", "a.b", "*.b", "a.*", "*", "*.*", "x*", "a.b.", "127.0.0.1", "::1", "[::1]", "", "a_b", "kk"} {
		matchers = append(matchers, fmt.Sprintf(`{"host": [%q]}`, host))
	}
	for _, value := range []string{`null`, `[]`, `["1"]`, `["2", "3"]`, `["*"]`} {
		matchers = append(matchers, `{"header": {"X": `+value+`}}`, `{"header": {"Host": `+value+`}}`, `{"method": ["GET"], "header": {"x": `+value+`}}`)
	}
	for _, method := range []string{"GET", "get", "PUT"} {
		matchers = append(matchers, fmt.Sprintf(`{"method": [%q]}`, method))
	}
	requests := requestsOf(t)
	matches := make([][]bool, len(matchers))
	for i, text := range matchers {
		matches[i] = answers(t, text, requests)
	}
	excluding := 0
	for i, one := range matchers {
		for j, other := range matchers {
			why := Exclude(setsOf(t, "["+one+"]"), setsOf(t, "["+other+"]"))
			if why == "" {
				continue
			}
			excluding++
			for k, r := range requests {
				if matches[i][k] && matches[j][k] {
					t.Fatalf("%s and %s: got %q, but %s %s %s %v matches both", one, other, why, r.Method, r.Host, r.URL, r.Header)
				}
			}
		}
	}
	if excluding < 300 {
		t.Errorf("only %d pairs exclude each other", excluding)
	}
}

// requestsOf returns requests of many kinds.
func requestsOf(t *testing.T) (all []*http.Request) {
	t.Helper()
	for _, method := range []string{"GET", "get", "PUT"} {
		for _, host := range []string{"a", "A:80", "a.b", "c.b", "a.b.", "x*", "b.b.b", "127.0.0.1", "[::1]:80", "", "a_b", "\u212A\u212A"} {
			for _, path := range []string{"/", "/a", "/A", "/a/", "/a/b", "/a/bb", "/a/B", "/b", "/b/", "//a", "/a//b", "/%61", "/a/../b", "/a.", "/ab"} {
				for _, values := range [][]string{nil, {}, {"1"}, {"2"}, {"1", "2"}} {
					r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
					r.Host = host
					if values != nil {
						r.Header["X"] = values
					}
					all = append(all, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil))
				}
			}
		}
	}
	return all
}

// answers are the results of a set of Caddy's matchers for the requests.
func answers(t *testing.T, set string, requests []*http.Request) (all []bool) {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	defer cancel()
	route := caddyhttp.Route{MatcherSetsRaw: setsOf(t, "["+set+"]")}
	if err := route.ProvisionMatchers(ctx); err != nil {
		t.Fatalf("%s: %v", set, err)
	}
	for _, r := range requests {
		ok, err := route.MatcherSets.AnyMatchWithError(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, ok)
	}
	return all
}
