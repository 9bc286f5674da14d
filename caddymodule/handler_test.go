package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
)

// load provisions a handler from its JSON, beside an app from its own.
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
	ctx, err := provision(t, newControl(), app)
	if err != nil {
		return nil, err
	}
	return tryLoadIn(t, ctx, config)
}

// tryLoadIn provisions a handler in a context.
func tryLoadIn(t testing.TB, ctx caddy.Context, config string) (*Handler, error) {
	t.Helper()
	mod, err := ctx.LoadModuleByID("http.handlers.fault", []byte(config))
	if err != nil {
		return nil, err
	}
	h := mod.(*Handler)
	t.Cleanup(func() {
		if err := h.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return h, nil
}

// provision returns the context of a configuration with this app, and with a
// control of its own. What the control holds ends with the test.
func provision(t testing.TB, ctl *control, app string) (caddy.Context, error) {
	t.Helper()
	t.Cleanup(ctl.beginExit)
	storage, err := json.Marshal(map[string]string{"module": "file_system", "root": t.TempDir()})
	if err != nil {
		return caddy.Context{}, err
	}
	cfg := &caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}, StorageRaw: storage, AppsRaw: caddy.ModuleMap{}}
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		return caddy.Context{}, err
	}
	if app != "" { // Caddy loads it when somebody asks for it, in a context that has the control
		cfg.AppsRaw["fault"] = []byte(app)
	}
	ctx.Context = context.WithValue(ctx.Context, controlKey{}, ctl)
	return ctx, nil
}

// request is one as Caddy's server hands it to a handler; over HTTP/2, where a
// reply needs no connection of its own.
func request(method, target string, w http.ResponseWriter) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.ProtoMajor, r.ProtoMinor = 2, 0
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
}

// get asks the handler for a path and tells what came of it.
func get(t testing.TB, h *Handler, target string, next caddyhttp.HandlerFunc) (*http.Response, string, error) {
	t.Helper()
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, request(http.MethodGet, target, w), next)
	resp := w.Result()
	body, readErr := io.ReadAll(resp.Body)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return resp, string(body), err
}

// grows checks by how much a counter grows until the end of the test: counters
// belong to the process.
func grows(t *testing.T, counter prometheus.Counter, want float64) {
	t.Helper()
	before := testutil.ToFloat64(counter)
	t.Cleanup(func() {
		if got := testutil.ToFloat64(counter) - before; got != want {
			t.Errorf("%v: grew by %v, want %v", counter.Desc(), got, want)
		}
	})
}

const mail = `{"point": "fault1", "match": [{"path": ["/mail/*"]}], "rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`

func TestMainJob(t *testing.T) {
	h := load(t, mail, "")
	resp, body, err := get(t, h, "/mail/inbox", func(http.ResponseWriter, *http.Request) error {
		t.Error("the upstream was asked")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"error": "server_error", "message": "User Not Local"}`; resp.StatusCode != 551 || body != want {
		t.Errorf("got %d %s, want 551 %s", resp.StatusCode, body, want)
	}
	resp, body, err = get(t, h, "/other", upstream)
	if err != nil || resp.StatusCode != 200 || body != upstreamBody {
		t.Errorf("got %d %s, %v, want the upstream's reply", resp.StatusCode, body, err)
	}
	if got := resp.Header.Get("X-Fault-Injected"); got != "" {
		t.Errorf("a reply that was let pass says it was injected by %q", got)
	}
}

func TestDisclose(t *testing.T) {
	tests := []struct{ name, app, field, want string }{
		{"default", "", "X-Fault-Injected", "rule1"},
		{"renamed", `{"disclose": "x-chaos"}`, "X-Chaos", "rule1"},
		{"renamed, the default is gone", `{"disclose": "x-chaos"}`, "X-Fault-Injected", ""},
		{"off", `{"disclose": "off"}`, "X-Fault-Injected", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, _, err := get(t, load(t, mail, tt.app), "/mail/x", upstream)
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
		{`{"disclose": "X A"}`, "disclose: bad header name 'X A'; want a field of your own, or off"},
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

// In phase request the writer that came in goes out to the upstream: nothing
// wraps it, hit or not.
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
		err := h.ServeHTTP(w, request(http.MethodGet, "/", w), caddyhttp.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) error {
			asked = true
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
		r := request(http.MethodGet, "/other", w)
		if allocs := testing.AllocsPerRun(1000, func() { _ = h.ServeHTTP(w, r, next) }); allocs != 0 {
			t.Errorf("%s: got %v allocations, want none", config, allocs)
		}
	}
}

func TestLabels(t *testing.T) {
	const config = `{"point": "labels", "rules": [{"name": "slow", "faults": [
		{"fault": "delay", "duration": "1ns"},
		{"fault": "respond", "status_code": 500, "body": "{http.fault.rule} {http.fault.kind} {http.fault.id}"}]}]}`
	h := load(t, config, "")
	grows(t, metrics.InjectedTotal.WithLabelValues("labels", "slow", "delay+respond"), 1)
	w := httptest.NewRecorder()
	r := request(http.MethodGet, "/", w)
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
			grows(t, metrics.PassedTotal.WithLabelValues(point, "rule1", "dry_run"), 1)
			grows(t, metrics.InjectedTotal.WithLabelValues(point, "rule1", "close"), 0)
			logs := observe(h)
			resp, body, err := get(t, h, "/", upstream)
			if err != nil || resp.StatusCode != 200 || body != upstreamBody || resp.Header.Get("X-Fault-Injected") != "" {
				t.Errorf("got %d %v %s, %v, want the upstream's reply", resp.StatusCode, resp.Header, body, err)
			}
			if logs.FilterMessage("would have injected a fault").Len() != 1 {
				t.Errorf("got log %v", logs.All())
			}
		})
	}
}

// observe keeps what the handler logs.
func observe(h *Handler) *observer.ObservedLogs {
	core, logs := observer.New(zapcore.DebugLevel)
	h.logger = zap.New(core)
	return logs
}

func TestDebugLine(t *testing.T) {
	h := load(t, mail, "")
	logs := observe(h)
	for _, target := range []string{"/mail/x", "/other"} {
		if _, _, err := get(t, h, target, upstream); err != nil {
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
	grows(t, metrics.PassedTotal.WithLabelValues("counted", "rule1", "percent"), 3)
	for range 3 {
		if _, _, err := get(t, h, "/", upstream); err != nil {
			t.Fatal(err)
		}
	}
}

// failing is a matcher that fails for every request.
const failing = `"match": [{"expression": "{http.request.header.X-N} / 0 == 1"}]`

// A matcher that fails is no match, and is counted: that of a rule, and that of
// the point, with and without a trigger.
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
			grows(t, metrics.PassedTotal.WithLabelValues("merr", tt.rule, "match_error"), 2)
			for range 2 {
				w := httptest.NewRecorder()
				r := request(http.MethodGet, "/", w)
				r.Header.Set("X-Fault", "551")
				if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(upstream)); err != nil || w.Code != http.StatusOK {
					t.Errorf("got %d, %v, want the upstream's reply", w.Code, err)
				}
			}
		})
	}
}

// A delay in front of a respond of another point, and the other way round: the
// texts of the inner fault know the inner rule.
func TestNestedPoints(t *testing.T) {
	outer := load(t, `{"point": "outer", "rules": [{"name": "out", "faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
	inner := load(t, `{"point": "inner", "rules": [{"name": "in", "faults": [{"fault": "respond", "status_code": 500, "body": "{http.fault.rule}"}]}]}`, "")
	resp, body, err := get(t, outer, "/", func(w http.ResponseWriter, r *http.Request) error {
		return inner.ServeHTTP(w, r, nil)
	})
	if err != nil || resp.StatusCode != 500 || body != "in" {
		t.Errorf("got %d %q, %v, want 500 in", resp.StatusCode, body, err)
	}
}

func TestUpstreamErrorPasses(t *testing.T) {
	want := errors.New("upstream failed")
	for _, config := range []string{mail, `{"rules": [{"match_response": {"status_code": [404]}, "faults": [{"fault": "close"}]}]}`} {
		if _, _, err := get(t, load(t, config, ""), "/", func(http.ResponseWriter, *http.Request) error { return want }); !errors.Is(err, want) {
			t.Errorf("%s: got error %v, want %v", config, err, want)
		}
	}
}

// What a kind lets pass unchanged is counted under its reason.
func TestKindPassCounted(t *testing.T) {
	h := load(t, `{"point": "kindpass", "rules": [{"faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
	grows(t, metrics.PassedTotal.WithLabelValues("kindpass", "rule1", "no_length"), 1)
	_, _, err := get(t, h, "/", func(_ http.ResponseWriter, r *http.Request) error {
		faults.HitFrom(r.Context()).Pass("no_length")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
