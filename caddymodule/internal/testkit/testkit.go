// Package testkit has what the tests of several packages share: a configuration with a
// separate control, requests as Caddy passes them to a handler, and an upstream.
// Package testnode adds an injection point and the API. Only tests import these
// packages.
package testkit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // the matchers, storages and apps of the tests
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // the faults of the tests
)

// Provision returns the context of a configuration with this app and a separate
// control. The control ends with the test.
func Provision(t testing.TB, ctl *control.Control, app string) (caddy.Context, error) {
	t.Helper()
	t.Cleanup(ctl.BeginExit)
	storage, err := json.Marshal(map[string]string{"module": "file_system", "root": t.TempDir()})
	if err != nil {
		return caddy.Context{}, err
	}
	cfg := &caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}, StorageRaw: storage, AppsRaw: caddy.ModuleMap{}}
	ctx, err := caddy.ProvisionContext(cfg)
	if err != nil {
		return caddy.Context{}, err
	}
	if app != "" { // Caddy loads the app on demand, in a context that has the control
		cfg.AppsRaw["fault"] = []byte(app)
	}
	ctx.Context = ctl.With(ctx.Context)
	return ctx, nil
}

// ProvisionCaddyfile returns the context of the configuration of a Caddyfile, with a
// separate control. The configuration is not started.
func ProvisionCaddyfile(t *testing.T, ctl *control.Control, caddyfile string) caddy.Context {
	t.Helper()
	config, err := Adapt(t, caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		t.Fatal(err)
	}
	return provisionApps(t, ctl, cfg.AppsRaw)
}

// ProvisionHTTP is like ProvisionCaddyfile, with the JSON of an http app.
func ProvisionHTTP(t testing.TB, ctl *control.Control, config string) caddy.Context {
	t.Helper()
	return provisionApps(t, ctl, caddy.ModuleMap{"http": []byte(config)})
}

func provisionApps(t testing.TB, ctl *control.Control, apps caddy.ModuleMap) caddy.Context {
	t.Helper()
	storage, err := json.Marshal(map[string]string{"module": "file_system", "root": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	cfg := &caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}, StorageRaw: storage}
	empty, err := caddy.ProvisionContext(cfg)
	if err != nil {
		t.Fatal(err)
	}
	cfg.AppsRaw = apps // Caddy loads an app on demand, in a context that has the control
	empty.Context = ctl.With(empty.Context)
	ctx, cancel := caddy.NewContext(empty) // can be canceled
	t.Cleanup(ctl.BeginExit)
	t.Cleanup(cancel)
	if _, err := ctx.App("http"); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// App returns the app of a configuration, and loads it first if necessary.
func App(t testing.TB, ctx caddy.Context) *control.App {
	t.Helper()
	app, err := ctx.App("fault")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*control.App)
}

// Load provisions a module in a context and cleans it up when the test ends.
func Load[T caddy.CleanerUpper](t testing.TB, ctx caddy.Context, id, config string) (module T, err error) {
	t.Helper()
	loaded, err := ctx.LoadModuleByID(id, []byte(config))
	if err != nil {
		return module, err
	}
	module = loaded.(T)
	t.Cleanup(func() {
		if err := module.Cleanup(); err != nil {
			t.Error(err)
		}
	})
	return module, nil
}

// Request returns a request as Caddy's server passes it to a handler. It is over
// HTTP/2, where a reply does not need a connection.
func Request(method, target string, w http.ResponseWriter) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.ProtoMajor, r.ProtoMinor = 2, 0
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
}

// Get requests a path from a handler and returns the reply, its body and its error.
func Get(t testing.TB, h caddyhttp.MiddlewareHandler, target string, next caddyhttp.HandlerFunc) (*http.Response, string, error) {
	t.Helper()
	w := httptest.NewRecorder()
	err := h.ServeHTTP(w, Request(http.MethodGet, target, w), next)
	resp := w.Result()
	body, readErr := io.ReadAll(resp.Body)
	if readErr != nil {
		t.Fatal(readErr)
	}
	return resp, string(body), err
}

// Outcome is the result of a request.
type Outcome struct {
	Status   int // 0 if aborted
	Body     string
	Header   http.Header
	Took     time.Duration
	Upstream http.Header // what the upstream received; nil if nothing
}

// Ask sends a request with these header fields, alternating names and values, to a
// handler in front of [Upstream].
func Ask(h caddyhttp.MiddlewareHandler, fields ...string) (got Outcome) {
	w := httptest.NewRecorder()
	r := Request(http.MethodGet, "/", w)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	start := time.Now()
	defer func() {
		got.Took = time.Since(start)
		if p := recover(); p != nil {
			if p != any(http.ErrAbortHandler) {
				panic(p)
			}
			got.Status = 0
		}
	}()
	err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		got.Upstream = r.Header.Clone()
		return Upstream(w, r)
	}))
	got.Status, got.Body, got.Header = w.Code, w.Body.String(), w.Header()
	if err != nil {
		got.Status = http.StatusInternalServerError
		if he, ok := errors.AsType[caddyhttp.HandlerError](err); ok && he.StatusCode != 0 {
			got.Status = he.StatusCode
		}
	}
	return got
}

// UpstreamBody is the body of [Upstream].
const UpstreamBody = "hello from the upstream"

// Upstream replies like a proxied upstream.
func Upstream(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Length", strconv.Itoa(len(UpstreamBody)))
	w.Header().Set("X-Upstream", "1")
	w.WriteHeader(http.StatusOK)
	_, err := w.Write([]byte(UpstreamBody))
	return err
}

// Grows checks by how much a counter grows until the end of the test, because counters
// belong to the process.
func Grows(t *testing.T, counter prometheus.Counter, want float64) {
	t.Helper()
	before := testutil.ToFloat64(counter)
	t.Cleanup(func() {
		if got := testutil.ToFloat64(counter) - before; got != want {
			t.Errorf("%v: grew by %v, want %v", counter.Desc(), got, want)
		}
	})
}

// WantPassed checks how many requests a rule lets pass for a reason until the end of
// the test.
func WantPassed(t *testing.T, point, rule, reason string, want float64) {
	t.Helper()
	Grows(t, metrics.PassedTotal.WithLabelValues(point, rule, reason), want)
}

// Discard is a response writer that keeps only the header.
type Discard struct{ Fields http.Header }

// Header returns the fields.
func (d *Discard) Header() http.Header { return d.Fields }

// WriteHeader does nothing.
func (d *Discard) WriteHeader(int) {}

// Write does nothing.
func (d *Discard) Write(p []byte) (int, error) { return len(p), nil }

// Triggered returns a point with a trigger, given as JSON.
func Triggered(trigger string) string {
	return `{"point": "trig", "match": [{"path": ["/*"]}], "triggers": [` + trigger + `]}`
}

// HealthCheck returns a request like a health check of reverse_proxy.
func HealthCheck(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	return r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddy.NewReplacer()))
}

// HitJournal does with the journal what a hit does.
func HitJournal(ctl *control.Control) {
	rec := ctl.Journal.Add(&experiments.Entry{Time: time.Now(), Point: "shop", Rule: "gone", Kind: "respond", Method: "GET", Host: "shop.example.com", Path: "/gone"})
	ctl.Counts.Send()
	ctl.Journal.Finish(rec, experiments.End{Took: time.Millisecond, Bytes: 1})
}
