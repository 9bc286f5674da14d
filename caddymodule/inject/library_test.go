package inject

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // all of Caddy's handlers

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// These tests check facts from caddymodule/docs/undocumented.md that no other test of
// the package needs.

// reverse_proxy stores the status of the upstream's reply in the replacer. If it cannot
// finish a reply, it panics with http.ErrAbortHandler.
func TestProxyLeaves(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "4")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "ha")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/dies" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, "lf")
	}))
	defer up.Close()
	ctx, err := testkit.Provision(t, control.New(), "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(ctx)
	defer cancel()
	mod, err := ctx.LoadModuleByID("http.handlers.reverse_proxy", []byte(`{"upstreams": [{"dial": "`+up.Listener.Addr().String()+`"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	proxy := mod.(*reverseproxy.Handler)
	for path, want := range map[string]any{"/": nil, "/dies": http.ErrAbortHandler} {
		w := httptest.NewRecorder()
		r := ToMatch(httptest.NewRequest(http.MethodGet, path, nil), caddy.NewReplacer(), w)
		got := func() (panicked any) {
			defer func() { panicked = recover() }()
			if err := proxy.ServeHTTP(w, r, nil); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			return nil
		}()
		if got != want {
			t.Errorf("%s: got panic %v, want %v", path, got, want)
		}
		if status, _ := text.Replacer(r).Get(upstreamStatusKey); status != http.StatusServiceUnavailable {
			t.Errorf("%s: {%s} is %v", path, upstreamStatusKey, status)
		}
	}
}

// Caddy's placeholders of the request read the request that the server prepared, not a
// copy.
func TestPlaceholdersReadTheRequest(t *testing.T) {
	r := testkit.Request(http.MethodGet, "/", httptest.NewRecorder())
	changed := r.WithContext(r.Context())
	changed.Method = http.MethodPut
	if got, _ := text.Replacer(changed).Get("http.request.method"); got != http.MethodGet {
		t.Errorf("the copy is read: got %v", got)
	}
	*r = *changed
	if got, _ := text.Replacer(r).Get("http.request.method"); got != http.MethodPut {
		t.Errorf("the request is not read: got %v", got)
	}
}

// A replacer may be used by several goroutines at once.
func TestReplacerAtOnce(t *testing.T) {
	repl := caddy.NewReplacer()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 1000 {
				repl.Set(injectionKey, i)
				if _, known := repl.Get(injectionKey); !known {
					t.Error("what has been set is not there")
				}
			}
		})
	}
	all.Wait() // if two goroutines write to one map, the runtime ends the process
}

// Placeholders that need more than a request are known for a request that did not come
// through a server.
func TestPlaceholdersOfMadeRequest(t *testing.T) {
	r := ToMatch(httptest.NewRequest(http.MethodGet, "/", nil), caddy.NewReplacer(), httptest.NewRecorder())
	for _, key := range []string{
		"http.request.local", "http.request.local.host", "http.request.local.port", "http.shutting_down", "http.time_until_shutdown",
		"http.request.duration", "http.request.orig_uri", "http.request.body", "http.request.uuid", "http.request.remote", "http.vars.client_ip",
	} {
		if _, known := text.Replacer(r).Get(key); !known {
			t.Errorf("{%s} is not known", key)
		}
	}
}

// brokenHandler returns an error.
type brokenHandler struct {
	Wraps int `json:"wraps,omitempty"` // an error with this status
}

func init() { caddy.RegisterModule(brokenHandler{}) }

func (brokenHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.broken", New: func() caddy.Module { return new(brokenHandler) }}
}

func (f brokenHandler) ServeHTTP(http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	if f.Wraps == 0 {
		return errors.New("plain")
	}
	return fmt.Errorf("wrapped: %w", caddyhttp.Error(f.Wraps, errors.New("inside")))
}

// Caddy's server answers an error with the status that statusOf returns.
func TestStatusOfError(t *testing.T) {
	for _, f := range []brokenHandler{{0}, {http.StatusGatewayTimeout}} {
		config := fmt.Sprintf(`{"admin": {"disabled": true, "config": {"persist": false}}, "apps": {"http": {"servers": {"s": {
			"listen": ["127.0.0.1:0"], "protocols": ["h1"], "routes": [{"handle": [{"handler": "broken", "wraps": %d}]}]}}}}}`, f.Wraps)
		if err := caddy.Load([]byte(config), true); err != nil {
			t.Fatal(err)
		}
		app, err := caddy.ActiveContext().App("http")
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get("http://" + app.(*caddyhttp.App).Servers["s"].Listeners()[0].Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if want := statusOf(f.ServeHTTP(nil, nil, nil)); resp.StatusCode != want {
			t.Errorf("%+v: Caddy answers %d, want %d", f, resp.StatusCode, want)
		}
		http.DefaultClient.CloseIdleConnections()
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}
}
