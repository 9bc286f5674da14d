package faulttest

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy" // the handler
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"            // the storage

	_ "github.com/caddyfault/caddyfault/caddymodule" // all modules
	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// start provisions the handlers of the point and serves them.
func (p *Point) start(t testing.TB, s *settings) error {
	dial, err := s.dial(t)
	if err != nil {
		return err
	}
	p.ctl = control.New()
	ctx, cancel, err := newContext(p.ctl)
	if err != nil {
		return err
	}
	t.Cleanup(func() {
		p.ctl.BeginExit() // releases requests
		cancel()
	})
	p.api = api.New(p.ctl, ctx.Storage())
	site, err := p.provision(ctx, dial)
	if err != nil {
		return err
	}
	return p.serve(t, site)
}

// provisioning is locked while a context is made: Caddy then writes variables of the
// process.
var provisioning sync.Mutex

// newContext returns the context of a configuration without a server, with its own
// control. Caddy's storage is a folder that nothing creates unless a point writes to it.
func newContext(ctl *control.Control) (ctx caddy.Context, cancel context.CancelFunc, err error) {
	root := filepath.Join(os.TempDir(), "faulttest-"+strconv.Itoa(os.Getpid()))
	storage, err := json.Marshal(map[string]string{"module": "file_system", "root": root})
	if err != nil {
		return ctx, nil, err
	}
	provisioning.Lock()
	defer provisioning.Unlock()
	base, err := caddy.ProvisionContext(&caddy.Config{
		Admin:      &caddy.AdminConfig{Disabled: true},
		Logging:    &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: caddy.BaseLog{Level: "ERROR"}}}},
		StorageRaw: storage,
	})
	if err != nil {
		return ctx, nil, err
	}
	base.Context = ctl.With(base.Context)
	ctx, cancel = caddy.NewContext(base)
	return ctx, cancel, nil
}

// provision returns the handlers of the point: the fault, then the proxy.
func (p *Point) provision(ctx caddy.Context, dial upstream) (*site, error) {
	provisioning.Lock()
	defer provisioning.Unlock()
	app, err := ctx.App("fault")
	if err != nil {
		return nil, err
	}
	if err := app.(caddy.App).Start(); err != nil {
		return nil, err
	}
	fault, err := load(ctx, "http.handlers.fault", map[string]any{"point": p.name})
	if err != nil {
		return nil, err
	}
	proxy, err := load(ctx, "http.handlers.reverse_proxy", dial.proxy())
	if err != nil {
		return nil, err
	}
	return &site{fault: fault, proxy: proxy, server: new(caddyhttp.Server)}, nil
}

func load(ctx caddy.Context, id string, config map[string]any) (caddyhttp.MiddlewareHandler, error) {
	text, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	module, err := ctx.LoadModuleByID(id, text)
	if err != nil {
		return nil, err
	}
	return module.(caddyhttp.MiddlewareHandler), nil
}

// serve serves a site until the test ends.
func (p *Point) serve(t testing.TB, site *site) error {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p.URL = "http://" + ln.Addr().String()
	srv := &http.Server{
		Handler:           site,
		ErrorLog:          log.New(io.Discard, "", 0), // faults make clients and handlers fail
		ReadHeaderTimeout: time.Minute,                // Caddy's default
		Protocols:         new(http.Protocols),
	}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(wire.ListenerWrapper{}.WrapListener(ln)) })
	transport := new(http.Transport)
	if usual, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = usual.Clone()
	}
	p.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = srv.Close()
		served.Wait()
		site.requests.Wait()
	})
	return nil
}

// site does for a request what Caddy's server does.
type site struct {
	fault, proxy caddyhttp.MiddlewareHandler
	server       *caddyhttp.Server
	requests     sync.WaitGroup
}

// ServeHTTP replies with the status of an error if a handler returns one, as Caddy does
// without a route for errors.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	defer s.requests.Done()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, s.server)
	err := s.fault.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return s.proxy.ServeHTTP(w, r, nothing)
	}))
	if err == nil {
		return
	}
	status := http.StatusInternalServerError
	if known, ok := errors.AsType[caddyhttp.HandlerError](err); ok && known.StatusCode != 0 {
		status = known.StatusCode
	}
	w.WriteHeader(status)
}

// nothing is the end of the chain of handlers.
var nothing = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
