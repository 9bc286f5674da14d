package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counter counts events in other goroutines.
type counter struct{ atomic.Int64 }

func (c *counter) inc()     { c.Add(1) }
func (c *counter) get() int { return int(c.Load()) }

// upstream is a server to which Caddy's reverse_proxy connects.
type upstream struct {
	addr string
	hits *counter
	stop func() // also closes the connections that Caddy keeps
}

// serve starts an upstream, which is stopped at the end of the test.
func serve(t *testing.T, handler http.HandlerFunc) *upstream {
	t.Helper()
	up := &upstream{hits: new(counter)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.hits.inc()
		handler(w, r)
	}))
	up.stop = sync.OnceFunc(func() {
		srv.CloseClientConnections()
		srv.Close()
	})
	t.Cleanup(up.stop)
	up.addr = srv.Listener.Addr().String()
	return up
}

// proxy returns the directive that comes after the faults.
func (up *upstream) proxy() string { return "reverse_proxy " + up.addr }

// wantHits checks how many requests have reached the upstream.
func (up *upstream) wantHits(t *testing.T, want int) {
	t.Helper()
	if got := up.hits.get(); got != want {
		t.Errorf("requests at the upstream: got %d, want %d", got, want)
	}
}

// echo replies with method and path, and the length of the body if there was one.
func echo(w http.ResponseWriter, r *http.Request) {
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	if n > 0 {
		fmt.Fprintf(w, " %d", n)
	}
}

const large = 300 << 10

// zoo is an upstream with a page for every kind of reply.
func zoo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Set-Cookie", "session=1")
	h.Set("X-Upstream", "zoo")
	switch r.URL.Path {
	case "/text":
		h.Set("Etag", `"v1"`)
		h.Set("Last-Modified", "Tue, 25 Feb 2025 12:00:00 GMT")
		h.Set("Content-Language", "en")
		h.Set("Content-Location", "/text.en")
		h.Set("Content-Disposition", "inline")
		h.Set("Content-Digest", "sha-256=:AAAA:")
		h.Set("Repr-Digest", "sha-256=:AAAA:")
		h.Set("Content-Md5", "AAAA")
		h.Set("Digest", "sha-256=AAAA")
		fmt.Fprint(w, "some text")
	case "/chunked":
		for i := range 3 {
			fmt.Fprintf(w, "part %d;", i)
			_ = http.NewResponseController(w).Flush()
		}
	case "/gzip":
		h.Set("Content-Encoding", "gzip")
		_, _ = w.Write(gzipped)
	case "/204":
		w.WriteHeader(http.StatusNoContent)
	case "/304":
		h.Set("Etag", `"v1"`)
		w.WriteHeader(http.StatusNotModified)
	case "/404":
		http.NotFound(w, r)
	case "/redirect":
		h.Set("Location", "/text")
		w.WriteHeader(http.StatusFound)
	case "/range":
		http.ServeContent(w, r, "range.txt", time.Unix(1e9, 0), strings.NewReader("0123456789"))
	case "/hints":
		h.Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		fmt.Fprint(w, "after the hints")
	case "/trailer":
		h.Set("Trailer", "X-Sum")
		fmt.Fprint(w, "body")
		h.Set("X-Sum", "announced")
		h.Set(http.TrailerPrefix+"X-Late", "not announced")
	case "/grpc":
		h.Set("Content-Type", "application/grpc")
		h.Set("Trailer", "Grpc-Status")
		h.Set("Grpc-Encoding", "identity")
		_, _ = w.Write([]byte{0, 0, 0, 0, 0})
		_ = http.NewResponseController(w).Flush()
		h.Set("Grpc-Status", "0")
		h.Set(http.TrailerPrefix+"Grpc-Message", "fine")
	case "/large":
		_, _ = w.Write(bytes.Repeat([]byte("x"), large))
	case "/post":
		echo(w, r)
	default:
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	}
}

var gzipped = func() []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	_, _ = io.WriteString(zw, "some text, packed")
	_ = zw.Close()
	return buf.Bytes()
}()

// listen starts an upstream without HTTP: handle gets each connection.
func listen(t *testing.T, handle func(net.Conn)) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := &upstream{addr: ln.Addr().String(), hits: new(counter)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			up.hits.inc()
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return up
}

// deadUpstream is an upstream that is down. Its address is the one of a client's socket, so
// that no server can listen there until the test ends.
func deadUpstream(t *testing.T) *upstream {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return &upstream{addr: client.LocalAddr().String(), hits: new(counter)}
}
