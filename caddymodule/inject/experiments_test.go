package inject_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// Requests are released at once when their experiment ends and when all faults are
// halted. A delay goes on to the upstream, a hang closes, and a slow body continues at
// full speed.
func TestLetGo(t *testing.T) {
	ends := map[string]func(n *testnode.Node){
		"halt":    func(n *testnode.Node) { n.Want(200, "POST", "/halt", "", "") },
		"delete":  func(n *testnode.Node) { n.Want(204, "DELETE", "/experiments/a", "", "") },
		"replace": func(n *testnode.Node) { n.Want(200, "PUT", "/experiments/a", testnode.Slow500, "") },
		"ttl":     func(*testnode.Node) { time.Sleep(time.Minute) },
	}
	kinds := []struct {
		fault  string
		status int // 0: aborted
	}{
		{`{"fault": "delay", "duration": "1h"}`, 200},
		{`{"fault": "delay", "duration": "1h"}, {"fault": "respond", "status_code": 503}`, 200},
		{`{"fault": "hang"}`, 0},
		{`{"fault": "throttle", "bytes_per_second": 1, "after": 1}`, 200},
		{`{"fault": "dribble", "chunks": 10, "duration": "1h"}`, 200},
	}
	for how, end := range ends {
		for _, kind := range kinds {
			for _, phase := range []string{"request", "response"} {
				t.Run(how+" "+phase+" "+kind.fault, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := testnode.Start(t, `{"point": "held"}`, "")
						n.Put("a", `{"points": ["held"], "ttl": "1m", "phase": "`+phase+`", "faults": [`+kind.fault+`]}`)
						var got testkit.Outcome
						done := make(chan struct{})
						go func() {
							defer close(done)
							got = testkit.Ask(n.Handler)
						}()
						synctest.Wait()
						select {
						case <-done:
							t.Fatal("the request is not held")
						default:
						}
						before := time.Now()
						end(n)
						waited := time.Since(before)
						<-done
						if took := time.Since(before); took != waited {
							t.Errorf("released %v after the end", took-waited)
						}
						if got.Status != kind.status || kind.status == 200 && got.Body != testkit.UpstreamBody {
							t.Errorf("got %d %q, want %d", got.Status, got.Body, kind.status)
						}
						synctest.Wait()
						n.Ctl.BeginExit()
					})
				})
			}
		}
	}
}

// If faults were halted or the experiment ended while a rule of phase response waited
// for the reply, the reply passes. It uses no turn.
func TestHaltBeforeTheReply(t *testing.T) {
	for _, path := range []string{"/halt", "/experiments/a"} {
		n := testnode.Start(t, `{"point": "late", "rules": [{"name": "own", "phase": "response", "match": [{"path": ["/own"]}], "faults": [{"fault": "respond", "status_code": 551}]}]}`, "")
		n.Put("a", `{"match": [{"path": ["/exp"]}], "phase": "response", "faults": [{"fault": "respond", "status_code": 552}]}`)
		live := n.Ctl.Store.Get("a")
		reply := func(w http.ResponseWriter, r *http.Request) error {
			if path == "/halt" {
				n.Do("POST", path, "")
			} else {
				n.Do("DELETE", path, "")
			}
			return testkit.Upstream(w, r)
		}
		resp, body, err := testkit.Get(t, n.Handler, "/exp", reply)
		if err != nil || resp.StatusCode != 200 || body != testkit.UpstreamBody || resp.Header.Get("X-Fault-Injected") != "" {
			t.Errorf("%s: got %d %s, %v, want the upstream's reply", path, resp.StatusCode, body, err)
		}
		if got := live.Stats().Hits; got != 0 {
			t.Errorf("%s: %d hits", path, got)
		}
		if path == "/halt" {
			n.Do("POST", "/resume", "")
			if resp, body, err = testkit.Get(t, n.Handler, "/own", reply); err != nil || resp.StatusCode != 200 {
				t.Errorf("own rule: got %d %s, %v, want the upstream's reply", resp.StatusCode, body, err)
			}
		}
	}
}

// An experiment is evaluated before the rules, and decided once for a request, at the
// first point to which it applies.
func TestExperimentOverTwoPoints(t *testing.T) {
	n := testnode.Start(t, `{"point": "outer", "rules": [{"name": "own", "match": [{"path": ["/both"]}], "faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
	inner := n.Beside(`{"point": "inner"}`)
	through := func(target string) []string {
		resp, _, err := testkit.Get(t, n.Handler, target, func(w http.ResponseWriter, r *http.Request) error {
			return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Values("X-Fault-Injected")
	}
	const delay = `"faults": [{"fault": "delay", "duration": "1ns"}]}`
	n.Want(201, "PUT", "/experiments/all", `{"points": ["*"], `+delay, `"outer",
    "inner"`)
	if got := through("/both"); !slices.Equal(got, []string{"all"}) {
		t.Errorf("got %q, want all once, and stronger than the rule", got)
	}
	n.Want(204, "DELETE", "/experiments/all", "", "")
	n.Put("second", `{"points": ["inner"], `+delay)
	if got := through("/both"); !slices.Equal(got, []string{"own", "second"}) {
		t.Errorf("got %q, want own and second", got)
	}
	n.Want(204, "DELETE", "/experiments/second", "", "")
	n.Put("never", `{"points": ["*"], "percent": 0, `+delay)
	if got := through("/other"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	n.Want(200, "GET", "/verify?rule=never&exactly=0", "", "")
	n.Want(400, "GET", "/verify?rule=never&exactly=0&point=inner", "", "point: the hits of experiment 'never' are counted for all its points together")
	n.Want(200, "GET", "/verify?rule=never&exactly=0&point=inner&since=1m", "", "")
	n.Want(404, "GET", "/verify?rule=never&exactly=0&point=nowhere&since=1m", "", "")
}

const respond500 = `"faults": [{"fault": "respond", "status_code": 500}]}`

// Nothing can print what points store in a request.
func TestNothingOfTheRequestShows(t *testing.T) {
	n := testnode.Start(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, `{"halt_when": {"errors": 9, "window": "1m"}}`)
	inner := n.Beside(`{"point": "inner", "rules": [{"faults": [{"fault": "respond", "status_code": 500, "body": "{http.fault.decided}|{http.fault.taken_out}|"}]}]}`)
	n.Put("never", `{"points": ["*"], "percent": 0, `+respond500)
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	r.Header.Set("X-Fault", "percent 0; 551")
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
	})
	if err := n.ServeHTTP(w, r, next); err != nil || w.Body.String() != "||" {
		t.Errorf("got %q, %v, want ||", w.Body, err)
	}
}

// Above max_active of the app, requests pass and use no turn of times.
func TestAppMaxActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "most", "rules": [{"times": 3, "faults": [{"fault": "delay", "duration": "1m"}]}]}`, `{"max_active": 2}`)
		testkit.WantPassed(t, n.Handler.Point.Name, n.Handler.Rules[0].Name, "overflow", 3)
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { n.Hit("/") })
		}
		synctest.Wait()
		for range 3 {
			n.Hit("/")
		}
		n.Want(200, "GET", "/", "", `"active": 2`)
		if got := testutil.ToFloat64(metrics.ActiveRequests.WithLabelValues("most")); got != 2 || time.Since(start) != 0 {
			t.Errorf("%v active after %v", got, time.Since(start))
		}
		wg.Wait()
		n.Hit("/") // the third request
		n.Hit("/") // passes
		if took := time.Since(start); took != 2*time.Minute {
			t.Errorf("took %v, want two minutes: those that passed took nothing", took)
		}
		n.Want(200, "GET", "/", "", `"active": 0`)
		n.Ctl.BeginExit()
	})
}

// A request that passes for such a reason does not count for the rule's max_active.
func TestAppMaxActiveHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"rules": [
			{"match": [{"path": ["/slow"]}], "faults": [{"fault": "delay", "duration": "1m"}]},
			{"match": [{"path": ["/own"]}], "max_active": 1, "faults": [{"fault": "respond", "status_code": 503}]}
		]}`, `{"max_active": 1}`)
		var slow sync.WaitGroup
		slow.Go(func() { n.Hit("/slow") })
		synctest.Wait()
		w := httptest.NewRecorder()
		err := n.Handler.ServeHTTP(w, testkit.Request("GET", "/own", w), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			if got := n.Handler.Rules[1].Stats().Active; got != 0 {
				t.Errorf("%d active", got)
			}
			slow.Wait()
			if got := n.Hit("/own"); got != 503 {
				t.Errorf("got %d, want 503 beside one that passes", got)
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
		n.Ctl.BeginExit()
	})
}

func TestAppDryRun(t *testing.T) {
	n := testnode.Start(t, `{"point": "dry", "rules": [{"match": [{"path": ["/own"]}], "faults": [{"fault": "close"}]}]}`, `{"dry_run": true}`)
	testkit.WantPassed(t, n.Handler.Point.Name, n.Handler.Rules[0].Name, "dry_run", 1)
	logs := inject.Observe(n.Handler)
	n.Put("a", testnode.Slow500)
	if got := [2]int{n.Hit("/own"), n.Hit("/slow")}; got != [2]int{200, 200} {
		t.Errorf("got %v", got)
	}
	if got := logs.FilterMessage("would have injected a fault").Len(); got != 2 {
		t.Errorf("%d lines, want 2", got)
	}
	n.Want(200, "POST", "/explain", `{"url": "/own"}`, `"gate": "dry_run"`)
	n.Want(200, "GET", "/verify?rule=a&exactly=0", "", "")
	n.Want(200, "GET", "/journal", "", `"entries": []`)
}

// rulesIn returns the rules for which a collector has series at the point `series`.
func rulesIn(t *testing.T, c prometheus.Collector) []string {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(c)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if labels["point"] == "series" {
				found = append(found, labels["rule"])
			}
		}
	}
	return found
}

// The series of an experiment are deleted ten minutes after its end. More than a
// hundred names share one series.
func TestExperimentSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "series"}`, "")
		respond := func(path string) string {
			return `{"ttl": 0, "match": [{"path": ["` + path + `"]}], "faults": [{"fault": "respond", "status_code": 500}]}`
		}
		has := func(name string) bool {
			return slices.Contains(rulesIn(t, metrics.InjectedTotal), name)
		}
		n.Put("a", respond("/a"))
		n.Hit("/a")
		n.Want(200, "PUT", "/experiments/a", respond("/a"), "")
		time.Sleep(metrics.KeepSeries + time.Minute)
		if !has("a") {
			t.Error("the series is gone while the experiment that replaced it is on")
		}
		n.Want(204, "DELETE", "/experiments/a", "", "")
		time.Sleep(metrics.KeepSeries - time.Second)
		if !has("a") {
			t.Error("the series is gone before it was scraped")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if has("a") {
			t.Error("the series stays")
		}
		testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("series", metrics.OtherRule, metrics.OtherRule), 2)
		for i := range metrics.MaxSeries + 2 {
			path := fmt.Sprint("/many", i)
			n.Put(path[1:], respond(path))
			n.Hit(path)
		}
		if got := n.Ctl.Series.Len(); got != metrics.MaxSeries {
			t.Errorf("%d names, want %d", got, metrics.MaxSeries)
		}
		if !has("many99") || has("many100") {
			t.Error("those above the bound should be under one name")
		}
		n.Want(200, "POST", "/halt", "", "")
		time.Sleep(metrics.KeepSeries)
		synctest.Wait()
		if n.Ctl.Series.Len() != 0 || has("many99") {
			t.Error("the series stay")
		}
		n.Ctl.BeginExit()
	})
}

// If an experiment is replaced repeatedly with other kinds, metrics contain some of the
// kinds, and the rest under one name.
func TestExperimentKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "series"}`, "")
		const wait = `{"fault": "delay", "duration": "1ns"}`
		testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("series", "a", "delay+delay"), 2)
		testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("series", "a", metrics.OtherRule), 3)
		for _, faults := range []int{1, 2, 30, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 12} { // the 30 are long, and 11 and 12 are too many
			n.Put("a", `{"match": [{"path": ["/a"]}], "faults": [`+strings.Repeat(wait+", ", faults-1)+wait+`]}`)
			n.Hit("/a")
			n.Want(204, "DELETE", "/experiments/a", "", "")
		}
		n.Ctl.BeginExit()
	})
}

// span stores the attributes set on it.
type span struct {
	noop.Span
	attributes []attribute.KeyValue
}

func (s *span) IsRecording() bool                      { return true }
func (s *span) SetAttributes(kv ...attribute.KeyValue) { s.attributes = append(s.attributes, kv...) }

func (s *span) SpanContext() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
}

// A span that any handler has put into the context gets the hit, and the journal gets
// its trace ID. No directive has to announce the span.
func TestTrace(t *testing.T) {
	for _, place := range []string{"request", "response", "transport", "refused"} {
		t.Run(place, func(t *testing.T) {
			s, w := new(span), httptest.NewRecorder()
			r := testkit.Request(http.MethodGet, "/gone", w)
			entries, err := askTraced(t, place, w, r.WithContext(trace.ContextWithSpan(r.Context(), s)))
			if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].Trace, "01000") {
				t.Fatalf("got %+v and error %v, want an entry with the trace", entries, err)
			}
			var got, want []string
			for _, kv := range s.attributes {
				got = append(got, string(kv.Key)+"="+kv.Value.AsString())
			}
			if e := entries[0]; e.Refused == "" { // a refused trigger is not a hit
				want = []string{"fault.point=shop", "fault.rule=gone", "fault.kind=respond", "fault.id=" + e.ID.String()}
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// askTraced sends a request to a point in one place and returns what is reported about
// it.
func askTraced(t *testing.T, place string, w http.ResponseWriter, r *http.Request) ([]experiments.Entry, error) {
	t.Helper()
	if place == "transport" {
		tr := inject.LoadTransport(t, `{"point": "shop", "rules": [{"name": "gone", "faults": [{"fault": "respond", "status_code": 503}]}]}`)
		resp, err := tr.RoundTrip(r)
		if err == nil {
			err = resp.Body.Close()
		}
		return slices.Collect(inject.JournalOf(tr).Entries(experiments.Query{})), err
	}
	config := `{"point": "shop", "rules": [{"name": "gone", "phase": "` + place + `", "faults": [{"fault": "respond", "status_code": 503}]}]}`
	if place == "refused" {
		config = `{"point": "shop", "triggers": [{"source": "header"}]}`
		r.Header.Set("X-Fault", "no such kind")
	}
	n := testnode.Start(t, config, "")
	err := n.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
	journal := n.Ctl.Journal
	if place == "refused" {
		journal = n.Ctl.Refusals
	}
	return slices.Collect(journal.Entries(experiments.Query{})), err
}
