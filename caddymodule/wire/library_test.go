package wire

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/proxyprotocol"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
)

// These tests check facts of caddymodule/docs/undocumented.md that no other test of the
// package depends on.

// A connection of the proxy_protocol wrapper exposes the connection inside. Its address
// waits for the PROXY header. Accept and LocalAddr must not wait for that.
func TestProxyProtocol(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	wrapper := &proxyprotocol.ListenerWrapper{FallbackPolicy: proxyprotocol.PolicyUSE}
	if err := wrapper.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	c := dial(t, ln.Addr().String())
	conn, err := ListenerWrapper{}.WrapListener(wrapper.WrapListener(ln)).Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	addr := conn.LocalAddr()
	c.send("PROXY TCP4 192.0.2.1 192.0.2.2 1024 443\r\n")
	if got := addr.String(); got != "192.0.2.2:443" {
		t.Errorf("address: got %s, want that of the PROXY header", got)
	}
	if tcpConn(conn) == nil {
		t.Errorf("%T shows no TCP connection", conn.(interface{ NetConn() net.Conn }).NetConn())
	}
}

// copyListener counts what its connections copy.
type copyListener struct {
	net.Listener
	copies *atomic.Int64
}

func (l copyListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return copyCounter{conn, l.copies}, err
}

type copyCounter struct {
	net.Conn
	copies *atomic.Int64
}

func (c copyCounter) ReadFrom(src io.Reader) (int64, error) {
	c.copies.Add(1)
	return c.Conn.(io.ReaderFrom).ReadFrom(src)
}

// net/http writes the head before it lets the connection copy a file.
func TestStatusLineOfFile(t *testing.T) {
	want := strings.Repeat("0123456789abcdef", 1<<10)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, err := os.Open(path)
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		if !NewStatusLine(551, "User Not Local").Arm(r) {
			t.Error("the connection is not found")
		}
		w.Header().Set("Content-Length", "16384")
		w.WriteHeader(551)
		_, _ = io.Copy(w, file)
	}))
	var copies atomic.Int64
	srv.Listener = ListenerWrapper{}.WrapListener(copyListener{srv.Listener, &copies})
	srv.Start()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.Status != "551 User Not Local" || string(body) != want || err != nil {
		t.Errorf("got %q, %d bytes, error %v", resp.Status, len(body), err)
	}
	if copies.Load() == 0 {
		t.Error("the connection did not copy the file")
	}
}

// net/http closes the sending half of any connection that supports it, and closes the
// connection later, if the client may still be sending.
func TestHalfClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := duplexPipe()
		srv := &http.Server{Handler: http.NotFoundHandler()}
		go func() { _ = srv.Serve(ListenerWrapper{}.WrapListener(&oneConn{conn: theirs})) }()
		c := newClient(t, ours)
		c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", maxDrain+1)
		c.reply(http.MethodPost)
		c.wantEOF()
		ended := time.Now()
		if _, err := io.WriteString(ours, "x"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("sending on: got error %v", err)
		}
		if got := time.Since(ended); got != lingerTime {
			t.Errorf("the connection is closed %v after its sending half, want %v", got, lingerTime)
		}
	})
}

// A connection that has sent nothing delays the end of its server by more than five
// seconds. A connection that is handed back therefore waits outside the server.
func TestNewConnectionHoldsServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := new(http.Server)
		c := serveOne(t, srv)
		synctest.Wait()
		began := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		c.wantEOF()
		if took := time.Since(began); took < 5*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// Caddy records when a request arrived. The write timeout counts from there.
func TestStartTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := httptest.NewRecorder()
		r := caddyhttp.PrepareRequest(httptest.NewRequest("GET", "/", nil), caddy.NewReplacer(), w, nil)
		want := time.Now().Add(time.Hour)
		time.Sleep(time.Minute)
		if got := WriteTimeouts(&http.Server{WriteTimeout: time.Hour}, r).Next(); !got.Equal(want) {
			t.Errorf("got deadline %v, want %v", got, want)
		}
	})
}

// A read of the body that a deadline interrupts ends the context of the request,
// although the client is still connected.
func TestInterruptedRead(t *testing.T) {
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || r.Context().Err() == nil {
			t.Errorf("got error %v, the context has %v", err, r.Context().Err())
		}
	})
	c := dial(t, srv.Listener.Addr().String())
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
	c.reply(http.MethodPost)
}

// net/http notices that a client has left only after the body has been read.
func TestLeavingBeforeBody(t *testing.T) {
	for request, notices := range map[string]bool{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":                       true,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n": false,
	} {
		synctest.Test(t, func(t *testing.T) {
			release, noticed := make(chan struct{}), false
			srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-r.Context().Done():
					noticed = true
				case <-release:
				}
			})}
			c := serveOne(t, srv)
			c.send("%s", request)
			synctest.Wait()
			_ = c.conn.Close()
			synctest.Wait()
			close(release)
			synctest.Wait()
			if noticed != notices {
				t.Errorf("%q: client is seen to have left: %t, want %t", request, noticed, notices)
			}
		})
	}
}

// dropHandler drops the body for a while.
type dropHandler struct{}

func init() { caddy.RegisterModule(dropHandler{}) }

func (dropHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.drop_test", New: func() caddy.Module { return new(dropHandler) }}
}

func (dropHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	dropForAWhile(w, r)
	return next.ServeHTTP(w, r)
}

// dropForAWhile drops the body until the read of it waits for the client.
func dropForAWhile(w http.ResponseWriter, r *http.Request) {
	waits := make(chan struct{})
	r.Body = &halfBody{ReadCloser: r.Body, read: waits}
	body := DropBody(w, r)
	<-waits
	body.Stop()
}

// A halfBody closes read when its first half has been read.
type halfBody struct {
	io.ReadCloser
	reads int
	read  chan struct{}
}

func (b *halfBody) Read(p []byte) (int, error) {
	if b.reads++; b.reads == 2 {
		close(b.read)
	}
	return b.ReadCloser.Read(p)
}

// Caddy's own deadlines do not prevent the interruption of a read of the body.
func TestDropBodyInCaddy(t *testing.T) {
	addr := wireConfig{way: "native", handlers: `{"handler": "drop_test"},`, server: `"read_idle_timeout": "1h",`}.start(t)
	c := dialWire(t, addr, false)
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")
	if resp, _ := c.reply("POST"); resp.StatusCode != 551 {
		t.Errorf("got %s", resp.Status)
	}
}

// Over each protocol, a read of the body that waits for the client can be interrupted.
func TestDropBodyStops(t *testing.T) {
	stalls := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dropForAWhile(w, r)
		w.WriteHeader(http.StatusNoContent)
	})
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	trusting := &tls.Config{InsecureSkipVerify: true}
	for name, serve := range map[string]func() (url string, client http.RoundTripper){
		"HTTP/1.1": func() (string, http.RoundTripper) {
			srv := startServer(t, stalls)
			return srv.URL, srv.Client().Transport
		},
		"HTTP/2.0": func() (string, http.RoundTripper) {
			srv := httptest.NewUnstartedServer(stalls)
			srv.EnableHTTP2 = true
			if err := http2.ConfigureServer(srv.Config, nil); err != nil { //nolint:staticcheck // what Caddy calls
				t.Fatal(err)
			}
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return srv.URL, srv.Client().Transport
		},
		"HTTP/3.0": func() (string, http.RoundTripper) {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := &http3.Server{Handler: stalls, TLSConfig: http3.ConfigureTLSConfig(config)}
			go func() { _ = srv.Serve(conn) }()
			client := &http3.Transport{TLSClientConfig: trusting}
			t.Cleanup(func() { _, _, _ = client.Close(), srv.Close(), conn.Close() })
			return "https://" + conn.LocalAddr().String(), client
		},
	} {
		t.Run(name, func(t *testing.T) {
			url, transport := serve()
			body, half := io.Pipe()
			defer half.Close()
			go func() { _, _ = io.WriteString(half, "half of it") }()
			client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
			resp, err := client.Post(url, "", body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Body.Close(); resp.StatusCode != http.StatusNoContent || resp.Proto != name {
				t.Errorf("got %s %s", resp.Proto, resp.Status)
			}
		})
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	cert, key := selfSigned(t)
	pair, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// The number of an HTTP/2 stream is in the server's response writer, as golang.org/x/net
// and net/http have it. No other writer has one.
func TestStreamOf(t *testing.T) {
	var got []uint32
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if number, ok := streamOf(caddyhttp.NewResponseRecorder(w, nil, nil)); ok != (r.ProtoMajor == 2) {
			t.Errorf("%s: got %d, %t", r.Proto, number, ok)
		} else if ok {
			got = append(got, number)
		}
	})
	for name, configure := range map[string]func(*http.Server) error{
		"net/http": func(*http.Server) error { return nil },
		"golang.org/x/net": func(srv *http.Server) error {
			return http2.ConfigureServer(srv, nil) //nolint:staticcheck // what Caddy calls
		},
	} {
		got = nil
		srv := httptest.NewUnstartedServer(handler)
		srv.EnableHTTP2 = true
		if err := configure(srv.Config); err != nil {
			t.Fatal(err)
		}
		srv.StartTLS()
		for range 3 {
			resp, err := srv.Client().Get(srv.URL)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
		srv.Close()
		if !slices.Equal(got, []uint32{1, 3, 5}) {
			t.Errorf("%s: got streams %v, want 1, 3, 5", name, got)
		}
	}
	srv := httptest.NewServer(handler)
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if number, ok := streamOf(httptest.NewRecorder()); ok {
		t.Errorf("a recorder: got %d", number)
	}
}
