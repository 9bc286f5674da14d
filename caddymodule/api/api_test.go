package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

func TestAPIAnswers(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Hit("/gone")
	n.Put("old", testnode.Slow500)
	for _, tt := range []struct {
		status                   int
		method, path, body, text string
	}{
		{200, "GET", "/", "", `"halted": false`},
		{200, "GET", "/", "", `"hits": 1`},
		{201, "PUT", "/experiments/a", testnode.Slow500, `"applies_to": [
    "shop"
  ]`},
		{200, "PUT", "/experiments/a", testnode.Slow500, `"name": "a"`},
		{200, "PATCH", "/experiments/a", `{"note": "why"}`, `"note": "why"`},
		{200, "GET", "/experiments/a", "", `"time_left": `},
		{200, "GET", "/experiments", "", `"name": "old"`},
		{204, "DELETE", "/experiments/a", "", ""},
		{200, "GET", "/experiments?ended", "", `"why": "deleted"`},
		{200, "GET", "/experiments?ended", "", `"name": "a"`},
		{200, "GET", "/experiments?ended=true", "", `"ended": [`},
		{200, "GET", "/experiments?ended=false", "", `"experiments": [`},
		{200, "POST", "/rules/shop/gone/off", "", `"off": true`},
		{200, "POST", "/rules/shop/gone/on", "", `"off": false`},
		{200, "GET", "/journal", "", `"rule": "gone"`},
		{200, "GET", "/journal?rule=gone&point=shop&limit=1&since=1h", "", `"done": true`},
		{200, "GET", "/journal?rule=third", "", `"entries": []`},
		{200, "GET", "/verify?rule=gone&exactly=1", "", `"count": 1`},
		{200, "GET", "/verify?rule=gone&exactly=1&since=1h&wait=1s", "", `"count": 1`},
		{200, "GET", "/verify?rule=gone&point=shop&at_least=1&at_most=3", "", `"count": 1`},
		{200, "GET", "/verify?rule=a&exactly=0", "", `"count": 0`}, // the experiment has ended
		{200, "POST", "/reset?rule=gone", "", `"reset": 1`},
		{200, "GET", "/verify?rule=gone&exactly=0", "", `"count": 0`},
		{200, "POST", "/reset", "", `"reset": 3`},
		{204, "DELETE", "/journal", "", ""},
		{200, "GET", "/journal", "", `"entries": []`},
		{200, "POST", "/explain", `{"url": "/gone"}`, `"fires": true`},
		{200, "GET", "/codes", "", `"name": "User Not Local"`},
		{200, "GET", "/codes/551", "", `"message\": \"User Not Local`},
		{200, "GET", "/codes/smtp:450", "", `"family": "smtp"`},
		{200, "GET", "/openapi.json", "", `"openapi": "3.1.0"`},
		{200, "HEAD", "/", "", ""},
		{200, "HEAD", "/codes/551", "", ""},
		{200, "POST", "/halt", "", `"halted": true`},
		{200, "GET", "/experiments?ended", "", `"why": "halted"`},
		{200, "POST", "/resume", "", `"halted": false`},
	} {
		w := n.Want(tt.status, tt.method, tt.path, tt.body, tt.text)
		if got := w.Header().Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s %s: Cache-Control %q", tt.method, tt.path, got)
		}
	}
}

// A refused change leaves the state unchanged.
func TestAPIRefuses(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Put("a", testnode.Slow500)
	n.Hit("/gone")
	state := func() string {
		var view map[string]any
		if err := json.Unmarshal(n.Do("GET", "/", "").Body.Bytes(), &view); err != nil {
			t.Fatal(err)
		}
		delete(view["experiments"].([]any)[0].(map[string]any), "time_left")
		delete(view, "server") // its uptime grows
		return fmt.Sprint(view)
	}
	before := state()
	faults := `"faults": [{"fault": "respond", "status_code": 500}]}`
	huge := `{"note": "` + strings.Repeat("x", api.MaxBody) + `"}`
	for _, tt := range []struct {
		status                   int
		method, path, body, text string
	}{
		{404, "GET", "/nothing", "", "no such path '/fault/nothing'"},
		{404, "GET", "/codes/", "", "no such path"},
		{404, "GET", "/experiments/b", "", "no experiment 'b'"},
		{404, "PATCH", "/experiments/b", "{}", "no experiment 'b'"},
		{404, "DELETE", "/experiments/b", "", "no experiment 'b'"},
		{404, "POST", "/rules/shop/b/off", "", "no rule 'b' at injection point 'shop'"},
		{404, "POST", "/rules/b/gone/on", "", "no rule 'gone' at injection point 'b'"},
		{404, "POST", "/reset?rule=b", "", "no rule 'b'\""},
		{404, "POST", "/reset?point=b", "", "no rule at injection point 'b'"},
		{404, "GET", "/codes/1000", "", "1000"},
		{404, "GET", "/codes/smtp:999", "", "smtp"},
		{404, "GET", "/verify?rule=b&exactly=1", "", "no rule 'b'"},
		{404, "GET", "/verify?rule=gone&point=b&exactly=1", "", "at injection point 'b'"},
		{404, "PUT", "/experiments/b", `{"points": ["b"], ` + faults, "no injection point 'b'; the injection points are: shop"},
		{409, "PUT", "/experiments/gone", `{"points": ["*"], ` + faults, "the injection point 'shop' has a rule 'gone'"},
		{417, "GET", "/verify?rule=gone&at_least=2", "", `"count": 1`},
		{417, "GET", "/verify?rule=gone&at_most=0", "", "want at most 0"},
		{417, "GET", "/verify?rule=gone&exactly=2&wait=30ms", "", "has hit 1 time, want exactly 2"},
		{413, "PUT", "/experiments/b", huge, "more than 1048576 bytes"},
		{413, "PATCH", "/experiments/a", huge, "more than 1048576 bytes"},
		{413, "POST", "/explain", huge, "more than 1048576 bytes"},

		{400, "PUT", "/experiments/b", "", "reading JSON"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], ` + faults + "x", "unexpected data after the value"},
		{400, "PUT", "/experiments/b", `{"colour": 1}`, `unknown field \"colour\"`},
		{400, "PUT", "/experiments/b", `{"percent": "1"}`, "percent: want a number"},
		{400, "PUT", "/experiments/b", `{"ttl": "soon"}`, "ttl: "},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "percent": 101, ` + faults, "bad percent '101'"},
		{400, "PUT", "/experiments/b", `{` + faults, "either match or points"},
		{400, "PUT", "/experiments/b", `{"points": ["*"]}`, "faults: "},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "start": "soon", ` + faults, "bad start 'soon'"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "per": "X-User", "times": 1, ` + faults, "write per {http.request.header.X-User}"},
		{400, "PUT", "/experiments/b", `{"match": [{"path": ["api/*"]}], ` + faults, "match: bad path 'api/*': every path begins with '/'; write path /api/*"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "faults": [{"fault": "explode"}]}`, "explode"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "match": [{"header_regexp": {"X": null}}], "faults": [{"fault": "close"}]}`, "match[0].header_regexp.X: null is not a value"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "faults": [{"fault": "respond", "status": 1}]}`, "status"},
		{400, "PUT", "/experiments/b", `{"match": [{"colour": "red"}], ` + faults, "colour"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "faults": [{"fault": "respond", "body_file": "x"}]}`, "body_file"},
		{400, "PUT", "/experiments/b%20c", `{"points": ["*"], ` + faults, "bad name 'b c'"},
		{400, "PUT", "/experiments/" + trigger.RuleName, `{"points": ["*"], ` + faults, "bad name 'trigger': it is reserved for triggers"},
		{400, "PUT", "/experiments/" + metrics.OtherRule, `{"points": ["*"], ` + faults, "bad name 'other': it is reserved for surplus experiments in metrics"},
		{400, "PATCH", "/experiments/a", `{"percent": 101}`, "bad percent '101'"},
		{400, "PATCH", "/experiments/a", `{`, "not valid JSON"},
		{400, "PATCH", "/experiments/a", `{"PERCENT": 1}`, "PERCENT: the field is written 'percent'"},
		{400, "PATCH", "/experiments/a", `{"percent": 1, "percent": 100}`, "percent: duplicate key"},
		{400, "PATCH", "/experiments/a", `{"percent": 1e400}`, "percent: want a number, not number 1e400"},
		{400, "PUT", "/experiments", `{"b": 1e999}`, "experiment 'b': reading JSON: want an object, not number"},
		{400, "PATCH", "/experiments/a", `{"percent": null, "percent": null}`, "percent: duplicate key"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "percent": 1, "PERCENT": 100, ` + faults, "PERCENT: the field is written 'percent'"},
		{400, "PUT", "/experiments/b", `{"points": ["*"], "faults": [{"fault": "delay", "Duration": "1s"}]}`, "faults[0].Duration: the field is written 'duration'"},
		{400, "POST", "/explain", `{"URL": "/gone"}`, "URL: the field is written 'url'"},
		{400, "PATCH", "/experiments/a", `{"faults": null}`, "faults: "},
		{400, "PATCH", "/experiments/a", `{"name": "b"}`, "name: 'b' differs from 'a'"},
		{400, "POST", "/reset?rules=gone", "", "unknown parameter 'rules'; the parameters are: point, rule"},
		{400, "POST", "/halt?now", "", "unknown parameter 'now'"},
		{400, "POST", "/reset?rule=gone&rule=third", "", "rule: given 2 times"},
		{400, "POST", "/reset?rule=", "", "rule: empty"},
		{400, "POST", "/reset?rule=gone&point", "", "point: empty"},
		{400, "GET", "/experiments?ended=no", "", "ended: 'no' is neither true nor false"},
		{400, "GET", "/experiments?ended&ended=false", "", "ended: given 2 times"},
		{400, "GET", "/journal?limit=1&limit=x", "", "limit: given 2 times"},
		{400, "GET", "/journal?since=", "", "since: empty"},
		{400, "GET", "/journal?rate=x", "", "rate: 'x' is not a number above 0"},
		{400, "GET", "/verify?rule=gone&exactly=1&exactly=2", "", "exactly: given 2 times"},
		{400, "GET", "/verify?rule=gone&exactly=", "", "exactly: empty"},
		{400, "GET", "/journal?limit=0", "", "limit: "},
		{400, "GET", "/journal?limit=x", "", "limit: 'x'"},
		{400, "GET", "/journal?since=yesterday", "", "since: 'yesterday'"},
		{400, "GET", "/journal?since=-1h", "", "since: '-1h'"},
		{400, "GET", "/journal?since=%zz", "", "reading the query"},
		{400, "GET", "/verify?exactly=1", "", "rule: required"},
		{400, "GET", "/verify?rule=gone", "", "exactly, at_least or at_most is required"},
		{400, "GET", "/verify?rule=gone&exactly=-1", "", "exactly: '-1'"},
		{400, "GET", "/verify?rule=gone&exactly=1&at_most=2", "", "exactly cannot be combined"},
		{400, "GET", "/verify?rule=gone&at_least=2&at_most=1", "", "at_least: 2 is more than at_most, 1"},
		{400, "GET", "/verify?rule=gone&exactly=1&wait=1h", "", "wait: '1h'"},
		{400, "POST", "/explain", `{"url": "/"} {}`, "unexpected data after the value"},
		{400, "POST", "/explain", `{"uri": "/"}`, `unknown field \"uri\"`},
		{400, "POST", "/explain", `{"url": 1}`, "url: want a string"},
		{400, "POST", "/explain", `{"url": "/", "header": {"X-User": 7}}`, "want a string or a list of strings, such as "},
		{400, "POST", "/explain", `{}`, "url: required"},
		{400, "POST", "/explain", `{"url": "mailto:x"}`, "url: 'mailto:x' is neither a path nor a whole URL: write a path such as /api/orders, or a whole URL such as https://example.com/api/orders"},
		{400, "POST", "/explain", `{"url": "127.0.0.1:80/x"}`, ": write http://127.0.0.1:80/x"},
		{400, "POST", "/explain", `{"url": "%2Fgone"}`, "url: '%2Fgone' is neither a path nor a whole URL: write /%2Fgone"},
		{400, "POST", "/explain", `{"url": "localhost:80/x"}`, "url: 'localhost:80/x' is neither a path nor a whole URL: write http://localhost:80/x"},
		{400, "POST", "/explain", `{"url": "shop.example/x"}`, ": write http://shop.example/x"},
		{400, "POST", "/explain", `{"url": "localhost"}`, ": write http://localhost"},
		{400, "POST", "/explain", `{"url": "orders/7"}`, ": write /orders/7"},
		{400, "POST", "/explain", `{"url": "http:x"}`, ": write a path such as /api/orders, or a whole URL such as https://example.com/api/orders"},
		{400, "POST", "/explain", `{"url": "/%zz"}`, ": write a path such as /api/orders"},
		{400, "POST", "/explain", `{"url": "/", "method": "A B"}`, "method: 'A B' is not a method: write one such as GET"},
		{400, "POST", "/explain", `{"url": "/", "client": "here"}`, "client: 'here' is not an IP address"},
		{400, "POST", "/explain", `{"url": "/", "header": {"A": 1}}`, "header: "},
		{400, "POST", "/explain", `{"url": "/", "header": {"": "x"}}`, "header: '' is not a valid field name"},
		{400, "POST", "/explain", `{"url": "/", "header": {"X Fault": "1"}}`, "header: 'X Fault' is not a valid field name"},
		{400, "POST", "/explain", `{"url": "/", "header": {"A": ["1", "2\nB: 3"]}}`, `header: the value of A has an invalid character`},
		{400, "POST", "/explain", `{"url": "/", "header": {"Host": ["a.test", "b.test"]}}`, "header: Host is given 2 times; give it once"},
		{400, "POST", "/explain", `{"url": "/", "header": {"Host": "a.test", "host": "b.test"}}`, "header: Host is given 2 times; give it once"},
		{400, "POST", "/explain", `{"url": "/", "header": {"host": "a b"}}`, "header: the value of host has an invalid character"},
	} {
		n.Want(tt.status, tt.method, tt.path, tt.body, tt.text)
	}
	if after := state(); after != before {
		t.Errorf("a refused change has changed the state:\n%s\n%s", before, after)
	}
}

// Every path allows its methods, and lists them in Allow.
func TestAPIMethods(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	allowed := make(map[string][]string)
	api.Routes(func(method, pattern string) { allowed[pattern] = append(allowed[pattern], method) })
	for pattern, methods := range allowed {
		if slices.Contains(methods, "GET") {
			methods = append(methods, "HEAD")
		}
		path := strings.NewReplacer("{$}", "", "{name}", "x", "{point}", "x", "{rule}", "x", "{code}", "x").Replace(pattern)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			w := n.Do(method, path, "")
			if slices.Contains(methods, method) {
				if w.Code == http.StatusMethodNotAllowed {
					t.Errorf("%s %s is not allowed", method, path)
				}
				continue
			}
			n.Want(http.StatusMethodNotAllowed, method, path, "", "method "+method+" is not allowed; use ")
			if got := strings.Split(w.Header().Get("Allow"), ", "); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(methods))) {
				t.Errorf("%s %s: Allow %q, want %q", method, path, got, methods)
			}
		}
	}
}

func TestAPIConditions(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	const path = "/experiments/a"
	n.Want(412, "PUT", path, testnode.Slow500, "experiment 'a' does not exist", "If-Match", "*")
	n.Want(412, "PUT", path, testnode.Slow500, "experiment 'a' does not exist", "If-Match", `"1"`)
	first := n.Want(201, "PUT", path, testnode.Slow500, "", "If-None-Match", "*").Header().Get("ETag")
	n.Want(412, "PUT", path, testnode.Slow500, "experiment 'a' exists", "If-None-Match", "*")
	second := n.Want(200, "PUT", path, testnode.Slow500, "", "If-Match", first).Header().Get("ETag")
	if got := n.Do("GET", path, "").Header().Get("ETag"); got != second || second == first {
		t.Errorf("got ETags %s, %s and %s", first, second, got)
	}
	n.Want(412, "PUT", path, testnode.Slow500, "currently at revision ", "If-Match", first)
	n.Want(412, "PATCH", path, `{"note": "x"}`, "currently at revision ", "If-Match", first)
	n.Want(412, "DELETE", path, "", "currently at revision ", "If-Match", first)
	n.Want(412, "PUT", path, testnode.Slow500, "currently at revision ", "If-Match", "")
	n.Want(412, "DELETE", path, "", "currently at revision ", "If-Match", "", "If-Match", first)
	n.Want(412, "PUT", path, testnode.Slow500, "experiment 'a' exists", "If-None-Match", "", "If-None-Match", "*")
	third := n.Want(200, "PATCH", path, `{"note": "x"}`, "", "If-Match", "", "If-Match", `"0", `+second).Header().Get("ETag")
	n.Want(204, "DELETE", path, "", "", "If-Match", third)
}

// A patch of time and note changes nothing else: used-up counts remain used up, and
// held requests remain held.
func TestAPIExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "in"}`, "")
		n.Put("once", `{"match": [{"path": ["/once"]}], "times": 1, "faults": [{"fault": "respond", "status_code": 500}]}`)
		n.Put("slow", `{"match": [{"path": ["/slow"]}], "ttl": "1m", "faults": [{"fault": "delay", "duration": "90s"}]}`)
		n.Hit("/once")
		start := time.Now()
		var held sync.WaitGroup
		held.Go(func() { n.Hit("/slow") })
		synctest.Wait()
		n.Want(200, "PATCH", "/experiments/once", `{"ttl": "20m", "note": "longer"}`, `"note": "longer"`)
		n.Want(200, "PATCH", "/experiments/slow", `{"ttl": "2m"}`, `"time_left": 120`)
		if got := n.Hit("/once"); got != 200 {
			t.Errorf("got %d from one that is used up", got)
		}
		n.Want(200, "GET", "/verify?rule=once&exactly=1", "", "")
		held.Wait()
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("held for %v", took)
		}
		n.Want(200, "PATCH", "/experiments/once", `{"ttl": "20m", "times": 2}`, "")
		if got := n.Hit("/once"); got != 500 {
			t.Errorf("got %d from one that has changed", got)
		}
		n.Want(404, "PATCH", "/experiments/none", `{"ttl": "1m"}`, "no experiment 'none'")
		n.Want(400, "PATCH", "/experiments/once", `{"ttl": "-1m"}`, "is negative")
		n.Ctl.BeginExit()
	})
}

// A patch of time keeps the counts of requests that have passed.
func TestAPIExtendCounts(t *testing.T) {
	n := testnode.Start(t, `{"point": "longer"}`, "")
	n.Put("never", `{"points": ["longer"], "percent": 0, "faults": [{"fault": "close"}]}`)
	n.Hit("/")
	for _, ttl := range []string{"20m", "30m"} {
		n.Want(200, "PATCH", "/experiments/never", `{"ttl": "`+ttl+`"}`, `"percent": 1`)
	}
	n.Want(200, "GET", "/experiments/never", "", `"percent": 1`)
}

// Of several clients that change an experiment by its ETag, each sees the changes of
// the others.
func TestAPILostUpdate(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Put("a", `{"percent": 0, "points": ["*"], "times": 1, "faults": [{"fault": "close"}]}`)
	const writers, each = 4, 25
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < each; {
				was := n.Do("GET", "/experiments/a", "")
				var view struct{ Experiment struct{ Times int } }
				if err := json.Unmarshal(was.Body.Bytes(), &view); err != nil {
					t.Error(err)
					return
				}
				patch := fmt.Sprintf(`{"times": %d}`, view.Experiment.Times+1)
				switch w := n.Do("PATCH", "/experiments/a", patch, "If-Match", was.Header().Get("ETag")); w.Code {
				case http.StatusOK:
					done++
				case http.StatusPreconditionFailed:
					refused.Add(1)
				default:
					t.Errorf("got %d %s", w.Code, w.Body)
					return
				}
			}
		})
	}
	wg.Wait()
	n.Want(200, "GET", "/experiments/a", "", fmt.Sprintf(`"times": %d`, writers*each+1))
	t.Logf("%d changes were refused and tried again", refused.Load())
}

func TestAPIHalt(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Put("a", testnode.Slow500)
	if got := [2]int{n.Hit("/gone"), n.Hit("/slow")}; got != [2]int{551, 500} {
		t.Errorf("before: got %v", got)
	}
	n.Want(200, "POST", "/halt", "", `"why": "api"`)
	if got := [2]int{n.Hit("/gone"), n.Hit("/slow")}; got != [2]int{200, 200} {
		t.Errorf("halted: got %v", got)
	}
	n.Want(409, "PUT", "/experiments/b", testnode.Slow500, "halted; resume first")
	n.Want(200, "POST", "/halt", "", `"halted": true`) // repeating it is not an error
	n.Want(200, "POST", "/explain", `{"url": "/gone"}`, `"halted": true`)
	n.Want(200, "POST", "/resume", "", `"halted": false`)
	if got := [2]int{n.Hit("/gone"), n.Hit("/slow")}; got != [2]int{551, 200} {
		t.Errorf("resumed: got %v; the rule comes back and the experiment does not", got)
	}
}

// A halt by the configuration cannot be resumed.
func TestAPIHaltedByConfiguration(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"halted": true}`)
	n.Want(200, "GET", "/", "", `"why": "configuration"`)
	n.Want(409, "POST", "/resume", "", "the configuration says halted")
	n.Want(409, "PUT", "/experiments/b", testnode.Slow500, "halted")
	if got := n.Hit("/gone"); got != 200 {
		t.Errorf("got %d", got)
	}
}

func TestAPIRuleOffAndReset(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	n.Want(200, "POST", "/rules/shop/gone/off", "", "")
	testkit.Grows(t, metrics.PassedTotal.WithLabelValues("shop", "gone", "off"), 1)
	if got := n.Hit("/gone"); got != 200 {
		t.Errorf("off: got %d", got)
	}
	n.Want(200, "POST", "/explain", `{"url": "/gone"}`, `"gate": "switch"`)
	n.Want(200, "POST", "/rules/shop/gone/on", "", "")
	if got := n.Hit("/gone"); got != 551 {
		t.Errorf("on: got %d", got)
	}
	n.Hit("/third")
	n.Hit("/third")
	n.Want(200, "POST", "/reset?point=shop", "", `"reset": 2`)
	if got := n.Hit("/third"); got != 200 {
		t.Errorf("the count of every goes on after a reset: got %d", got)
	}
}

// The position in a seed belongs to the point: it is reset together with all rules of
// the point.
func TestAPIResetSeed(t *testing.T) {
	n := testnode.Start(t, `{"point": "seeded", "seed": 7, "rules": [{"name": "some", "percent": 30, "faults": [{"fault": "respond", "status_code": 500}]}]}`, "")
	run := func() (got []int) {
		for range 20 {
			got = append(got, n.Hit("/"))
		}
		return got
	}
	first := run()
	for _, tt := range []struct {
		query  string
		repeat bool
	}{
		{"", true}, {"?point=seeded", true}, {"?rule=some", false}, {"?point=seeded&rule=some", false},
	} {
		n.Want(200, "POST", "/reset", "", "")
		run()
		n.Want(200, "POST", "/reset"+tt.query, "", "")
		if got := run(); slices.Equal(got, first) != tt.repeat {
			t.Errorf("reset%s: got %v after %v", tt.query, got, first)
		}
	}
}

// Triggers are reset like rules, by the name under which they are counted.
func TestAPIResetTriggers(t *testing.T) {
	n := testnode.Start(t, `{"point": "first", "triggers": [{"source": "header"}, {"source": "cookie"}]}`, "")
	second := n.Beside(`{"point": "second", "triggers": [{"source": "header"}], "rules": [{"name": "own", "percent": 0, "faults": [{"fault": "close"}]}]}`)
	for _, tt := range []struct {
		query                string
		reset, first, second int
	}{
		{"?rule=trigger&point=second", 1, 1, 0},
		{"?rule=own", 1, 1, 1},
		{"?point=first", 2, 0, 1},
		{"?rule=trigger", 3, 0, 0},
		{"", 4, 0, 0},
	} {
		n.Want(200, "POST", "/reset", "", "")
		testkit.Ask(n.Handler, "X-Fault", "551")
		testkit.Ask(second, "X-Fault", "551")
		n.Want(200, "GET", "/", "", `"hits": 1`)
		n.Want(200, "POST", "/reset"+tt.query, "", fmt.Sprintf(`"reset": %d`, tt.reset))
		n.Want(200, "GET", fmt.Sprint("/verify?rule=trigger&point=first&exactly=", tt.first), "", "")
		n.Want(200, "GET", fmt.Sprint("/verify?rule=trigger&point=second&exactly=", tt.second), "", "")
	}
	n.Want(404, "POST", "/reset?rule=trigger&point=third", "", "no rule 'trigger' at injection point 'third'")
}

// An explanation makes no draw and changes no counter.
func TestAPIExplain(t *testing.T) {
	n := testnode.Start(t, `{"point": "in", "match": [{"path": ["/in/*"]}], "rules": [
		{"name": "once", "times": 1, "match": [{"protocol": "https"}, {"remote_ip": {"ranges": ["192.0.2.0/24"]}}, {"header": {"X": ["1"]}}],
		 "faults": [{"fault": "respond", "status_code": 551}]}]}`, "")
	n.Put("exp", `{"match": [{"host": ["a.test"]}], "faults": [{"fault": "close"}]}`)
	for _, tt := range []struct{ ask, want string }{
		{`{"url": "/out"}`, `in false`},
		{`{"url": "/in/"}`, `in true exp:match once:match`},
		{`{"url": "https://b.test/in/"}`, `in true exp:match once`},
		{`{"url": "http://a.test/in/"}`, `in true exp once:match`},
		{`{"url": "/in/", "header": {"Host": "a.test", "X": ["0", "1"]}}`, `in true exp once:before`},
		{`{"url": "/in/", "client": "192.0.2.7"}`, `in true exp:match once`},
		{`{"url": "/in/", "client": "::1", "method": "POST"}`, `in true exp:match once:match`},
	} {
		w := n.Do("POST", "/explain", tt.ask)
		var view api.ExplainView
		if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
			t.Fatalf("%s: %v: %s", tt.ask, err, w.Body)
		}
		var got strings.Builder
		for _, p := range view.Points {
			fmt.Fprint(&got, p.Point, " ", p.Match)
			for _, v := range p.Rules {
				got.WriteString(strings.TrimSuffix(" "+v.Rule+":"+v.Gate, ":"))
			}
		}
		if got.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.ask, got.String(), tt.want)
		}
	}
	n.Want(200, "GET", "/verify?rule=once&exactly=0", "", "")
}

// Explain reads the path as a server does, and the request has a server.
func TestAPIExplainAsServed(t *testing.T) {
	n := testnode.Start(t, `{"point": "in", "rules": [{"name": "twice", "match": [{"path": ["//api/x"], "host": ["a.test"]}], "faults": [{"fault": "close"}]}]}`, "")
	n.Want(200, "POST", "/explain", `{"url": "http://a.test//api/x"}`, `"fires": true`)
	n.Put("ending", `{"match": [{"vars": {"{http.shutting_down}": ["false"]}}], "per": "{http.time_until_shutdown}", "times": 3, "faults": [{"fault": "close"}]}`)
	n.Want(200, "POST", "/explain", `{"url": "/x"}`, `"fires": true`)
}

// A matcher that fails does not match, neither for the point nor for the rule, which
// reports the error. Other rules and points are explained as usual.
func TestAPIExplainErrors(t *testing.T) {
	const number = `[{"expression": "int({http.request.header.X-Number}) > 1"}]`
	n := testnode.Start(t, `{"point": "gate", "match": `+number+`, "triggers": [{"source": "header"}]}`, "")
	n.Beside(`{"point": "rules", "rules": [
		{"name": "before", "percent": 10, "faults": [{"fault": "close"}]},
		{"name": "failing", "match": ` + number + `, "faults": [{"fault": "close"}]},
		{"name": "after", "faults": [{"fault": "close"}]}]}`)
	n.Beside(`{"point": "last", "rules": [{"name": "here", "match": [{"client_ip": {"ranges": ["127.0.0.1"]}}, {"remote_ip": {"ranges": ["127.0.0.1"]}}], "faults": [{"fault": "close"}]}]}`)
	for _, tt := range []struct{ header, want string }{
		{`"X-Number": "2"`, "gate true; rules true before failing after; last true here; "},
		{`"X-Number": "no"`, "gate false (fails); rules true before failing (fails) after; last true here; "},
		{`"X-Number": "no", "X-Fault": "551"`, "gate false (fails); rules true before failing (fails) after; last true here; "},
	} {
		w := n.Want(200, "POST", "/explain", `{"url": "https://a.test/", "header": {`+tt.header+`}}`, "")
		var view api.ExplainView
		if err := json.Unmarshal(w.Body.Bytes(), &view); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		var got strings.Builder
		fails := func(text string) {
			if strings.HasPrefix(text, "the matcher 'expression' fails and does not match: type conversion error") {
				got.WriteString(" (fails)")
			}
		}
		for _, p := range view.Points {
			fmt.Fprint(&got, p.Point, " ", p.Match)
			for _, v := range p.Rules {
				got.WriteString(" " + v.Rule)
				fails(v.Why)
			}
			fails(p.Error)
			got.WriteString("; ")
		}
		if got.String() != tt.want {
			t.Errorf("%s: got %q, want %q", tt.header, got.String(), tt.want)
		}
	}
}

func TestVerifyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		start := time.Now()
		go func() {
			for range 3 {
				time.Sleep(time.Second)
				n.Hit("/gone")
			}
		}()
		n.Want(200, "GET", "/verify?rule=gone&at_least=2&wait=10s", "", `"count": 2`)
		if took := time.Since(start); took < 2*time.Second || took > 2*time.Second+control.CountsEvery {
			t.Errorf("took %v, want 2s", took)
		}
		time.Sleep(time.Second)
		start = time.Now()
		n.Want(417, "GET", "/verify?rule=gone&exactly=4&wait=5s", "", `"count": 3`)
		if took := time.Since(start); took < 5*time.Second || took > 5*time.Second+control.CountsEvery {
			t.Errorf("took %v, want 5s", took)
		}
		n.Want(200, "GET", "/verify?rule=gone&exactly=1&since=5500ms", "", "")
		synctest.Wait()
		n.Ctl.BeginExit()
	})
}

// A wait that ends early reports no result of the assertion.
func TestVerifyWaitCutShort(t *testing.T) {
	for _, tt := range []struct {
		name   string
		end    func(*testnode.Node, *http.Server) error
		status int
	}{
		{"the server ends", func(_ *testnode.Node, srv *http.Server) error { return srv.Shutdown(t.Context()) }, 503},
		{"a reload without the rule", func(n *testnode.Node, _ *http.Server) error { return n.App.Stop() }, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, testnode.Shop, "")
				n.Hit("/gone")
				srv := new(http.Server)
				time.AfterFunc(time.Second, func() {
					if err := tt.end(n, srv); err != nil {
						t.Error(err)
					}
				})
				ctx := context.WithValue(t.Context(), http.ServerContextKey, srv)
				r := httptest.NewRequestWithContext(ctx, "GET", api.Prefix+"/verify?rule=gone&at_most=0&wait=1m", nil)
				w := httptest.NewRecorder()
				n.API.ServeHTTP(w, r)
				if w.Code != tt.status || strings.Contains(w.Body.String(), "count") {
					t.Errorf("got %d %s, want %d without a count", w.Code, w.Body, tt.status)
				}
				n.Ctl.BeginExit()
			})
		})
	}
}

// A wait or feed that begins while a server shuts down does not delay the shutdown, and
// leaves nothing in serverEnds.
func TestBegunWhileServerEnds(t *testing.T) {
	for _, tt := range []struct {
		path, accept string
		status       int
	}{
		{"/verify?rule=gone&at_least=2&wait=10m", "", 503},
		{"/journal", "text/event-stream", 200},
	} {
		t.Run(tt.path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, testnode.Shop, "")
				n.Hit("/gone")
				srv := new(http.Server)
				if err := srv.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, leave := context.WithTimeout(context.WithValue(t.Context(), http.ServerContextKey, srv), time.Hour)
				defer leave()
				r := httptest.NewRequestWithContext(ctx, "GET", api.Prefix+tt.path, nil)
				r.Header.Set("Accept", tt.accept)
				w := httptest.NewRecorder()
				start := time.Now()
				n.API.ServeHTTP(w, r)
				if took := time.Since(start); took != 0 || w.Code != tt.status {
					t.Errorf("got %d after %v, want %d at once", w.Code, took, tt.status)
				}
				if api.Waits(srv) {
					t.Error("the server is kept")
				}
				n.Ctl.BeginExit()
			})
		})
	}
}

// Forgotten entries may change the result, unless the remaining ones decide it.
func TestVerifyBeyondTheJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, `{"journal": 5}`)
		n.Want(200, "GET", "/verify?rule=gone&exactly=0&since=5m", "", "") // nothing has been forgotten
		for range 8 {
			time.Sleep(time.Second)
			n.Hit("/gone")
		}
		const far = "the journal does not go back that far"
		for _, tt := range []struct {
			status      int
			query, text string
		}{
			{409, "rule=gone&at_most=5&since=5m", far},
			{409, "rule=gone&exactly=5&since=5m", far},
			{409, "rule=gone&at_least=2&at_most=9&since=5m", far},
			{409, "rule=gone&at_least=6&since=5m", far},
			{409, "rule=gone&at_least=6&since=5m&wait=1s", far},
			{409, "rule=third&exactly=0&since=5m", far},
			{200, "rule=gone&at_least=5&since=5m", `"count": 5`},
			{417, "rule=gone&at_most=4&since=5m", `"count": 5`},
			{417, "rule=gone&exactly=4&since=5m", `"count": 5`},
			{200, "rule=gone&exactly=8", ""},
			{200, "rule=gone&exactly=3&since=3500ms", `"count": 3`}, // a second has passed
			{417, "rule=gone&exactly=4&since=3500ms", `"count": 3`},
		} {
			n.Want(tt.status, "GET", "/verify?"+tt.query, "", tt.text)
		}
		n.Want(204, "DELETE", "/journal", "", "")
		n.Want(409, "GET", "/verify?rule=gone&exactly=0&since=5m", "", far)
		n.Want(200, "GET", "/verify?rule=gone&exactly=0&since=500ms", "", "")
		n.Ctl.BeginExit()
	})
}

func TestVerifyWithoutJournal(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"journal": 0}`)
	n.Hit("/gone")
	n.Want(409, "GET", "/verify?rule=gone&exactly=0&since=5m", "", "the journal does not go")
	n.Want(200, "GET", "/verify?rule=gone&exactly=1", "", "")
}

// feed is a reply that the test reads while it is being written.
type feed struct {
	header http.Header
	lines  chan string
}

func (f *feed) Header() http.Header { return f.header }
func (f *feed) WriteHeader(int)     {}
func (f *feed) Flush()              {}
func (f *feed) Write(p []byte) (int, error) {
	f.lines <- string(p)
	return len(p), nil
}

func TestJournalFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, testnode.Shop, "")
		n.Hit("/gone")
		r := httptest.NewRequestWithContext(t.Context(), "GET", api.Prefix+"/journal?rule=gone", nil)
		r.Header.Set("Accept", "text/event-stream")
		follow := func() (w *feed, done chan struct{}) {
			w, done = &feed{header: make(http.Header), lines: make(chan string, 20)}, make(chan struct{})
			go func() {
				defer close(done)
				n.API.ServeHTTP(w, r.Clone(t.Context()))
			}()
			return w, done
		}
		want := func(w *feed, prefixes ...string) {
			t.Helper()
			for _, prefix := range prefixes {
				if got := <-w.lines; !strings.HasPrefix(got, prefix) {
					t.Errorf("got %q, want %q", got, prefix)
				}
			}
		}
		w, done := follow()
		want(w, ": journal\n\n", "id: 1\nevent: done\ndata: {")
		if got := w.header.Get("Content-Type"); got != "text/event-stream" {
			t.Errorf("Content-Type %q", got)
		}
		n.Hit("/gone")
		want(w, "id: 2\nevent: hit\ndata: {", "id: 2\nevent: done\ndata: {")
		r.Header.Set("Last-Event-ID", "1")
		again, doneAgain := follow()
		want(again, ": journal\n\n", "id: 2\nevent: done\n")
		r.Header.Add("Last-Event-ID", "2")
		r.Header["Accept"] = append([]string{"application/json"}, r.Header["Accept"]...)
		all, doneAll := follow()
		want(all, ": journal\n\n", "id: 1\nevent: done\n", "id: 2\nevent: done\n")
		time.Sleep(api.KeepAlive)
		want(w, ": still here\n\n")
		n.Ctl.BeginExit()
		<-done
		<-doneAgain
		<-doneAll
		late, doneLate := follow()
		<-doneLate
		if n := len(late.lines); n != 0 {
			t.Errorf("%d lines, though the process ends", n)
		}
		r.Method = "HEAD"
		n.API.ServeHTTP(w, r)
	})
}

func TestStateShowsDryRun(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"dry_run": true}`)
	n.Want(200, "GET", "/", "", `"dry_run": true`)
}

func TestStateShowsNoKey(t *testing.T) {
	n := testnode.Start(t, `{"point": "keyed", "match": [{"path": ["/*"]}], "triggers": [{"source": "header", "key": "0123456789abcdef"}]}`, "")
	w := n.Want(200, "GET", "/", "", `"key": "***"`)
	if strings.Contains(w.Body.String(), "0123456789abcdef") {
		t.Errorf("the key is shown: %s", w.Body)
	}
	testkit.Ask(n.Handler, "X-Fault", "key 0123456789abcdef; 551")
	n.Want(200, "GET", "/verify?rule=trigger&exactly=1", "", "")
}

// Without injection points there is nothing to change, and nothing panics.
func TestAPIWithoutPoints(t *testing.T) {
	ctl := control.New()
	defer ctl.BeginExit()
	n := &testnode.Node{T: t, API: api.New(ctl, nil)}
	n.Want(200, "GET", "/", "", `"points": []`)
	n.Want(200, "GET", "/experiments?ended", "", `"ended": []`)
	n.Want(409, "PUT", "/experiments/a", testnode.Slow500, "no injection point")
	n.Want(200, "POST", "/explain", `{"url": "/"}`, `"points": []`)
	n.Want(404, "POST", "/rules/a/b/off", "", "no rule")
}
