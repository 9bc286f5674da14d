package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// The values of which the randomized test builds rules and requests. Most of them are
// similar, so that rules and requests often match, and often miss narrowly. The odd
// ones are not compared literally.
var (
	someFields  = []string{"X-A", "X-A", "x-a", "X-B", "X-C"}
	oddFields   = []string{"Host", "Transfer-Encoding", "X_{a}"}
	someValues  = []string{"", "1", "2", "3", "1*2", "a b", "GET", "a.example", "chunked"}
	oddValues   = []string{"1*", "*1", "*1*", "*", "{http.request.method}", `\}`, "}"}
	somePaths   = []string{"/", "/a", "/a/", "/A/b", "/a/b", "/a/b/c", "/a/bc", "/b", "a", ".", "", "/a.", "/a b", "/ä", "/Ä", "/}", "/*", "/a*", "/a/*", "/A/B*", "/a/b/*", "/ä*", "/?*", "/[*", "/get"}
	oddPaths    = []string{"*", "*b", "*a*", "/*/b", "/a/*/c", "/a?", "/[ab]", `/\a`, "/a//b", "//a", "/a//*", "/%61", "/%61*", "/a%2fb", "/a%20*", "/{http.request.method}"}
	someHosts   = []string{"a.example", "UP.example", "b.example", "ä.example", "127.0.0.1", "::1", "s.example", "i.example", ""}
	oddHosts    = []string{"*.b.example", "{http.request.header.X-A}", `\}`}
	someMethods = []string{"GET", "POST", "put", "PURGE"}

	someTargets = []string{
		"/", "/a", "/A", "/a/", "/a/b", "/A/B", "/a/b/", "/a/b/c", "/a/bc", "/b", "/get", "/a.", "/a%20b", "/%C3%A4", "/%C3%84/x", "/}",
		"//", "//a", "/a//b", "/a///b/", "/./a", "/a/.", "/a/..", "/a/../b", "/b/../../a", "/%2e%2e/a", "/%61", "/%41", "/a%2fb", "/a%2Fb/c", "/a%2f%2fb", "/a%5cb", "/?q=1", "/a?q=2", "/%FF", "/[a", "/?", "*", "",
	}
	someAuthorities = []string{
		"a.example", "A.Example", "a.example:80", "A.EXAMPLE:8080", "a.example.", "b.example:", "up.example", "x.b.example:1", "ä.example", "Ä.example", "xn--4ca.example:80", "127.0.0.1", "127.0.0.1:80",
		"[::1]", "[::1]:80", "::1", "[a.example", "a.example]", "[a.example]:80", "a.example:80:80", "a.example:[", "a:b]", "[", ":", "", "}", "\u017f.example", "\u0130.example", "a.example\xff", "1",
	}
)

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// oneOf sometimes returns an odd value.
func oneOf(random *rand.Rand, plain, odd []string) string {
	if random.IntN(10) == 0 {
		return pick(random, odd)
	}
	return pick(random, plain)
}

// some returns up to three different values.
func some(random *rand.Rand, plain, odd []string) (picked []string) {
	for range 1 + random.IntN(3) {
		if s := oneOf(random, plain, odd); !slices.Contains(picked, s) {
			picked = append(picked, s)
		}
	}
	return picked
}

// someMatchers write the JSON of a matcher.
var someMatchers = []struct {
	name string
	json func(*rand.Rand) any
}{
	{"header", func(random *rand.Rand) any {
		return map[string]any{oneOf(random, someFields, oddFields): some(random, someValues, oddValues)}
	}},
	{"header", func(random *rand.Rand) any {
		return map[string]any{
			oneOf(random, someFields, oddFields): some(random, someValues, oddValues),
			oneOf(random, someFields, oddFields): pick(random, [][]string{nil, {}, {"*"}, {"1"}}), // missing, or present
		}
	}},
	{"path", func(random *rand.Rand) any { return some(random, somePaths, oddPaths) }},
	{"path", func(random *rand.Rand) any { return some(random, somePaths, oddPaths) }},
	{"host", func(random *rand.Rand) any { return some(random, someHosts, oddHosts) }},
	{"host", func(random *rand.Rand) any { // Caddy sorts long lists and compares differently
		hosts := some(random, someHosts, oddHosts)
		for i := range 101 {
			hosts = append(hosts, fmt.Sprintf("%d.example", i))
		}
		return hosts
	}},
	{"method", func(random *rand.Rand) any { return some(random, someMethods, someMethods) }},
	{"query", func(random *rand.Rand) any { return map[string]any{"q": some(random, someValues, oddValues)} }},
	{"path_regexp", func(random *rand.Rand) any {
		return map[string]string{"pattern": pick(random, []string{"^/a", "b$", "/(.)/"})}
	}},
	{"header_regexp", func(random *rand.Rand) any {
		return map[string]any{"X-A": map[string]string{"pattern": pick(random, []string{"^1", "2"})}}
	}},
}

// someSet returns the JSON of a set of up to three matchers.
func someSet(random *rand.Rand) map[string]any {
	set := map[string]any{}
	for range 1 + random.IntN(3) {
		m := pick(random, someMatchers)
		set[m.name] = m.json(random)
	}
	if random.IntN(6) == 0 {
		set["not"] = []any{someSet(random)}
	}
	return set
}

// someExpressions are slow to compile, so each point has each of them in one rule only.
// The last one fails for some requests.
var someExpressions = []string{
	`path('/a/*')`,
	`{http.request.header.X-A} == "1"`,
	`header({'X-B': '1'}) || method('POST')`,
	`host('a.example') && !path('/b')`,
	`header({'X-B': '2'}) && {http.request.header.X-B} / 0 == 1`,
}

// somePoint returns a point with n rules that never fire.
func somePoint(t *testing.T, random *rand.Rand, name string, rules int) *Point {
	config := map[string]any{"point": name, "seed": 1}
	list := []any{}
	for i := range rules {
		rule := map[string]any{"name": fmt.Sprintf("%s-%d", name, i), "percent": 0, "faults": []any{map[string]any{"fault": "close"}}}
		sets := []any{}
		for range pick(random, []int{0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3}) {
			sets = append(sets, someSet(random))
		}
		if i < len(someExpressions) {
			sets = append(sets, map[string]any{"method": some(random, someMethods, someMethods), "expression": someExpressions[i]})
		}
		if len(sets) > 0 {
			rule["match"] = sets
		}
		if random.IntN(4) == 0 {
			rule["phase"] = PhaseResponse
		}
		list = append(list, rule)
	}
	config["rules"] = list
	raw, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return mustLoad(t, string(raw))
}

// someRequest may return a request that no parser would accept.
func someRequest(random *rand.Rand) *http.Request {
	r := request("/")
	r.Method = pick(random, someMethods)
	r.Host = pick(random, someAuthorities)
	target := pick(random, someTargets)
	if u, err := url.ParseRequestURI(target); err == nil {
		r.URL = u
	} else {
		r.URL.Path = target
	}
	for range random.IntN(5) {
		r.Header.Add(oneOf(random, someFields, oddFields), oneOf(random, someValues, oddValues))
	}
	if random.IntN(4) == 0 {
		r.TransferEncoding = []string{"chunked"}
	}
	return r
}

// scan evaluates the rules of a phase one after the other, and adds the names of those
// that match or fail.
func scan(rules []*Rule, late bool, r *http.Request, asked []string) []string {
	for _, rule := range rules {
		if rule.OnResponse() != late {
			continue
		}
		switch ok, err := anyMatches(rule.matchers, r); {
		case err != nil:
			asked = append(asked, rule.Name+failed)
		case ok:
			asked = append(asked, rule.Name)
		}
	}
	return asked
}

// failed follows the name of a rule whose matcher fails.
const failed = " fails"

// scanAll scans both phases in the order of a decision.
func scanAll(guests, own []*Rule, r *http.Request) (asked []string) {
	for _, late := range []bool{false, true} {
		for _, rules := range [][]*Rule{guests, own} {
			asked = scan(rules, late, r, asked)
		}
	}
	return asked
}

// A decision evaluates the same rules in the same order as a plain scan of all rules,
// with the same failures and draws.
func TestIndexEqualsScan(t *testing.T) {
	const points, rules, requests = 10, 60, 2000
	matches, failures, found := 0, 0, 0
	for n := range points {
		random := rand.New(rand.NewPCG(uint64(n), 0))
		p := somePoint(t, random, "own", rules)
		visitors := somePoint(t, random, "guest", rules).Rules
		for _, visitor := range visitors {
			visitor.draws = newDraws(Draws{}, visitor.Name, visitor.Place)
		}
		guests := NewGuests(visitors, func(*Rule) bool { return false }, new(atomic.Uint64))
		var got []string
		p.Passed = func(rule *Rule, reason Reason) {
			if reason == ReasonMatchError {
				got = append(got, rule.Name+failed)
				return
			}
			got = append(got, rule.Name)
		}
		for range requests {
			r := someRequest(random)
			want := scanAll(visitors, p.Rules, r)
			got = nil
			drawn := p.draws.Load()
			p.Decide(r, guests)
			if !slices.Equal(got, want) {
				t.Fatalf("point %d, %s %q at %q with %q: got %q, want %q", n, r.Method, r.URL.Path, r.Host, r.Header, got, want)
			}
			fails := func(name string) bool { return strings.HasSuffix(name, failed) }
			ownMatch := slices.ContainsFunc(want, func(name string) bool { return strings.HasPrefix(name, "own") && !fails(name) })
			if drawn = p.draws.Load() - drawn; (drawn == 1) != ownMatch {
				t.Fatalf("point %d: %d draws for a request that matches %q", n, drawn, want)
			}
			matches += len(want)
			found += candidates(&p.index, r) + candidates(&guests.index, r)
			if slices.ContainsFunc(want, fails) {
				failures++
			}
		}
	}
	t.Logf("of %d rules evaluated by a scan, the index finds %d; %d match; %d requests fail", points*requests*rules*2, found, matches, failures)
	if matches < points*requests || failures < requests/10 || found > points*requests*rules*6/5 {
		t.Error("the rules and requests do not cover what they should")
	}
}

// candidates returns the number of rules that x finds.
func candidates(x *index, r *http.Request) (n int) {
	q := x.find(r, nil)
	for _, found := q.next(1 << 30); found; _, found = q.next(1 << 30) {
		n++
	}
	return n
}

// The index looks up what Caddy compares literally. For all other values, the matchers
// are evaluated.
func TestIndexPrunes(t *testing.T) {
	tests := []struct {
		match string
		want  bool
	}{
		{`{"header": {"x-a": ["1", "", "1*2"]}}`, true},
		{`{"header": {"X-A": ["1"], "X-B": ["*"]}}`, true},
		{`{"header": {"X-A": ["1", "2*"]}}`, false},
		{`{"header": {"X-A": ["*"]}}`, false},
		{`{"header": {"X-A": ["{http.request.method}"]}}`, false},
		{`{"header": {"X-A": ["\\}"]}}`, false},
		{`{"header": {"X-A": []}}`, false},
		{`{"header": {"X-A": null}}`, false},
		{`{"header": {"host": ["a.example"]}}`, false},
		{`{"header": {"Transfer-Encoding": ["chunked"]}}`, false},
		{`{"path": ["/a", "/B/*", "/c?*"]}`, true},
		{`{"path": ["/a", "*.png"]}`, false},
		{`{"path": ["*"]}`, false},
		{`{"path": ["/*/a"]}`, false},
		{`{"path": ["/a?"]}`, false},
		{`{"path": ["/[ab]"]}`, false},
		{`{"path": ["/\\a"]}`, false},
		{`{"path": ["/a//b"]}`, false},
		{`{"path": ["/%61"]}`, false},
		{`{"path": ["/{http.request.method}"]}`, false},
		{`{"host": ["a.example", "Ä.example", "::1"]}`, true},
		{`{"host": ["a.example", "*.example"]}`, false},
		{`{"host": ["{http.request.header.X-A}"]}`, false},
		{`{"method": ["get"]}`, true},
		{`{"method": ["GET"], "path_regexp": {"pattern": "a"}, "not": [{"path": ["/a"]}], "query": {"q": ["1"]}}`, true},
		{`{"not": [{"path": ["/a"]}]}`, false},
		{`{"query": {"q": ["1"]}}`, false},
		{`{"path": ["/a"]}, {"header": {"X-A": ["1"]}}`, true},
		{`{"path": ["/a"]}, {"query": {"q": ["1"]}}`, false},
		{`{"path": ["/a"]}, {}`, false},
	}
	for _, tt := range tests {
		p := mustLoad(t, `{"match": [`+tt.match+`], "rules": [{"match": [`+tt.match+`], `+closing+`}]}`)
		r := request("http://other.example/other")
		r.Method = "OTHER"
		for name, x := range map[string]*index{"point": &p.gate, "rule": &p.index} {
			if got := candidates(x, r) == 0; got != tt.want {
				t.Errorf("%s of %s: pruned %t, want %t", name, tt.match, got, tt.want)
			}
		}
	}
}

// Rules that the index leaves out do not match.
func FuzzIndex(f *testing.F) {
	f.Add("/a/*", "a.example", "1", "GET", "/A//b/../c", "A.example:80", "1", "X-A")
	f.Add("/a.", "::1", "a*b", "GET", "/a./", "[::1]:80", "a*b", "x-a")
	f.Add("/ä", "ä.example", "", "", "/Ä", "xn--4ca.example", "", "Host")
	f.Add(".", "s.example", `\}`, "get", "", "\u017f.example", "}", "Transfer-Encoding")
	f.Add(`/\a`, "A", "1*", "PUT", "/a", "[a", "1", "X-A")
	f.Add("/%61*", "{http.request.method}", "*1", "PUT", "/a", "PUT:1", "21", "X_{a}")
	f.Fuzz(func(t *testing.T, pattern, host, value, method, path, authority, fieldValue, field string) {
		byPath, byHost, byMethod := caddyhttp.MatchPath{pattern, "/b"}, caddyhttp.MatchHost{host}, caddyhttp.MatchMethod{method}
		byHeader := caddyhttp.MatchHeader{field: {value}}
		if byHost.Provision(caddy.Context{}) != nil {
			t.Skip("not every text is a host")
		}
		if err := errors.Join(byPath.Provision(caddy.Context{}), byMethod.Provision(caddy.Context{})); err != nil {
			t.Fatal(err)
		}
		r := request("/", field, fieldValue)
		r.Method, r.URL.Path, r.Host = method, path, authority
		var x index
		rules := []caddyhttp.MatcherSets{{{&byPath}}, {{&byHost}}, {{&byHeader}}, {{&byMethod}}}
		for i, sets := range rules {
			x.add(i, sets)
		}
		q := x.find(r, nil)
		for i, sets := range rules {
			if _, found := q.next(i + 1); found {
				continue
			}
			if ok, err := sets.AnyMatchWithError(r); ok || err != nil {
				t.Errorf("the index leaves out %#v: %t, %v", sets[0][0], ok, err)
			}
		}
	})
}

// The matchers of rules for other requests than those of missing. Each rule inserts its
// number.
const (
	otherHeader = `{"header": {"X-User": ["user%d"]}}`
	otherPath   = `{"path": ["/api/v1/users/%d"]}`
	otherPrefix = `{"path": ["/api/v1/users/%d/*"]}`
	otherHost   = `{"host": ["host%d.example.com"]}`
	otherMethod = `{"method": ["METHOD%d"]}`
)

// missed lists the kinds of rules, which use the matchers in turn.
var missed = []struct {
	name     string
	matchers []string
}{
	{"header", []string{otherHeader}},
	{"path", []string{otherPath}},
	{"prefix", []string{otherPrefix}},
	{"host", []string{otherHost}},
	{"method", []string{otherMethod}},
	{"mixed", []string{otherHeader, otherPath, otherPrefix, otherHost, otherMethod}},
}

// missing returns a request that goes as deep into the index as possible without a
// match.
func missing() *http.Request {
	return request("http://host12345678.example.com/api/v1/users/12345678/orders", "X-User", "user12345678", "Accept", "*/*", "User-Agent", "test")
}

// missedBy returns a point with n rules.
func missedBy(t testing.TB, rules int, matchers []string) *Point {
	t.Helper()
	list := make([]string, rules)
	for n := range list {
		list[n] = `{"match": [` + fmt.Sprintf(matchers[n%len(matchers)], n) + `], ` + closing + `}`
	}
	return mustLoad(t, `{"rules": [`+strings.Join(list, ",")+`]}`)
}

func TestManyMissesAllocateNothing(t *testing.T) {
	for _, kind := range missed {
		for _, n := range []int{1, 1000} {
			p := missedBy(t, n, kind.matchers)
			guests := NewGuests(p.Rules, func(*Rule) bool { return true }, new(atomic.Uint64))
			for _, host := range []string{"example.com", "example.com:8080", "[::1]", "[::1]:8080"} {
				r := missing()
				r.Host = host
				if got := candidates(&p.index, r); got != 0 {
					t.Errorf("%d rules by %s, host %s: the index finds %d", n, kind.name, host, got)
				}
				if allocs := testing.AllocsPerRun(100, func() {
					if d := p.Decide(r, guests); d.Rule != nil {
						t.Fatalf("got %+v", d)
					}
				}); allocs != 0 {
					t.Errorf("%d rules by %s, host %s: got %v allocations, want none", n, kind.name, host, allocs)
				}
			}
		}
	}
}

// BenchmarkMiss measures the cost of rules for a request that matches none of them.
func BenchmarkMiss(b *testing.B) {
	for _, kind := range missed {
		for _, n := range []int{0, 1, 10, 100, 1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", kind.name, n), func(b *testing.B) {
				benchmarkMiss(b, missedBy(b, n, kind.matchers), nil)
			})
		}
	}
}

// BenchmarkGuests measures the cost of guests for such a request, at a point without
// rules.
func BenchmarkGuests(b *testing.B) {
	for _, n := range []int{0, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			visitors := missedBy(b, n, []string{otherHeader, otherPath, otherPrefix, otherHost})
			benchmarkMiss(b, mustLoad(b, `{}`), NewGuests(visitors.Rules, func(*Rule) bool { return true }, new(atomic.Uint64)))
		})
	}
}

func benchmarkMiss(b *testing.B, p *Point, guests *Guests) {
	b.Helper()
	r := missing()
	b.ReportAllocs()
	for b.Loop() {
		if d := p.Decide(r, guests); d.Rule != nil {
			b.Fatalf("got %+v", d)
		}
	}
}
