package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// What is held lets go at once when its experiment ends, and when all faults
// are halted: a delay goes on to the upstream, a hang closes, a slow body runs
// on at full speed.
func TestLetGo(t *testing.T) {
	ends := map[string]func(n *node){
		"halt":    func(n *node) { n.want(200, "POST", "/halt", "", "") },
		"delete":  func(n *node) { n.want(204, "DELETE", "/experiments/a", "", "") },
		"replace": func(n *node) { n.want(200, "PUT", "/experiments/a", slow500, "") },
		"ttl":     func(*node) { time.Sleep(time.Minute) },
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
						n := startNode(t, `{"point": "held"}`, "")
						n.put("a", `{"points": ["held"], "ttl": "1m", "phase": "`+phase+`", "faults": [`+kind.fault+`]}`)
						var got outcome
						done := make(chan struct{})
						go func() {
							defer close(done)
							got = ask(n.Handler)
						}()
						synctest.Wait()
						select {
						case <-done:
							t.Fatal("it is not held")
						default:
						}
						before := time.Now()
						end(n)
						waited := time.Since(before)
						<-done
						if took := time.Since(before); took != waited {
							t.Errorf("let go of %v after the end", took-waited)
						}
						if got.status != kind.status || kind.status == 200 && got.body != upstreamBody {
							t.Errorf("got %d %q, want %d", got.status, got.body, kind.status)
						}
						synctest.Wait()
						n.ctl.beginExit()
					})
				})
			}
		}
	}
}

// A reply for which a rule of phase response has waited while faults were
// halted, or while its experiment ended, passes, and takes nothing.
func TestHaltBeforeTheReply(t *testing.T) {
	for _, path := range []string{"/halt", "/experiments/a"} {
		n := startNode(t, `{"point": "late", "rules": [{"name": "own", "phase": "response", "match": [{"path": ["/own"]}], "faults": [{"fault": "respond", "status_code": 551}]}]}`, "")
		n.put("a", `{"match": [{"path": ["/exp"]}], "phase": "response", "faults": [{"fault": "respond", "status_code": 552}]}`)
		live := n.ctl.store.Get("a")
		reply := func(w http.ResponseWriter, r *http.Request) error {
			if path == "/halt" {
				n.do("POST", path, "")
			} else {
				n.do("DELETE", path, "")
			}
			return upstream(w, r)
		}
		resp, body, err := get(t, n.Handler, "/exp", reply)
		if err != nil || resp.StatusCode != 200 || body != upstreamBody || resp.Header.Get("X-Fault-Injected") != "" {
			t.Errorf("%s: got %d %s, %v, want the upstream's reply", path, resp.StatusCode, body, err)
		}
		if got := live.Stats().Hits; got != 0 {
			t.Errorf("%s: %d hits", path, got)
		}
		if path == "/halt" {
			n.do("POST", "/resume", "")
			if resp, body, err = get(t, n.Handler, "/own", reply); err != nil || resp.StatusCode != 200 {
				t.Errorf("own rule: got %d %s, %v, want the upstream's reply", resp.StatusCode, body, err)
			}
		}
	}
}

// An experiment comes before the rules and is decided once for a request, at
// the first point that it applies to.
func TestExperimentOverTwoPoints(t *testing.T) {
	n := startNode(t, `{"point": "outer", "rules": [{"name": "own", "match": [{"path": ["/both"]}], "faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
	inner := n.beside(`{"point": "inner"}`)
	through := func(target string) []string {
		resp, _, err := get(t, n.Handler, target, func(w http.ResponseWriter, r *http.Request) error {
			return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(upstream))
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Values("X-Fault-Injected")
	}
	const delay = `"faults": [{"fault": "delay", "duration": "1ns"}]}`
	n.want(201, "PUT", "/experiments/all", `{"points": ["*"], `+delay, `"outer",
    "inner"`)
	if got := through("/both"); !slices.Equal(got, []string{"all"}) {
		t.Errorf("got %q, want all once, and stronger than the rule", got)
	}
	n.want(204, "DELETE", "/experiments/all", "", "")
	n.put("second", `{"points": ["inner"], `+delay)
	if got := through("/both"); !slices.Equal(got, []string{"own", "second"}) {
		t.Errorf("got %q, want own and second", got)
	}
	n.want(204, "DELETE", "/experiments/second", "", "")
	n.put("never", `{"points": ["*"], "percent": 0, `+delay)
	if got := through("/other"); len(got) != 0 {
		t.Errorf("got %q", got)
	}
	n.want(200, "GET", "/verify?rule=never&exactly=0", "", "")
	n.want(400, "GET", "/verify?rule=never&exactly=0&point=inner", "", "point: the hits of experiment 'never' are counted for all its points together")
	n.want(200, "GET", "/verify?rule=never&exactly=0&point=inner&since=1m", "", "")
	n.want(404, "GET", "/verify?rule=never&exactly=0&point=nowhere&since=1m", "", "")
}

// What an experiment has hit at which point is told when it is over as while it
// is on.
func TestVerifyEndedExperiment(t *testing.T) {
	n := startNode(t, `{"point": "p1"}`, "")
	n.beside(`{"point": "p2"}`)
	n.beside(`{"point": "p3"}`)
	n.put("both", `{"points": ["p1", "p2"], "match": [{"path": ["/both"]}], `+respond500)
	n.put("one", `{"points": ["p3"], `+respond500) // ends by the next line
	n.want(200, "PUT", "/experiments/one", `{"points": ["p1"], "match": [{"path": ["/one"]}], `+respond500, "")
	n.hit("/both")
	n.hit("/one")
	for _, over := range []bool{false, true} {
		if over {
			n.want(204, "DELETE", "/experiments/both", "", "")
			n.want(204, "DELETE", "/experiments/one", "", "")
		}
		for _, tt := range []struct {
			status      int
			query, text string
		}{
			{200, "rule=both&exactly=1", ""},
			{400, "rule=both&exactly=1&point=p1", "point: the hits of experiment 'both' are counted for all its points together"},
			{400, "rule=both&exactly=0&point=p2", "point: "},
			{404, "rule=both&exactly=0&point=p3", "no rule 'both' at an injection point 'p3'"},
			{200, "rule=both&exactly=1&point=p1&since=1h", ""},
			{200, "rule=both&exactly=0&point=p2&since=1h", ""},
			{404, "rule=both&exactly=0&point=p3&since=1h", "no rule 'both'"},
			{404, "rule=both&exactly=0&point=nosuch", "no rule 'both'"},
			{200, "rule=one&exactly=1&point=p1", ""},
			{404, "rule=one&exactly=0&point=p3", "no rule 'one'"},
		} {
			n.want(tt.status, "GET", "/verify?"+tt.query, "", tt.text)
		}
	}
}

const respond500 = `"faults": [{"fault": "respond", "status_code": 500}]}`

// beside provisions another handler of the node's configuration.
func (n *node) beside(config string) *Handler {
	n.t.Helper()
	return loadIn(n.t, n.app.ctx, config)
}

// Faults are loaded for handlers or for transports: an experiment does not come
// to a transport that a reload has given the name of its handler.
func TestExperimentWherePointMoves(t *testing.T) {
	n := startNode(t, `{"point": "here"}`, "")
	n.put("a", `{"points": ["here"], "faults": [{"fault": "throttle", "bytes_per_second": 1}]}`)
	for _, transport := range []bool{false, true} {
		guests := n.ctl.store.Snapshot().Guests(experiments.Place{Point: "here", Transport: transport})
		if there := guests != nil; there == transport {
			t.Errorf("transport %v: the experiment is there: %v", transport, there)
		}
	}
	n.want(200, "GET", "/verify?rule=a&point=here&exactly=0", "", "")
	n.want(404, "GET", "/verify?rule=a&point=there&exactly=0", "", "")
}

// Above max_active of the app requests pass, and take nothing of times.
func TestAppMaxActive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, `{"point": "most", "rules": [{"times": 3, "faults": [{"fault": "delay", "duration": "1m"}]}]}`, `{"max_active": 2}`)
		wantPassed(t, n.Handler, "overflow", 3)
		start := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() { n.hit("/") })
		}
		synctest.Wait()
		for range 3 {
			n.hit("/")
		}
		n.want(200, "GET", "/", "", `"active": 2`)
		if got := testutil.ToFloat64(metrics.ActiveRequests.WithLabelValues("most")); got != 2 || time.Since(start) != 0 {
			t.Errorf("%v active after %v", got, time.Since(start))
		}
		wg.Wait()
		n.hit("/") // the third
		n.hit("/") // passes
		if took := time.Since(start); took != 2*time.Minute {
			t.Errorf("took %v, want two minutes: those that passed took nothing", took)
		}
		n.want(200, "GET", "/", "", `"active": 0`)
		n.ctl.beginExit()
	})
}

// What is let pass for such a reason holds no place of the rule's own max_active.
func TestAppMaxActiveHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, `{"rules": [
			{"match": [{"path": ["/slow"]}], "faults": [{"fault": "delay", "duration": "1m"}]},
			{"match": [{"path": ["/own"]}], "max_active": 1, "faults": [{"fault": "respond", "status_code": 503}]}
		]}`, `{"max_active": 1}`)
		var slow sync.WaitGroup
		slow.Go(func() { n.hit("/slow") })
		synctest.Wait()
		w := httptest.NewRecorder()
		err := n.Handler.ServeHTTP(w, request("GET", "/own", w), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			if got := n.Handler.Rules[1].Stats().Active; got != 0 {
				t.Errorf("%d active", got)
			}
			slow.Wait()
			if got := n.hit("/own"); got != 503 {
				t.Errorf("got %d, want 503 beside one that passes", got)
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
		n.ctl.beginExit()
	})
}

func TestAppDryRun(t *testing.T) {
	n := startNode(t, `{"point": "dry", "rules": [{"match": [{"path": ["/own"]}], "faults": [{"fault": "close"}]}]}`, `{"dry_run": true}`)
	wantPassed(t, n.Handler, "dry_run", 1)
	logs := observe(n.Handler)
	n.put("a", slow500)
	if got := [2]int{n.hit("/own"), n.hit("/slow")}; got != [2]int{200, 200} {
		t.Errorf("got %v", got)
	}
	if got := logs.FilterMessage("would have injected a fault").Len(); got != 2 {
		t.Errorf("%d lines, want 2", got)
	}
	n.want(200, "POST", "/explain", `{"url": "/own"}`, `"gate": "dry_run"`)
	n.want(200, "GET", "/verify?rule=a&exactly=1", "", "") // counted
	n.want(200, "GET", "/journal", "", `"entries": []`)
}

func TestAppJournal(t *testing.T) {
	n := startNode(t, shop, `{"journal": 2}`)
	for range 3 {
		n.hit("/gone")
	}
	if got := len(slices.Collect(n.ctl.journal.Entries(experiments.Query{}))); got != 2 {
		t.Errorf("%d entries, want 2", got)
	}
	e := slices.Collect(n.ctl.journal.Entries(experiments.Query{Limit: 1}))[0]
	if e.Seq != 3 || e.Point != "shop" || e.Rule != "gone" || e.Kind != "respond" || e.Method != "GET" || e.Host != "example.com" || e.Path != "/gone" || !e.Done {
		t.Errorf("got %+v", e)
	}
	next := &App{Journal: new(int), ctl: n.ctl} // a configuration without a journal
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	if got := len(slices.Collect(n.ctl.journal.Entries(experiments.Query{}))); got != 2 {
		t.Errorf("%d entries, want 2 while the next configuration may be given up", got)
	}
	if err := n.app.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := len(slices.Collect(n.ctl.journal.Entries(experiments.Query{}))); got != 0 {
		t.Errorf("%d entries, want none", got)
	}
	if err := next.Stop(); err != nil {
		t.Fatal(err)
	}
}

// Only real errors of upstreams count, each request once.
func TestHaltWhen(t *testing.T) {
	failing := func(status int) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			text.Replacer(r).Set(upstreamStatusKey, status)
			w.WriteHeader(status)
			return nil
		}
	}
	down := func(http.ResponseWriter, *http.Request) error {
		return caddyhttp.Error(502, fmt.Errorf("dial failed"))
	}
	tests := []struct {
		name, path string
		upstream   caddyhttp.HandlerFunc
		pause      time.Duration
		halts      bool
	}{
		{"errors", "/", failing(500), time.Second, true},
		{"upstream is down", "/", down, time.Second, true},
		{"slowly", "/", failing(500), 31 * time.Second, false},
		{"client errors", "/", failing(404), time.Second, false},
		{"injected", "/injected", failing(500), time.Second, false},
		{"injected behind an error", "/delayed", failing(500), time.Second, false},
		{"watched, not injected", "/watched", failing(500), time.Second, true},
		{"another's 500", "/", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(500); return nil }, time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startNode(t, `{"point": "watch", "rules": [
					{"match": [{"path": ["/injected"]}], "faults": [{"fault": "respond", "status_code": 500}]},
					{"match": [{"path": ["/delayed"]}], "faults": [{"fault": "delay", "duration": "1ns"}]},
					{"match": [{"path": ["/watched"]}], "match_response": {"status_code": [404]}, "faults": [{"fault": "close"}]}]}`,
					`{"halt_when": {"errors": 2, "window": "1m"}}`)
				inner := n.beside(`{"point": "inner"}`)
				for i := range 3 {
					if n.ctl.sw.Halted() {
						t.Fatalf("halted after %d errors", i)
					}
					_, _, _ = get(t, n.Handler, tt.path, func(w http.ResponseWriter, r *http.Request) error {
						return inner.ServeHTTP(w, r, tt.upstream)
					})
					time.Sleep(tt.pause)
				}
				if got := n.ctl.sw.State(); got.Halted != tt.halts || tt.halts && got.Why != whyErrors {
					t.Errorf("got %+v, want halted: %v", got, tt.halts)
				}
				synctest.Wait()
				next := newControl()
				next.restore(n.app.ctx)
				if got := next.sw.Halted(); got != tt.halts {
					t.Errorf("the next process is halted: %v", got)
				}
				next.beginExit()
				n.ctl.beginExit()
			})
		})
	}
}

// Of many errors at once one halts, and again when somebody has resumed.
func TestHaltWhenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, `{"point": "watch"}`, `{"halt_when": {"errors": 2, "window": "1m"}}`)
		const halting = "halting all faults: the upstreams' own errors pile up"
		core, logs := observer.New(zapcore.WarnLevel)
		var proceed chan struct{} // a halt logs before it turns the switch
		n.app.logger = zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
			if e.Message == halting {
				<-proceed
			}
			return nil
		}))
		for halts := 1; halts <= 2; halts++ {
			proceed = make(chan struct{})
			for range 10 {
				_, _, _ = get(t, n.Handler, "/", func(http.ResponseWriter, *http.Request) error {
					return caddyhttp.Error(502, errors.New("dial failed"))
				})
			}
			close(proceed)
			synctest.Wait()
			if got := logs.FilterMessage(halting).Len(); got != halts || !n.ctl.sw.Halted() {
				t.Errorf("%d halts, want %d; halted: %v", got, halts, n.ctl.sw.Halted())
			}
			n.want(200, "POST", "/resume", "", "")
			_, _, _ = get(t, n.Handler, "/", func(http.ResponseWriter, *http.Request) error {
				return caddyhttp.Error(502, errors.New("dial failed"))
			})
			synctest.Wait()
			if n.ctl.sw.Halted() {
				t.Error("halted by errors of before the resume")
			}
		}
		n.ctl.beginExit()
	})
}

// transport provisions a transport of the node's configuration. The one inside,
// or inside of that, answers as it is told.
func (n *node) transport(config string, answer roundTripFunc) *Transport {
	n.t.Helper()
	mod, err := n.app.ctx.LoadModuleByID("http.reverse_proxy.transport.fault", []byte(config))
	if err != nil {
		n.t.Fatal(err)
	}
	outer := mod.(*Transport)
	inner := outer
	if further, ok := outer.inner.(*Transport); ok {
		inner = further
	}
	inner.inner = answer
	n.t.Cleanup(func() {
		if err := outer.Cleanup(); err != nil {
			n.t.Error(err)
		}
	})
	return outer
}

// Behind a transport each attempt counts, once, with a handler in front or
// without one.
func TestHaltWhenInTransport(t *testing.T) {
	const injecting = `{"point": "t", "rules": [
		{"match": [{"path": ["/injected"]}], "faults": [{"fault": "respond", "status_code": 503}]},
		{"match": [{"path": ["/again"]}], "times": 1, "per": "{http.request.uuid}", "faults": [{"fault": "reset"}]}]}`
	failing := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 503, Header: make(http.Header), Body: http.NoBody}, nil
	}
	down := func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("dial failed") }
	client := func(path string) func() *http.Request {
		return func() *http.Request { return request(http.MethodGet, path, nil) }
	}
	gone := func() *http.Request {
		r := request(http.MethodGet, "/", nil)
		ctx, leave := context.WithCancel(r.Context())
		leave()
		return r.WithContext(ctx)
	}
	tests := []struct {
		name, config string
		upstream     roundTripFunc
		request      func() *http.Request
		attempts     int
		behind       bool // a handler
		halts        bool
	}{
		{"errors", injecting, failing, client("/"), 1, false, true},
		{"upstream is down", injecting, down, client("/"), 1, false, true},
		{"behind a handler", injecting, failing, client("/"), 1, true, true},
		{"down behind a handler", injecting, down, client("/"), 1, true, true},
		{"in another transport", `{"point": "t", "transport": {"protocol": "fault"}}`, failing, client("/"), 1, false, true},
		{"injected", injecting, failing, client("/injected"), 1, false, false},
		{"behind an attempt that was", injecting, failing, client("/again"), 2, false, false},
		{"health checks", injecting, failing, func() *http.Request { return healthCheck("/") }, 1, false, false},
		{"client has left", injecting, down, gone, 1, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := startNode(t, `{"point": "front"}`, `{"halt_when": {"errors": 2, "window": "1m"}}`)
				tr := n.transport(tt.config, tt.upstream)
				proxy := func(_ http.ResponseWriter, r *http.Request) error {
					var resp *http.Response
					var err error
					for range tt.attempts {
						resp, err = tr.RoundTrip(r)
					}
					if err != nil {
						return caddyhttp.Error(http.StatusBadGateway, err)
					}
					text.Replacer(r).Set(upstreamStatusKey, resp.StatusCode)
					return nil
				}
				for i := range 3 {
					if n.ctl.sw.Halted() {
						t.Fatalf("halted after %d errors", i)
					}
					if tt.behind {
						_, _, _ = get(t, n.Handler, "/", proxy)
					} else {
						_ = proxy(nil, tt.request())
					}
					synctest.Wait()
				}
				if got := n.ctl.sw.State(); got.Halted != tt.halts {
					t.Errorf("got %+v, want halted: %v", got, tt.halts)
				}
				n.ctl.beginExit()
			})
		})
	}
}

// rulesIn are the rules that a collector has series of at the point `series`.
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

// The series of an experiment are deleted ten minutes after its end; above a
// hundred names there is one for all.
func TestExperimentSeries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, `{"point": "series"}`, "")
		respond := func(path string) string {
			return `{"ttl": 0, "match": [{"path": ["` + path + `"]}], "faults": [{"fault": "respond", "status_code": 500}]}`
		}
		has := func(name string) bool {
			return slices.Contains(rulesIn(t, metrics.InjectedTotal), name)
		}
		n.put("a", respond("/a"))
		n.hit("/a")
		n.want(200, "PUT", "/experiments/a", respond("/a"), "")
		time.Sleep(metrics.KeepSeries + time.Minute)
		if !has("a") {
			t.Error("the series is gone while the experiment that replaced it is on")
		}
		n.want(204, "DELETE", "/experiments/a", "", "")
		time.Sleep(metrics.KeepSeries - time.Second)
		if !has("a") {
			t.Error("the series is gone before it was scraped")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if has("a") {
			t.Error("the series stays")
		}
		grows(t, metrics.InjectedTotal.WithLabelValues("series", metrics.OtherRule, metrics.OtherRule), 2)
		for i := range metrics.MaxSeries + 2 {
			path := fmt.Sprint("/many", i)
			n.put(path[1:], respond(path))
			n.hit(path)
		}
		if got := n.ctl.series.Len(); got != metrics.MaxSeries {
			t.Errorf("%d names, want %d", got, metrics.MaxSeries)
		}
		if !has("many99") || has("many100") {
			t.Error("those above the bound should be under one name")
		}
		n.want(200, "POST", "/halt", "", "")
		time.Sleep(metrics.KeepSeries)
		synctest.Wait()
		if n.ctl.series.Len() != 0 || has("many99") {
			t.Error("the series stay")
		}
		n.ctl.beginExit()
	})
}

// An experiment that is put over and over with other kinds has some of them in
// metrics, and the rest under one name.
func TestExperimentKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, `{"point": "series"}`, "")
		const wait = `{"fault": "delay", "duration": "1ns"}`
		grows(t, metrics.InjectedTotal.WithLabelValues("series", "a", "delay+delay"), 2)
		grows(t, metrics.InjectedTotal.WithLabelValues("series", "a", metrics.OtherRule), 3)
		for _, faults := range []int{1, 2, 30, 3, 4, 5, 6, 7, 8, 9, 10, 11, 2, 12} { // the 30 are long, and the 11 and 12 too many
			n.put("a", `{"match": [{"path": ["/a"]}], "faults": [`+strings.Repeat(wait+", ", faults-1)+wait+`]}`)
			n.hit("/a")
			n.want(204, "DELETE", "/experiments/a", "", "")
		}
		n.ctl.beginExit()
	})
}

// span keeps what is set on it.
type span struct {
	noop.Span
	attributes []attribute.KeyValue
}

func (s *span) IsRecording() bool                      { return true }
func (s *span) SetAttributes(kv ...attribute.KeyValue) { s.attributes = append(s.attributes, kv...) }

func (s *span) SpanContext() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
}

func TestTrace(t *testing.T) {
	n := startNode(t, shop, "")
	s := new(span)
	w := httptest.NewRecorder()
	r := request(http.MethodGet, "/gone", w)
	if err := n.ServeHTTP(w, r.WithContext(trace.ContextWithSpan(r.Context(), s)), nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, kv := range s.attributes {
		got = append(got, string(kv.Key)+"="+kv.Value.AsString())
	}
	e := slices.Collect(n.ctl.journal.Entries(experiments.Query{}))[0]
	want := []string{"fault.point=shop", "fault.rule=gone", "fault.kind=respond", "fault.id=" + e.ID.String()}
	if !slices.Equal(got, want) || !strings.HasPrefix(e.Trace, "01000") {
		t.Errorf("got %q and the trace %q in the journal, want %q", got, e.Trace, want)
	}
}

// listener receives the events of the events app.
type listener chan string

func (l listener) Handle(_ context.Context, e caddy.Event) error {
	l <- fmt.Sprint(e.Name(), " ", e.Data["experiment"], " ", e.Data["why"])
	return nil
}

func TestEvents(t *testing.T) {
	n := startNode(t, shop, "")
	heard := make(listener, 2) // and the halt that ends the test
	for _, name := range []string{"fault_halted", "fault_resumed", "fault_experiment_started", "fault_experiment_extended", "fault_experiment_ended"} {
		if err := n.app.events.On(name, heard); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ method, path, body, want string }{
		{"PUT", "/experiments/a", slow500, "fault_experiment_started a <nil>"},
		{"PATCH", "/experiments/a", `{"ttl": "1h"}`, "fault_experiment_extended a <nil>"},
		{"DELETE", "/experiments/a", "", "fault_experiment_ended a deleted"},
		{"POST", "/halt", "", "fault_halted <nil> api"},
		{"POST", "/resume", "", "fault_resumed <nil> api"},
	} {
		n.do(step.method, step.path, step.body)
		if got := <-heard; got != step.want {
			t.Errorf("%s %s: got event %q, want %q", step.method, step.path, got, step.want)
		}
	}
}

// A configuration that is given up after its apps have started, which Caddy
// cleans up without having stopped them, has changed nothing.
func TestConfigurationGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := startNode(t, `{"point": "held"}`, "")
		n.put("a", `{"points": ["held"], "faults": [{"fault": "close"}]}`)
		n.ctl.journal.Add(&experiments.Entry{Rule: "a"})
		ctx, err := provision(t, n.ctl, `{"halted": true, "journal": 0}`)
		if err != nil {
			t.Fatal(err)
		}
		other := loadIn(t, ctx, `{"point": "other"}`).app
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if err := other.Cleanup(); err != nil {
			t.Fatal(err)
		}
		n.want(200, "GET", "/", "", `"halted": false`)
		n.want(200, "GET", "/experiments/a", "", `"held"`)
		n.want(200, "GET", "/journal", "", `"rule": "a"`)
		n.want(201, "PUT", "/experiments/b", slow500, `"held"`)
	})
}

// A halt by the configuration goes with it; one by somebody stays.
func TestConfiguredHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := newControl()
		app := func(halted bool) *App {
			ctx, err := provision(t, ctl, fmt.Sprintf(`{"halted": %v}`, halted))
			if err != nil {
				t.Fatal(err)
			}
			return loadIn(t, ctx, `{}`).app
		}
		halted, plain := app(true), app(false)
		become := func(running ...*App) bool {
			ctl.apps = running
			ctl.settle()
			return ctl.sw.Halted()
		}
		if become(plain) || become(plain, halted) || !become(halted) || !become(halted, plain) || become(plain) || !become(halted) || become() {
			t.Error("the switch does not follow the configuration")
		}
		ctl.sw.Set(newState(true, whyAPI))
		if !become(plain) || !become(halted) || !become(plain) {
			t.Error("a halt by the API has ended with a configuration")
		}
	})
}
