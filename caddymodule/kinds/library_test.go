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

// These tests hold facts of caddymodule/docs/undocumented.md that no other test
// of the package needs.

// net/http counts a body below autoLength, and sends one above it in chunks.
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

// A reply that says `Connection: close` ends a connection of HTTP/2, too, when its
// streams are done. The client may ask once more before it is told.
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

// net/http drops what it has not sent yet of a reply whose handler panics.
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
