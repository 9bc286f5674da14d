package control_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

func TestAppJournal(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{"journal": 2}`)
	for range 3 {
		n.Hit("/gone")
	}
	if got := len(slices.Collect(n.Ctl.Journal.Entries(experiments.Query{}))); got != 2 {
		t.Errorf("%d entries, want 2", got)
	}
	e := slices.Collect(n.Ctl.Journal.Entries(experiments.Query{Limit: 1}))[0]
	if e.Seq != 3 || e.Point != "shop" || e.Rule != "gone" || e.Kind != "respond" || e.Method != "GET" || e.Host != "example.com" || e.Path != "/gone" || !e.Done {
		t.Errorf("got %+v", e)
	}
	next := control.NewApp(n.App.Context(), n.Ctl, new(int)) // a configuration without a journal
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	if got := len(slices.Collect(n.Ctl.Journal.Entries(experiments.Query{}))); got != 2 {
		t.Errorf("%d entries, want 2 while Caddy may discard the next configuration", got)
	}
	if err := n.App.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := len(slices.Collect(n.Ctl.Journal.Entries(experiments.Query{}))); got != 0 {
		t.Errorf("%d entries, want none", got)
	}
	if err := next.Stop(); err != nil {
		t.Fatal(err)
	}
}

// Only errors of upstreams without an injected fault count, each request once.
func TestHaltWhen(t *testing.T) {
	failing := func(status int) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			text.Replacer(r).Set("http.reverse_proxy.status_code", status)
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
		{"injected after an error", "/delayed", failing(500), time.Second, false},
		{"watched, not injected", "/watched", failing(500), time.Second, true},
		{"another's 500", "/", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(500); return nil }, time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, `{"point": "watch", "rules": [
					{"match": [{"path": ["/injected"]}], "faults": [{"fault": "respond", "status_code": 500}]},
					{"match": [{"path": ["/delayed"]}], "faults": [{"fault": "delay", "duration": "1ns"}]},
					{"match": [{"path": ["/watched"]}], "match_response": {"status_code": [404]}, "faults": [{"fault": "close"}]}]}`,
					`{"halt_when": {"errors": 2, "window": "1m"}}`)
				inner := n.Beside(`{"point": "inner"}`)
				for i := range 3 {
					if n.Ctl.Switch.Halted() {
						t.Fatalf("halted after %d errors", i)
					}
					_, _, _ = testkit.Get(t, n.Handler, tt.path, func(w http.ResponseWriter, r *http.Request) error {
						return inner.ServeHTTP(w, r, tt.upstream)
					})
					time.Sleep(tt.pause)
				}
				if got := n.Ctl.Switch.State(); got.Halted != tt.halts || tt.halts && got.Why != "halt_when" {
					t.Errorf("got %+v, want halted: %v", got, tt.halts)
				}
				synctest.Wait()
				next := control.New()
				next.Restore(n.App.Context())
				if got := next.Switch.Halted(); got != tt.halts {
					t.Errorf("the next process is halted: %v", got)
				}
				next.BeginExit()
				n.Ctl.BeginExit()
			})
		})
	}
}

// One of many concurrent errors halts, and another one after a resume.
func TestHaltWhenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "watch"}`, `{"halt_when": {"errors": 2, "window": "1m"}}`)
		const halting = "halting all faults: too many upstream errors"
		core, logs := observer.New(zapcore.WarnLevel)
		var proceed chan struct{} // a halt logs before it changes the switch
		n.App.SetLogger(zap.New(core, zap.Hooks(func(e zapcore.Entry) error {
			if e.Message == halting {
				<-proceed
			}
			return nil
		})))

		for halts := 1; halts <= 2; halts++ {
			proceed = make(chan struct{})
			for range 10 {
				_, _, _ = testkit.Get(t, n.Handler, "/", func(http.ResponseWriter, *http.Request) error {
					return caddyhttp.Error(502, errors.New("dial failed"))
				})
			}
			close(proceed)
			synctest.Wait()
			if got := logs.FilterMessage(halting).Len(); got != halts || !n.Ctl.Switch.Halted() {
				t.Errorf("%d halts, want %d; halted: %v", got, halts, n.Ctl.Switch.Halted())
			}
			n.Want(200, "POST", "/resume", "", "")
			_, _, _ = testkit.Get(t, n.Handler, "/", func(http.ResponseWriter, *http.Request) error {
				return caddyhttp.Error(502, errors.New("dial failed"))
			})
			synctest.Wait()
			if n.Ctl.Switch.Halted() {
				t.Error("halted by errors from before the resume")
			}
		}
		n.Ctl.BeginExit()
	})
}

// answering is a transport that answers as its context says.
type answering struct {
	answer func(*http.Request) (*http.Response, error)
}

type answerKey struct{}

func init() { caddy.RegisterModule(new(answering)) }

func (*answering) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.answering", New: func() caddy.Module { return new(answering) }}
}

func (a *answering) Provision(ctx caddy.Context) error {
	a.answer = ctx.Value(answerKey{}).(func(*http.Request) (*http.Response, error))
	return nil
}

func (a *answering) RoundTrip(r *http.Request) (*http.Response, error) { return a.answer(r) }

// At a transport each attempt counts once, with or without a handler in front.
func TestHaltWhenInTransport(t *testing.T) {
	const injecting = `{"point": "t", "rules": [
		{"match": [{"path": ["/injected"]}], "faults": [{"fault": "respond", "status_code": 503}]},
		{"match": [{"path": ["/again"]}], "times": 1, "per": "{http.request.uuid}", "faults": [{"fault": "reset"}]}], "transport": {"protocol": "answering"}}`
	failing := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 503, Header: make(http.Header), Body: http.NoBody}, nil
	}
	down := func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("dial failed") }
	client := func(path string) func() *http.Request {
		return func() *http.Request { return testkit.Request(http.MethodGet, path, nil) }
	}
	gone := func() *http.Request {
		r := testkit.Request(http.MethodGet, "/", nil)
		ctx, leave := context.WithCancel(r.Context())
		leave()
		return r.WithContext(ctx)
	}
	tests := []struct {
		name, config string
		upstream     func(*http.Request) (*http.Response, error)
		request      func() *http.Request
		attempts     int
		behind       bool // a handler
		halts        bool
	}{
		{"errors", injecting, failing, client("/"), 1, false, true},
		{"upstream is down", injecting, down, client("/"), 1, false, true},
		{"with a handler in front", injecting, failing, client("/"), 1, true, true},
		{"down, with a handler in front", injecting, down, client("/"), 1, true, true},
		{"in another transport", `{"point": "t", "transport": {"protocol": "fault", "transport": {"protocol": "answering"}}}`, failing, client("/"), 1, false, true},
		{"injected", injecting, failing, client("/injected"), 1, false, false},
		{"after an injected attempt", injecting, failing, client("/again"), 2, false, false},
		{"health checks", injecting, failing, func() *http.Request { return testkit.HealthCheck("/") }, 1, false, false},
		{"client has left", injecting, down, gone, 1, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := testnode.Start(t, `{"point": "front"}`, `{"halt_when": {"errors": 2, "window": "1m"}}`)
				ctx := n.App.Context()
				tr, err := testkit.Load[*inject.Transport](t, ctx.WithValue(answerKey{}, tt.upstream), "http.reverse_proxy.transport.fault", tt.config)
				if err != nil {
					t.Fatal(err)
				}
				proxy := func(_ http.ResponseWriter, r *http.Request) error {
					var resp *http.Response
					var err error
					for range tt.attempts {
						resp, err = tr.RoundTrip(r)
					}
					if err != nil {
						return caddyhttp.Error(http.StatusBadGateway, err)
					}
					text.Replacer(r).Set("http.reverse_proxy.status_code", resp.StatusCode)
					return nil
				}
				for i := range 3 {
					if n.Ctl.Switch.Halted() {
						t.Fatalf("halted after %d errors", i)
					}
					if tt.behind {
						_, _, _ = testkit.Get(t, n.Handler, "/", proxy)
					} else {
						_ = proxy(nil, tt.request())
					}
					synctest.Wait()
				}
				if got := n.Ctl.Switch.State(); got.Halted != tt.halts {
					t.Errorf("got %+v, want halted: %v", got, tt.halts)
				}
				n.Ctl.BeginExit()
			})
		})
	}
}

// listener receives the events of the events app.
type listener chan string

func (l listener) Handle(_ context.Context, e caddy.Event) error {
	l <- fmt.Sprint(e.Name(), " ", e.Data["experiment"], " ", e.Data["why"])
	return nil
}

func TestEvents(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	heard := make(listener, 2) // and the halt that ends the test
	for _, name := range []string{"fault_halted", "fault_resumed", "fault_experiment_started", "fault_experiment_extended", "fault_experiment_ended"} {
		if err := n.App.Events().On(name, heard); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ method, path, body, want string }{
		{"PUT", "/experiments/a", testnode.Slow500, "fault_experiment_started a <nil>"},
		{"PATCH", "/experiments/a", `{"ttl": "1h"}`, "fault_experiment_extended a <nil>"},
		{"DELETE", "/experiments/a", "", "fault_experiment_ended a deleted"},
		{"POST", "/halt", "", "fault_halted <nil> api"},
		{"POST", "/resume", "", "fault_resumed <nil> api"},
	} {
		n.Do(step.method, step.path, step.body)
		if got := <-heard; got != step.want {
			t.Errorf("%s %s: got event %q, want %q", step.method, step.path, got, step.want)
		}
	}
}

// loadApp provisions a handler and returns the app that it loads.
func loadApp(t *testing.T, ctx caddy.Context, handler string) *control.App {
	t.Helper()
	if _, err := testnode.LoadIn(t, ctx, handler); err != nil {
		t.Fatal(err)
	}
	return testkit.App(t, ctx)
}

// Caddy may discard a configuration after its apps have started. It cleans the apps up
// without stopping them, and nothing has changed.
func TestConfigurationGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "held"}`, "")
		n.Put("a", `{"points": ["held"], "faults": [{"fault": "close"}]}`)
		n.Ctl.Journal.Add(&experiments.Entry{Rule: "a"})
		ctx, err := testkit.Provision(t, n.Ctl, `{"halted": true, "journal": 0}`)
		if err != nil {
			t.Fatal(err)
		}
		other := loadApp(t, ctx, `{"point": "other"}`)
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		if err := other.Cleanup(); err != nil {
			t.Fatal(err)
		}
		n.Want(200, "GET", "/", "", `"halted": false`)
		n.Want(200, "GET", "/experiments/a", "", `"held"`)
		n.Want(200, "GET", "/journal", "", `"rule": "a"`)
		n.Want(201, "PUT", "/experiments/b", testnode.Slow500, `"held"`)
	})
}

// A halt by the configuration ends with the configuration. A halt by the API stays.
func TestConfiguredHalt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := control.New()
		app := func(halted bool) *control.App {
			ctx, err := testkit.Provision(t, ctl, fmt.Sprintf(`{"halted": %v}`, halted))
			if err != nil {
				t.Fatal(err)
			}
			return loadApp(t, ctx, `{}`)
		}
		halted, plain := app(true), app(false)
		become := func(running ...*control.App) bool {
			ctl.Run(running...)
			return ctl.Switch.Halted()
		}
		if become(plain) || become(plain, halted) || !become(halted) || !become(halted, plain) || become(plain) || !become(halted) || become() {
			t.Error("the switch does not follow the configuration")
		}
		ctl.Switch.Set(control.NewState(true, control.Cause{Why: "api"}))
		if !become(plain) || !become(halted) || !become(plain) {
			t.Error("a halt by the API has ended with a configuration")
		}
	})
}

// An expression for which Caddy panics, and a name that is the same for each request, are
// refused at load.
func TestAppRefused(t *testing.T) {
	for config, want := range map[string]string{
		`{"exempt": [{"expression": {}}]}`:                            "exempt[0].expression: want an expression",
		`{"exempt": [{"path": ["/a"]}, {"expression": 7}]}`:           "exempt[1].expression: want an expression",
		`{"clients": {"idempotent": [{"expression": {"expr": ""}}]}}`: "idempotent[0].expression: want an expression",
		`{"clients": {"call": "X-Call"}}`:                             "bad call 'X-Call': without a placeholder",
		`{"clients": {"client": "{header.X-Client}"}}`:                "bad client '{header.X-Client}': the short form works only in a Caddyfile",
	} {
		ctx, err := testkit.Provision(t, control.New(), config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ctx.App("fault"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", config, err, want)
		}
	}
}
