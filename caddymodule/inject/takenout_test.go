package inject

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// loadBeside provisions a handler in the configuration of another one.
func loadBeside(t testing.TB, other *Handler, config string) *Handler {
	t.Helper()
	return loadIn(t, other.app.Context(), config)
}

func loadIn(t testing.TB, ctx caddy.Context, config string) *Handler {
	t.Helper()
	h, err := testkit.Load[*Handler](t, ctx, "http.handlers.fault", config)
	if err != nil {
		t.Fatalf("loading %s: %v", config, err)
	}
	return h
}

// askBoth sends a request through two handlers. It returns the status and the header
// that the upstream saw, nil if the request did not reach it.
func askBoth(t testing.TB, outer, inner *Handler, between func(*http.Request), fields ...string) (status int, seen http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	err := outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if between != nil {
			between(r)
		}
		return inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
			seen = r.Header.Clone()
			return testkit.Upstream(w, r)
		}))
	}))
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, seen
}

// loadOn provisions a handler on a server of the configuration of another one.
func loadOn(t testing.TB, srv *caddyhttp.Server, other *Handler, config string) *Handler {
	t.Helper()
	ctx := other.app.Context()
	return loadIn(t, ctx.WithValue(caddyhttp.ServerCtxKey, srv), config)
}

// envoyTriggers are the header fields that Envoy's fault filter reads.
var envoyTriggers = []string{
	"X-Envoy-Fault-Abort-Request", "X-Envoy-Fault-Abort-Grpc-Request", "X-Envoy-Fault-Abort-Request-Percentage",
	"X-Envoy-Fault-Delay-Request", "X-Envoy-Fault-Delay-Request-Percentage",
	"X-Envoy-Fault-Throughput-Response", "X-Envoy-Fault-Throughput-Response-Percentage",
}

// Every point removes the fields of all points of its server, and of no other server.
// It does so if its matcher fails or does not match, if it has no triggers, and if all
// faults are halted.
func TestEveryPointTakesOut(t *testing.T) {
	fields := []string{"X-Fault", "551", "X-Fault", "key 0123456789abcdef; 551", "X-Second", "pass", "X-Elsewhere", "551", "X-Other", "stays"}
	for _, name := range envoyTriggers {
		fields = append(fields, name, "1")
	}
	points := []string{
		`{"point": "plain"}`,
		`{"point": "plain", "rules": [{"phase": "response", "faults": [{"fault": "respond", "status_code": 599}], "percent": 0}]}`,
		`{"point": "left", "match": [{"path": ["/api/*"]}], "triggers": [{"source": "header"}]}`,
		`{"point": "off", "rules": [{"match": [{"path": ["/api/*"]}], "faults": [{"fault": "close"}]}]}`,
		`{"point": "fails", "match": [{"expression": "{http.request.header.X-None} / 0 == 1"}], "triggers": [{"source": "header"}]}`,
	}
	for _, app := range []string{`{}`, `{"halted": true}`, `{"dry_run": true}`} {
		srv := new(caddyhttp.Server)
		first := load(t, `{"point": "nowhere", "triggers": [{"source": "header", "name": "X-Elsewhere"}]}`, app)
		loadOn(t, srv, first, `{"point": "second", "triggers": [{"source": "header", "name": "x-second"}, {"source": "header", "key": "0123456789abcdef"}, {"source": "cookie"}]}`)
		loadOn(t, srv, first, `{"point": "envoys", "triggers": [{"source": "envoy"}]}`)
		for _, point := range points {
			h := loadOn(t, srv, first, point)
			w := httptest.NewRecorder()
			r := testkit.Request(http.MethodGet, "/other", w)
			for i := 0; i < len(fields); i += 2 {
				r.Header.Add(fields[i], fields[i+1])
			}
			_ = h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
			if len(r.Header) != 2 || r.Header.Get("X-Elsewhere") != "551" || r.Header.Get("X-Other") != "stays" {
				t.Errorf("%s %s: left in the request: %v", app, point, r.Header)
			}
		}
	}
}

// Envoy's percentages alone trigger nothing, and are still removed before the upstream.
func TestEnvoyPercentagesAreTakenOut(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "envoy"}`), "")
	for _, name := range []string{"X-Envoy-Fault-Abort-Request-Percentage", "X-Envoy-Fault-Delay-Request-Percentage", "X-Envoy-Fault-Throughput-Response-Percentage"} {
		if got := testkit.Ask(h, name, "100"); got.Status != 200 || len(got.Upstream) > 0 {
			t.Errorf("%s: got %d, the upstream saw %v", name, got.Status, got.Upstream)
		}
	}
}

// A rule that matches a field of another point's trigger sees the field at each point.
func TestRulesSeeOtherPointsFields(t *testing.T) {
	const point = `"rules": [{"match": [{"header": {"X-Fault": ["*"]}}], "faults": [{"fault": "respond", "status_code": 418}]}]}`
	outer := load(t, `{"point": "outer", "halted": true, `+point, "")
	inner := loadBeside(t, outer, `{"point": "inner", `+point)
	loadBeside(t, outer, `{"point": "asks", "triggers": [{"source": "header"}]}`)
	if status, _ := askBoth(t, outer, inner, nil, "X-Fault", "551"); status != 418 {
		t.Errorf("got %d, want the rule of the inner point, 418", status)
	}
}

// A transport removes the fields from what it sends, and leaves the request unchanged
// for the next attempt.
func TestTransportTakesOut(t *testing.T) {
	h := load(t, testkit.Triggered(`{"source": "header"}`), "")
	mod, err := h.app.Context().LoadModuleByID("http.reverse_proxy.transport.fault", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	point := mod.(*Transport)
	defer func() { _ = point.Cleanup() }()
	var seen http.Header
	point.inner = roundTripFunc(func(r *http.Request) (*http.Response, error) {
		seen = r.Header
		return upstreamReply(), nil
	})
	for _, tt := range []struct {
		r    *http.Request
		want string
	}{
		{testkit.Request(http.MethodGet, "/", httptest.NewRecorder()), ""},
		{httptest.NewRequest(http.MethodGet, "/", nil), "551"}, // a health check, with the configured header
	} {
		tt.r.Header.Set("X-Fault", "551")
		resp, err := point.RoundTrip(tt.r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if got := seen.Get("X-Fault"); got != tt.want || tt.r.Header.Get("X-Fault") != "551" {
			t.Errorf("the upstream saw %q, want %q; left in the attempt: %v", got, tt.want, tt.r.Header)
		}
	}
}

// A trigger reaches every point on the way that accepts it, but not the upstream.
func TestTriggerReachesEveryPoint(t *testing.T) {
	const keyA, keyB = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
	const keyed = `"source": "header", "key": `
	tests := []struct {
		name, outer, inner string // fields of the points
		fields             []string
		status             int
	}{
		{"left alone by both", `"triggers": [{"source": "header"}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "pass"}, 200},
		{"passed by the first", `"triggers": [{"source": "header", "allow": ["delay"]}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 551},
		{"a draw that misses", `"triggers": [{"source": "header", "percent": 0}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 551},
		{"separate key", `"triggers": [{` + keyed + `"` + keyA + `"}]`, `"triggers": [{` + keyed + `"` + keyB + `"}]`, []string{"X-Fault", "key " + keyB + "; 551"}, 551},
		{"after phase response", `"triggers": [{"source": "header"}]`, `"triggers": [{"source": "header"}]`, []string{"X-Fault", "phase response; delay 1ns"}, 200},
		{"a matcher for the field", `"triggers": [{"source": "header", "percent": 0}]`, `"match": [{"header": {"X-Fault": ["*"]}}], "triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 551},
		{"a matcher that does not match", `"triggers": [{"source": "header", "percent": 0}]`, `"match": [{"path": ["/other"]}], "triggers": [{"source": "header"}]`, []string{"X-Fault", "551"}, 200},
		{"another field", `"triggers": [{"source": "header"}]`, `"triggers": [{"source": "header", "name": "X-Other"}]`, []string{"X-Fault", "pass"}, 418},
		{"only the first has triggers", `"triggers": [{"source": "header"}]`, `"triggers": []`, []string{"X-Fault", "pass"}, 418},
		{"envoy", `"triggers": [{"source": "envoy", "percent": 0}]`, `"triggers": [{"source": "envoy"}]`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request-Percentage", "100"}, 503},
		{"envoy, lowered", `"triggers": [{"source": "envoy"}]`, `"triggers": [{"source": "envoy"}]`, []string{"X-Envoy-Fault-Abort-Request", "503", "X-Envoy-Fault-Abort-Request-Percentage", "0"}, 418},
	}
	const rule = `, "rules": [{"faults": [{"fault": "respond", "status_code": 418}]}]}`
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			outer := load(t, `{"point": "outer", `+tt.outer+`}`, "")
			inner := loadBeside(t, outer, `{"point": "inner", `+tt.inner+rule)
			status, seen := askBoth(t, outer, inner, nil, tt.fields...)
			if status != tt.status || len(seen) > 0 {
				t.Errorf("got %d, the upstream saw %v, want %d and nothing", status, seen, tt.status)
			}
		})
	}
}

// A field that is set between two points is used by the second point and removed there,
// even if it belongs to the first.
func TestTriggerSetBetweenPoints(t *testing.T) {
	set := func(r *http.Request) { r.Header.Set("X-Fault", "552") }
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, "")
	same := loadBeside(t, outer, `{"point": "same", "triggers": [{"source": "header"}]}`)
	if status, _ := askBoth(t, outer, same, set, "X-Fault", "delay 1ns"); status != 552 {
		t.Errorf("got %d, want what has been set, 552", status)
	}
	other := loadBeside(t, outer, `{"point": "other", "triggers": [{"source": "header", "name": "X-Other"}]}`)
	if status, seen := askBoth(t, outer, other, set, "X-Fault", "delay 1ns"); status != 200 || len(seen) > 0 {
		t.Errorf("got %d, the upstream saw %v, want 200 and nothing", status, seen)
	}
}

// A trigger that led to the error route is not used again by a point of the error
// route.
func TestTriggerInErrorRoute(t *testing.T) {
	point := `"triggers": [{"source": "header"}]}`
	outer := load(t, `{"point": "outer", `+point, "")
	inner := loadBeside(t, outer, `{"point": "inner", `+point)
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	r.Header.Set("X-Fault", "error 502")
	err := outer.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream))
	if err == nil {
		t.Fatal("got no error")
	}
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.ErrorCtxKey, err))
	if err := inner.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil || r.Header.Get("X-Fault") != "" {
		t.Errorf("got error %v and field %q", err, r.Header.Get("X-Fault"))
	}
}

// While all faults are halted, every point removes triggers.
func TestTriggersHaltedAtEveryPoint(t *testing.T) {
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, `{"halted": true}`)
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}]}`)
	if status, seen := askBoth(t, outer, inner, nil, "X-Fault", "551"); status != 200 || len(seen) > 0 {
		t.Errorf("got %d, the upstream saw %v", status, seen)
	}
}

// The stored parts of a trigger may contain its key, so nothing can print them.
func TestTakenOutShowsNothing(t *testing.T) {
	const takenOut = "http.fault.taken_out"
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}]}`, "")
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}]}`)
	kept := false
	askBoth(t, outer, inner, func(r *http.Request) {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		value, is := repl.Get(takenOut)
		text, err := json.Marshal(value)
		if kept = is; err != nil || string(text) != "{}" {
			t.Errorf("as JSON: got %s, %v", text, err)
		}
		if got := repl.ReplaceAll("{"+takenOut+"}", "empty"); got != "empty" && got != "" {
			t.Errorf("as a placeholder: got %q", got)
		}
	}, "X-Fault", "delay 1ns")
	if !kept {
		t.Error("nothing is kept")
	}
}

// A request without a trigger allocates nothing, even with several points with
// triggers.
func TestNoTriggerAllocatesNothing(t *testing.T) {
	outer := load(t, `{"point": "outer", "triggers": [{"source": "header"}, {"source": "envoy"}]}`, "")
	inner := loadBeside(t, outer, `{"point": "inner", "triggers": [{"source": "header"}, {"source": "envoy"}]}`)
	plain := loadBeside(t, outer, `{"point": "plain"}`)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	w := &testkit.Discard{Fields: make(http.Header)}
	r := testkit.Request(http.MethodGet, "/", w)
	for _, h := range []*Handler{inner, plain} {
		if got := testing.AllocsPerRun(100, func() { _ = h.ServeHTTP(w, r, next) }); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", h.Point.Name, got)
		}
	}
}

// BenchmarkTriggerAtPoint measures the cost of an absent trigger at a point, alone and
// next to another point that removes fields.
func BenchmarkTriggerAtPoint(b *testing.B) {
	h := load(b, testkit.Triggered(`{"source": "header"}`), "")
	w := &testkit.Discard{Fields: make(http.Header)}
	r := testkit.Request(http.MethodGet, "/", w)
	for _, name := range []string{"alone", "beside"} {
		if name == "beside" {
			loadBeside(b, h, `{"point": "second", "triggers": [{"source": "header"}]}`)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.decide(w, r, h.fields.Enter(r))
			}
		})
	}
}
