package inject

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// load provisions a handler and an app from their JSON.
func load(t testing.TB, config, app string) *Handler {
	t.Helper()
	h, err := tryLoad(t, config, app)
	if err != nil {
		t.Fatalf("loading %s: %v", config, err)
	}
	return h
}

func tryLoad(t testing.TB, config, app string) (*Handler, error) {
	t.Helper()
	ctx, err := testkit.Provision(t, control.New(), app)
	if err != nil {
		return nil, err
	}
	return testkit.Load[*Handler](t, ctx, "http.handlers.fault", config)
}

const mail = `{"point": "fault1", "match": [{"path": ["/mail/*"]}], "rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`

func TestMainJob(t *testing.T) {
	h := load(t, mail, "")
	resp, body, err := testkit.Get(t, h, "/mail/inbox", func(http.ResponseWriter, *http.Request) error {
		t.Error("the upstream was asked")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"error": "server_error", "message": "User Not Local"}`; resp.StatusCode != 551 || body != want {
		t.Errorf("got %d %s, want 551 %s", resp.StatusCode, body, want)
	}
	resp, body, err = testkit.Get(t, h, "/other", testkit.Upstream)
	if err != nil || resp.StatusCode != 200 || body != testkit.UpstreamBody {
		t.Errorf("got %d %s, %v, want the upstream's reply", resp.StatusCode, body, err)
	}
	if got := resp.Header.Get("X-Fault-Injected"); got != "" {
		t.Errorf("a reply that passed says it was injected by %q", got)
	}
}

func TestDisclose(t *testing.T) {
	tests := []struct{ name, app, field, want string }{
		{"default", "", "X-Fault-Injected", "fault1/rule1"},
		{"renamed", `{"disclose": "x-chaos"}`, "X-Chaos", "fault1/rule1"},
		{"renamed, the default is gone", `{"disclose": "x-chaos"}`, "X-Fault-Injected", ""},
		{"off", `{"disclose": "off"}`, "X-Fault-Injected", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, err := testkit.Get(t, load(t, mail, tt.app), "/mail/x", testkit.Upstream)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get(tt.field); got != tt.want {
				t.Errorf("got %s %q, want %q", tt.field, got, tt.want)
			}
		})
	}
}

func TestAppRefused(t *testing.T) {
	for _, tt := range []struct{ app, want string }{
		{`{"disclose": "X A"}`, "disclose: bad header name 'X A'; write another field such as X-Chaos, or off"},
		{`{"disclose": "X:"}`, "disclose: bad header name 'X:'"},
		{`{"disclose": "transfer-encoding"}`, "disclose: header 'Transfer-Encoding' frames the message"},
		{`{"disclose": "Content-Length"}`, "frames the message"},
		{`{"disclose": "Connection"}`, "frames the message"},
		{`{"disclose": "Trailer"}`, "frames the message"},
		{`{"colour": "red"}`, `unknown field "colour"`},
	} {
		if _, err := tryLoad(t, mail, tt.app); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want %q", tt.app, err, tt.want)
		}
	}
}

// In phase request the upstream gets the original writer, whether the request is hit or
// not. Only a hit whose client is recorded has a track around it.
func TestPhaseRequestWrapsNothing(t *testing.T) {
	for _, config := range []string{
		`{}`,
		mail,
		`{"rules": [{"percent": 0, "faults": [{"fault": "close"}]}]}`,
		`{"rules": [{"faults": [{"fault": "delay", "duration": "1ns"}]}]}`,
		`{"rules": [{"dry_run": true, "faults": [{"fault": "close"}]}]}`,
		`{"rules": [{"phase": "response", "match": [{"path": ["/other"]}], "faults": [{"fault": "close"}]}]}`,
		`{"rules": [{"phase": "response", "percent": 0, "faults": [{"fault": "close"}]}]}`,
	} {
		h := load(t, config, "")
		w := httptest.NewRecorder()
		asked := false
		err := h.ServeHTTP(w, testkit.Request(http.MethodGet, "/", w), caddyhttp.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) error {
			asked = true
			if h.watch != nil {
				if track, ok := got.(*track); ok {
					got = track.ResponseWriter
				}
			}
			if got != http.ResponseWriter(w) {
				t.Errorf("%s: the upstream writes to a %T", config, got)
			}
			return nil
		}))
		if err != nil || !asked {
			t.Errorf("%s: asked upstream: %v, error %v", config, asked, err)
		}
	}
}

func TestMissAllocatesNothing(t *testing.T) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	for _, config := range []string{
		`{}`,
		mail,
		`{"rules": [{"match": [{"header": {"X-A": ["1"]}}], "faults": [{"fault": "close"}]}]}`,
		`{"rules": [{"percent": 0, "faults": [{"fault": "close"}]}]}`,
		`{"seed": 1, "rules": [{"percent": 0, "phase": "response", "faults": [{"fault": "close"}]}]}`,
	} {
		h := load(t, config, "")
		w := httptest.NewRecorder()
		r := testkit.Request(http.MethodGet, "/other", w)
		if allocs := testing.AllocsPerRun(1000, func() { _ = h.ServeHTTP(w, r, next) }); allocs != 0 {
			t.Errorf("%s: got %v allocations, want none", config, allocs)
		}
	}
}

// A hit allocates what outlives it. The records of the journal are allocated many at a
// time.
func TestHitAllocatesLittle(t *testing.T) {
	h := load(t, `{"rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`, "")
	w := &testkit.Discard{Fields: make(http.Header)}
	r := testkit.Request(http.MethodGet, "/", w)
	allocs := testing.AllocsPerRun(1000, func() {
		asNew(w, r)
		_ = h.ServeHTTP(w, r, nil)
	})
	if allocs > 2 { // the injection, and the values of the fields
		t.Errorf("got %v allocations, want 2", allocs)
	}
}

func TestLabels(t *testing.T) {
	const config = `{"point": "labels", "rules": [{"name": "slow", "faults": [
		{"fault": "delay", "duration": "1ns"},
		{"fault": "respond", "status_code": 500, "body": "{http.fault.rule} {http.fault.kind} {http.fault.id}"}]}]}`
	h := load(t, config, "")
	testkit.Grows(t, metrics.InjectedTotal.WithLabelValues("labels", "slow", "delay+respond"), 1)
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	if err := h.ServeHTTP(w, r, nil); err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^slow delay\+respond [0-9a-f]{16}$`).MatchString(w.Body.String()) {
		t.Fatalf("got placeholders %q", w.Body)
	}
	first := &injection{label: h.labelOf(h.Rules[0]), id: 0xab}
	first.addToLog(t.Context())
	second := &injection{label: h.labelOf(h.Rules[0]), id: 0xcd, before: first}
	for _, tt := range []struct {
		hit  *injection
		want map[string]any
	}{
		{first, map[string]any{"fault_rule": "slow", "fault_kind": "delay+respond", "fault_id": "00000000000000ab"}},
		{second, map[string]any{
			"fault_rule": "slow,slow", "fault_kind": "delay+respond,delay+respond",
			"fault_id": "00000000000000ab,00000000000000cd",
		}},
	} {
		tt.hit.addToLog(t.Context())
		line := zapcore.NewMapObjectEncoder()
		if err := first.log.MarshalLogObject(line); err != nil || !maps.Equal(line.Fields, tt.want) {
			t.Errorf("got log fields %v, %v, want %v", line.Fields, err, tt.want)
		}
	}
}

func TestDryRun(t *testing.T) {
	for _, phase := range []string{"request", "response"} {
		t.Run(phase, func(t *testing.T) {
			point := "dry_" + phase
			h := load(t, `{"point": "`+point+`", "rules": [{"phase": "`+phase+`", "dry_run": true, "faults": [{"fault": "close"}]}]}`, "")
			testkit.Grows(t, metrics.PassedTotal.WithLabelValues(point, "rule1", "dry_run"), 1)
			testkit.Grows(t, metrics.InjectedTotal.WithLabelValues(point, "rule1", "close"), 0)
			logs := Observe(h)
			resp, body, err := testkit.Get(t, h, "/", testkit.Upstream)
			if err != nil || resp.StatusCode != 200 || body != testkit.UpstreamBody || resp.Header.Get("X-Fault-Injected") != "" {
				t.Errorf("got %d %v %s, %v, want the upstream's reply", resp.StatusCode, resp.Header, body, err)
			}
			if logs.FilterMessage("would have injected a fault").Len() != 1 {
				t.Errorf("got log %v", logs.All())
			}
		})
	}
}

func TestDebugLine(t *testing.T) {
	h := load(t, mail, "")
	logs := Observe(h)
	for _, target := range []string{"/mail/x", "/other"} {
		if _, _, err := testkit.Get(t, h, target, testkit.Upstream); err != nil {
			t.Fatal(err)
		}
	}
	lines := logs.All()
	if len(lines) != 1 || lines[0].Level != zapcore.DebugLevel {
		t.Fatalf("got lines %v, want one debug line", lines)
	}
	fields := lines[0].ContextMap()
	for name, want := range map[string]string{"point": "fault1", "rule": "rule1", "kind": "respond", "method": "GET", "uri": "/mail/x"} {
		if fields[name] != want {
			t.Errorf("%s: got %v, want %s", name, fields[name], want)
		}
	}
}

func TestPercentCounted(t *testing.T) {
	h := load(t, `{"point": "counted", "rules": [{"percent": 0, "faults": [{"fault": "close"}]}]}`, "")
	testkit.Grows(t, metrics.PassedTotal.WithLabelValues("counted", "rule1", "percent"), 3)
	for range 3 {
		if _, _, err := testkit.Get(t, h, "/", testkit.Upstream); err != nil {
			t.Fatal(err)
		}
	}
}

// failing is a matcher that fails for every request.
const failing = `"match": [{"expression": "{http.request.header.X-N} / 0 == 1"}]`

// A matcher that fails does not match and is counted, both at a rule and at the point,
// with and without a trigger.
func TestMatcherErrorsCounted(t *testing.T) {
	const rules = `"rules": [{"faults": [{"fault": "close"}]}]`
	for _, tt := range []struct{ config, rule string }{
		{`{"point": "merr", "rules": [{` + failing + `, "faults": [{"fault": "close"}]}]}`, "rule1"},
		{`{"point": "merr", "rules": [{` + failing + `, "phase": "response", "faults": [{"fault": "close"}]}]}`, "rule1"},
		{`{"point": "merr", ` + failing + `, ` + rules + `}`, ""},
		{`{"point": "merr", ` + failing + `, "triggers": [{"source": "header"}], ` + rules + `}`, ""},
	} {
		t.Run(tt.config, func(t *testing.T) {
			h := load(t, tt.config, "")
			testkit.Grows(t, metrics.PassedTotal.WithLabelValues("merr", tt.rule, "match_error"), 2)
			for range 2 {
				w := httptest.NewRecorder()
				r := testkit.Request(http.MethodGet, "/", w)
				r.Header.Set("X-Fault", "551")
				if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil || w.Code != http.StatusOK {
					t.Errorf("got %d, %v, want the upstream's reply", w.Code, err)
				}
			}
		})
	}
}

// Two points with a delay and a respond, in either order. The texts of the inner fault
// refer to the inner rule.
func TestNestedPoints(t *testing.T) {
	outer := load(t, `{"point": "outer", "rules": [{"name": "out", "faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
	inner := load(t, `{"point": "inner", "rules": [{"name": "in", "faults": [{"fault": "respond", "status_code": 500, "body": "{http.fault.rule}"}]}]}`, "")
	resp, body, err := testkit.Get(t, outer, "/", func(w http.ResponseWriter, r *http.Request) error {
		return inner.ServeHTTP(w, r, nil)
	})
	if err != nil || resp.StatusCode != 500 || body != "in" {
		t.Errorf("got %d %q, %v, want 500 in", resp.StatusCode, body, err)
	}
}

func TestUpstreamErrorPasses(t *testing.T) {
	want := errors.New("upstream failed")
	for _, config := range []string{mail, `{"rules": [{"match_response": {"status_code": [404]}, "faults": [{"fault": "close"}]}]}`} {
		if _, _, err := testkit.Get(t, load(t, config, ""), "/", func(http.ResponseWriter, *http.Request) error { return want }); !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", config, err, want)
		}
	}
}

// A request that a kind lets pass unchanged is counted under its reason.
func TestKindPassCounted(t *testing.T) {
	h := load(t, `{"point": "kindpass", "rules": [{"faults": [{"fault": "truncate", "percent": 50}]}]}`, "")
	testkit.Grows(t, metrics.PassedTotal.WithLabelValues("kindpass", "rule1", "no_length"), 1)
	_, _, err := testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write([]byte("of no declared length"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
