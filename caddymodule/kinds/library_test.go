package kinds

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// These tests check facts of caddymodule/docs/undocumented.md that no other test of the
// package needs.

// net/http counts a body below autoLength, and sends a longer body in chunks.
func TestAutoLength(t *testing.T) {
	for size, want := range map[int]int64{autoLength - 1: autoLength - 1, autoLength + 1: -1} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat("x", size))
		}))
		resp, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.ContentLength != want {
			t.Errorf("body of %d bytes: got Content-Length %d, want %d", size, resp.ContentLength, want)
		}
		http.DefaultClient.CloseIdleConnections()
		srv.Close()
	}
}

// A reply with `Connection: close` also ends an HTTP/2 connection when its streams are
// done. The client can send one more request before it learns that.
func TestCloseOverHTTP2(t *testing.T) {
	for line, want := range map[string]bool{"respond 503": true, "respond 503 {\n close\n}": false} {
		f := parse(t, new(Respond), line)
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := f.Inject(hitOf(r), w, r, notCalled(t)); err != nil {
				t.Error(err)
			}
		}))
		srv.EnableHTTP2 = true
		if err := http2.ConfigureServer(srv.Config, nil); err != nil { //nolint:staticcheck // what Caddy calls
			t.Fatal(err)
		}
		srv.StartTLS()
		kept := true
		for i := range 100 {
			trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { kept = kept && (i == 0 || info.Reused) }}
			r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, srv.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := srv.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if resp.Body.Close(); resp.ProtoMajor != 2 || resp.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("got %s %s", resp.Proto, resp.Status)
			}
		}
		if kept != want {
			t.Errorf("%s: the connection is kept: %t, want %t", line, kept, want)
		}
		srv.Close()
	}
}

// If a handler panics, net/http drops the unsent part of its reply.
func TestAbortDropsReply(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "held")
		panic(http.ErrAbortHandler)
	}))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err == nil {
		_ = resp.Body.Close()
		t.Errorf("got %s, want no reply", resp.Status)
	}
}
