package inject

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// BenchmarkHandler measures the cost of a point for a request that passes, and of a
// hit, without a server.
func BenchmarkHandler(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	for _, bench := range []struct{ name, config string }{
		{"armed", `{}`},
		{"path_missed", mail},
		{"header_missed", `{"rules": [{"match": [{"header": {"X-A": ["1"]}}], "faults": [{"fault": "close"}]}]}`},
		{"draw_missed", `{"rules": [{"percent": 0, "faults": [{"fault": "close"}]}]}`},
		{"respond", `{"rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`},
		{"respond_on_response", onResponse(respond551)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := load(b, bench.config, "")
			w := &testkit.Discard{Fields: make(http.Header)}
			once, again := testkit.Request(http.MethodGet, "/other", w), new(http.Request)
			b.ReportAllocs()
			for b.Loop() {
				*again = *once
				asNew(w, again)
				if err := h.ServeHTTP(w, again, next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("caddy_respond", func(b *testing.B) {
		ctx, err := caddy.ProvisionContext(&caddy.Config{Admin: &caddy.AdminConfig{Disabled: true}})
		if err != nil {
			b.Fatal(err)
		}
		mod, err := ctx.LoadModuleByID("http.handlers.static_response", []byte(`{"status_code": 551, "headers": {"Content-Type": ["application/json"]}, "body": "{\"error\": \"server_error\", \"message\": \"User Not Local\"}"}`))
		if err != nil {
			b.Fatal(err)
		}
		h := mod.(caddyhttp.MiddlewareHandler)
		w := &testkit.Discard{Fields: make(http.Header)}
		r := testkit.Request(http.MethodGet, "/other", w)
		b.ReportAllocs()
		for b.Loop() {
			asNew(w, r)
			if err := h.ServeHTTP(w, r, next); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkServed measures a request with the context and writers that Caddy's server
// creates, which a hit reads. The first case has no point.
func BenchmarkServed(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	const respond, off = `{"rules": [{"faults": [{"fault": "respond", "status_code": 551}]}]}`, `{"clients": {"off": true}}`
	for _, bench := range []struct{ name, config, app string }{
		{"without", "", ""},
		{"missed", mail, ""},
		{"respond", respond, ""},
		{"respond_unrecorded", respond, off},
		{"delay", `{"rules": [{"faults": [{"fault": "delay", "duration": "1ns"}]}]}`, ""},
		{"respond_on_response", onResponse(respond551), ""},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := caddyhttp.MiddlewareHandler(nothing{})
			if bench.config != "" {
				h = load(b, bench.config, bench.app)
			}
			w := &testkit.Discard{Fields: make(http.Header)}
			came := httptest.NewRequestWithContext(asServed(b), http.MethodGet, "/other", nil)
			srv := new(caddyhttp.Server)
			b.ReportAllocs()
			for b.Loop() {
				clear(w.Fields)
				counts := caddyhttp.NewResponseRecorder(w, nil, nil)
				r := caddyhttp.PrepareRequest(came, caddy.NewReplacer(), counts, srv)
				if err := h.ServeHTTP(counts, r, next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSeen measures what it costs a request that passes to be counted, for a
// writer that records the status, as with an access log, and for one that does not.
func BenchmarkSeen(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusOK)
		return nil
	})
	for _, seen := range []bool{false, true} {
		for _, logged := range []bool{false, true} {
			b.Run(fmt.Sprintf("counted=%v/logged=%v", seen, logged), func(b *testing.B) {
				h := load(b, `{"rules": [{"match": [{"path": ["/a"]}], "faults": [{"fault": "close"}]}]}`, "")
				if seen {
					h.seen.Summarize(time.Second)
				}
				var w http.ResponseWriter = &testkit.Discard{Fields: make(http.Header)}
				if logged {
					w = caddyhttp.NewResponseRecorder(w, nil, nil)
				}
				r := testkit.Request(http.MethodGet, "/other", w)
				b.ReportAllocs()
				for b.Loop() {
					if err := h.ServeHTTP(w, r, next); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// nothing is a handler that calls the next one.
type nothing struct{}

func (nothing) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

// asServed is a context like that of net/http.
func asServed(b *testing.B) context.Context {
	ctx := context.WithValue(b.Context(), http.ServerContextKey, new(http.Server))
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, new(lineWriter))
	ctx, cancel := context.WithCancel(ctx) // address of the connection
	b.Cleanup(cancel)
	ctx, cancel = context.WithCancel(ctx)
	b.Cleanup(cancel)
	return ctx
}

// lineWriter is an address like that of the listener wrapper.
type lineWriter struct{ net.TCPAddr }

func (*lineWriter) WriteLine(*wire.StatusLine, bool) bool { return true }

// BenchmarkKinds measures a hit of each kind, with the first sample of its golden file
// and without its waits.
func BenchmarkKinds(b *testing.B) {
	b.Chdir(kindsFolder)
	ended := make(chan struct{})
	close(ended)
	for _, kind := range faults.Kinds() {
		b.Run(kind, func(b *testing.B) {
			fault := loadFault(b, kind, samplesOf(b, kind)[0])
			w := &testkit.Discard{Fields: make(http.Header)}
			r := testkit.Request(http.MethodGet, "/", w)
			hit := &faults.Hit{N: 1, U: 0.5, Ended: ended}
			serve := func() {
				defer func() {
					if p := recover(); p != nil && p != http.ErrAbortHandler {
						b.Fatal(p)
					}
				}()
				_ = fault.Inject(hit, w, r, caddyhttp.HandlerFunc(testkit.Upstream))
			}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.Fields)
				hit.U = 0.5
				serve()
			}
		})
	}
}

// asNew removes what a hit has left in the request and the reply, so that the next hit
// does not add to it.
func asNew(w *testkit.Discard, r *http.Request) {
	clear(w.Fields)
	r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).Delete(injectionKey)
	*r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields) = caddyhttp.ExtraLogFields{}
}
