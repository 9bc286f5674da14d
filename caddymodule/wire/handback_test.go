package wire

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

const mailBody = `{"error": "server_error", "message": "User Not Local"}`

// startServer starts a server on a free port.
func startServer(t testing.TB, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // WriteHeader on hijacked connection
	srv.Start()
	t.Cleanup(srv.Close)
	return srv
}

// handBack returns a handler that hands the connection back, and fails the test if it
// cannot.
func handBack(t testing.TB, line *StatusLine, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if done, err := line.HandBack(w, r, []byte(body)); !done || err != nil {
			t.Errorf("HandBack() = %t, %v", done, err)
		}
	}
}

// client is a connection that reads one reply at a time and keeps its bytes.
type client struct {
	t    testing.TB
	conn net.Conn
	read *bufio.Reader
	raw  bytes.Buffer
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return newClient(t, conn)
}

func newClient(t testing.TB, conn net.Conn) *client {
	c := &client{t: t, conn: conn}
	c.read = bufio.NewReader(io.TeeReader(conn, &c.raw))
	return c
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

// reply reads one reply to a request with this method.
func (c *client) reply(method string) *http.Response {
	c.t.Helper()
	resp, err := http.ReadResponse(c.read, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading reply: %v (%q so far)", err, c.raw.String())
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("reading body: %v (%q so far)", err, c.raw.String())
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

// want551 reads a reply and checks it.
func (c *client) want551(method string) *http.Response {
	c.t.Helper()
	resp := c.reply(method)
	body, _ := io.ReadAll(resp.Body)
	want := mailBody
	if method == "HEAD" {
		want = ""
	}
	if resp.Status != "551 User Not Local" || string(body) != want {
		c.t.Fatalf("reply %q with body %q", resp.Status, body)
	}
	return resp
}

// wantEOF checks that the connection ends cleanly.
func (c *client) wantEOF() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.read); n != 0 || err != nil {
		c.t.Fatalf("after the reply: %d bytes, %v; want the connection's end", n, err)
	}
}

var dateField = regexp.MustCompile(`Date: [^\r]*\r\n`)

// TestHeadAsNetHTTP writes the same replies through net/http and through HandBack and
// compares all bytes.
func TestHeadAsNetHTTP(t *testing.T) {
	headers := []struct {
		name   string
		header http.Header
	}{
		{"none", nil},
		{"usual", http.Header{"Content-Type": {"application/json"}, "Server": {"Caddy"}, "X-B": {"1", "2"}, "Alt-Svc": {"x"}}},
		{"explicit length", http.Header{"Content-Length": {"LEN"}, "Zz": {"last"}, "Aa": {"first"}}},
		{"no date", http.Header{"Date": nil, "Content-Type": {"text/plain"}}},
		{"own date", http.Header{"Date": {"yesterday"}}},
		{"no type", http.Header{"Content-Type": nil}},
		{"encoded", http.Header{"Content-Encoding": {"gzip"}}},
		{"hostile values", http.Header{"X-A": {"a\r\nSet-Cookie: b", "\r\n\r\nbody", "  spaces\t"}, "Content-Type": {"a\nb"}}},
		{"hostile names", http.Header{"Bad Name": {"x"}, "Bad\r\nName: x": {"y"}, "": {"z"}, "b\xffd": {"x"}, "lower-case": {"kept"}}},
		{"values from 0x80", http.Header{"X-A": {"caf\xe9"}}},
		{"close", http.Header{"Connection": {"close"}}},
		{"keep-alive", http.Header{"Connection": {"keep-alive"}}},
		{"suppressed", http.Header{"X-Nil": nil, "X-Empty": {""}}},
	}
	requests := []struct{ name, method, proto, fields, body string }{
		{"GET", "GET", "1.1", "", ""},
		{"HEAD", "HEAD", "1.1", "", ""},
		{"POST", "POST", "1.1", "Content-Length: 5\r\n", "hello"},
		{"chunked POST", "POST", "1.1", "Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		{"GET close", "GET", "1.1", "Connection: close\r\n", ""},
		{"GET 1.0", "GET", "1.0", "", ""},
		{"GET 1.0 keep-alive", "GET", "1.0", "Connection: keep-alive\r\n", ""},
		{"HEAD 1.0 keep-alive", "HEAD", "1.0", "Connection: Keep-Alive\r\n", ""},
	}
	for _, code := range []int{200, 204, 205, 304, 404, 503} {
		for _, body := range []string{"", mailBody, "<html>"} {
			if code == http.StatusResetContent && body != "" {
				continue // net/http sends a body that is not allowed
			}
			for _, h := range headers {
				for _, rq := range requests {
					if h.name == "explicit length" && (code == 204 || code == 304) && rq.proto == "1.0" && rq.fields == "" {
						continue // nothing to compare: both end with the connection
					}
					name := fmt.Sprintf("%d/%d bytes/%s/%s", code, len(body), h.name, rq.name)
					t.Run(name, func(t *testing.T) {
						req := fmt.Sprintf("%s / HTTP/%s\r\nHost: x\r\n%s\r\n%s", rq.method, rq.proto, rq.fields, rq.body)
						compareHeads(t, code, h.header, body, rq.method, req)
					})
				}
			}
		}
	}
}

func compareHeads(t *testing.T, code int, header http.Header, body, method, req string) {
	var got [2]string
	for i := range got {
		srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
			for name, values := range header {
				if len(values) == 1 && values[0] == "LEN" {
					values = []string{strconv.Itoa(len(body))}
				}
				w.Header()[name] = values
			}
			if i == 0 || r.URL.Path == "/next" {
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body)
				return
			}
			native := fmt.Appendf(nil, "%d %s\r\n", code, http.StatusText(code))
			line := &StatusLine{code: code, from: native, to: native}
			if done, err := line.HandBack(w, r, []byte(body)); !done || err != nil {
				t.Errorf("HandBack() = %t, %v", done, err)
			}
		})
		c := dial(t, srv.Listener.Addr().String())
		c.send("%s", req)
		if resp := c.reply(method); !resp.Close {
			c.send("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.reply("GET")
		}
		c.wantEOF()
		got[i] = dateField.ReplaceAllString(c.raw.String(), "Date: now\r\n")
	}
	if got[0] != got[1] {
		t.Errorf("net/http wrote\n%q\nHandBack wrote\n%q", got[0], got[1])
	}
}

func TestHandBackBytes(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header()["Date"] = nil
		handBack(t, line, mailBody)(w, r)
	})
	c := dial(t, srv.Listener.Addr().String())
	for range 3 {
		c.raw.Reset()
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.want551("GET")
		want := "HTTP/1.1 551 User Not Local\r\nContent-Type: application/json\r\nContent-Length: 54\r\n\r\n" + mailBody
		if c.raw.String() != want {
			t.Fatalf("got\n%q\nwant\n%q", c.raw.String(), want)
		}
	}
}

// Pipelined requests arrive in one packet, also with a body in between.
func TestHandBackPipelined(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	bodies := make(chan string, 100)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/read" {
			body, _ := io.ReadAll(r.Body)
			bodies <- string(body)
		}
		handBack(t, line, mailBody)(w, r)
	})
	const get, post = "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"
	big := strings.Repeat("0123456789", 2000)
	tests := []struct {
		name string
		send string
		n    int
	}{
		{"pair", get + get, 2},
		{"triple with a POST", get + fmt.Sprintf(post, "/", 5, "hello") + get, 3},
		{"triple with a POST that is read", get + fmt.Sprintf(post, "/read", 5, "hello") + get, 3},
		{"20 KB", fmt.Sprintf(post, "/", len(big), big) + get, 2},
		{"20 KB that are read", fmt.Sprintf(post, "/read", len(big), big) + get, 2},
		{"three hundred", strings.Repeat(get, 300), 300},
		{"chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: x\r\n\r\n" + get, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, srv.Listener.Addr().String())
			go io.WriteString(c.conn, tt.send)
			for range tt.n {
				c.want551("GET")
			}
			c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.want551("GET")
			c.wantEOF()
		})
	}
	close(bodies)
	want := []string{"hello", big}
	for got := range bodies {
		if got != want[0] {
			t.Errorf("handler read %d bytes, want %d", len(got), len(want[0]))
		}
		want = want[1:]
	}
}

// TestHandBackByteForByte sends a request in single bytes and in halves.
func TestHandBackSplitRequests(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, handBack(t, line, mailBody))
	c := dial(t, srv.Listener.Addr().String())
	const req = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for i := 1; i < len(req); i += 5 {
		// the first request and the beginning of the second in one packet
		c.send("%s", req+req[:i])
		c.want551("GET")
		c.send("%s", req[i:])
		c.want551("GET")
	}
	for i := range len(req) {
		c.send("%s", req[i:i+1])
	}
	c.want551("GET")
}

// A body that is too long to read ends the connection, after the reply.
func TestHandBackUnreadBody(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, handBack(t, line, mailBody))
	for _, size := range []int{300 << 10, 4 << 20} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d chunked %t", size, chunked), func(t *testing.T) {
				c := dial(t, srv.Listener.Addr().String())
				body := strings.Repeat("x", size)
				if chunked {
					c.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", size, body)
				} else {
					c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
				}
				if resp := c.want551("POST"); !resp.Close {
					t.Error("reply has no Connection: close")
				}
				c.wantEOF()
			})
		}
	}
}

func TestHandBackExpectContinue(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, handBack(t, line, mailBody))
	c := dial(t, srv.Listener.Addr().String())
	c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n")
	if resp := c.want551("POST"); !resp.Close {
		t.Error("reply has no Connection: close")
	}
	c.wantEOF()
	if strings.Contains(c.raw.String(), "100 Continue") {
		t.Errorf("the server sent a 100 Continue for the body: %q", c.raw.String())
	}
}

// The rest of a body that a handler closed early must never be parsed as requests.
func TestHandBackClosedBody(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 10)
		r.Body.Close()
		handBack(t, line, mailBody)(w, r)
	})
	c := dial(t, srv.Listener.Addr().String())
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	body := strings.Repeat(smuggled, 300<<10/len(smuggled))
	c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if resp := c.want551("POST"); !resp.Close {
		t.Error("reply has no Connection: close")
	}
	c.wantEOF()
}

// The end of a body that a middleware has substituted proves nothing about the
// connection.
func TestHandBackReplacedBody(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		r.Body, r.ContentLength = http.NoBody, 0
		handBack(t, line, mailBody)(w, r)
	})
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, framed := range []string{
		fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(smuggled), smuggled),
		fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
	} {
		c := dial(t, srv.Listener.Addr().String())
		c.send("POST / HTTP/1.1\r\nHost: x\r\n%s", framed)
		if resp := c.want551("POST"); !resp.Close {
			t.Error("reply has no Connection: close")
		}
		c.wantEOF()
	}
}

func TestHandBackLargeReply(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	for _, size := range []int{maxPiece - 1, maxPiece, maxPiece + 1, 3 << 20} {
		want := strings.Repeat("0123456789abcdef", size/16+1)[:size]
		srv := startServer(t, handBack(t, line, want))
		c := dial(t, srv.Listener.Addr().String())
		for range 2 {
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			got, _ := io.ReadAll(c.reply("GET").Body)
			if string(got) != want {
				t.Fatalf("%d of %d bytes arrived, or different bytes", len(got), size)
			}
		}
	}
}

// Interim replies before the final one, and a head longer than any buffer.
func TestHandBackHeads(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	long := strings.Repeat("x", 12<<10)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("X-Long", long)
		handBack(t, line, mailBody)(w, r)
	})
	c := dial(t, srv.Listener.Addr().String())
	for range 2 {
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if early := c.reply("GET"); early.StatusCode != http.StatusEarlyHints {
			t.Fatalf("got %s, want 103 first", early.Status)
		}
		if resp := c.want551("GET"); resp.Header.Get("X-Long") != long {
			t.Fatal("the long field is incomplete")
		}
	}
}

// Operations that wait for WriteHeader apply, like Caddy's deferred ones.
func TestHandBackDeferredHeader(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		handBack(t, line, mailBody)(&deferredWriter{ResponseWriter: w}, r)
	})
	c := dial(t, srv.Listener.Addr().String())
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if resp := c.want551("GET"); resp.Header.Get("X-Deferred") != "551" || !resp.Close {
		t.Errorf("header is %v", resp.Header)
	}
	c.wantEOF()
}

type deferredWriter struct{ http.ResponseWriter }

func (w *deferredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *deferredWriter) WriteHeader(code int) {
	w.Header().Set("X-Deferred", strconv.Itoa(code))
	w.Header().Set("Connection", "close")
	w.ResponseWriter.WriteHeader(code)
}

// Recorders count the body, as they do for other replies.
func TestHandBackRecorders(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	sizes := make(chan [4]int, 10)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		outer := caddyhttp.NewResponseRecorder(w, nil, nil)
		inner := caddyhttp.NewResponseRecorder(outer, nil, nil)
		handBack(t, line, mailBody)(inner, r)
		sizes <- [4]int{outer.Status(), outer.Size(), inner.Status(), inner.Size()}
	})
	c := dial(t, srv.Listener.Addr().String())
	for _, method := range []string{"GET", "HEAD", "GET"} {
		c.send("%s / HTTP/1.1\r\nHost: x\r\n\r\n", method)
		c.want551(method)
		size := len(mailBody)
		if method == "HEAD" {
			size = 0
		}
		if got, want := <-sizes, [4]int{551, size, 551, size}; got != want {
			t.Errorf("%s: recorded %v, want %v", method, got, want)
		}
	}
}

func TestHandBackDeclines(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := &http.Server{WriteTimeout: time.Nanosecond}
	ctx := context.WithValue(context.Background(), http.ServerContextKey, srv)
	late := context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{"start_time": time.Now().Add(-time.Second)})
	ctx = context.WithValue(ctx, http.ServerContextKey, &http.Server{})
	tests := []struct {
		name  string
		line  *StatusLine
		ctx   context.Context
		major int
	}{
		{"no server", line, context.Background(), 1},
		{"no line", nil, ctx, 1},
		{"HTTP/2", line, ctx, 2},
		{"cannot be hijacked", line, ctx, 1},
		{"interim code", NewStatusLine(199, "x"), ctx, 1},
		{"write timeout expired", line, late, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(tt.ctx, "GET", "/", nil)
			r.ProtoMajor = tt.major
			w := httptest.NewRecorder()
			if done, err := tt.line.HandBack(w, r, []byte("x")); done || err != nil {
				t.Errorf("HandBack() = %t, %v", done, err)
			}
			if w.Body.Len() > 0 || w.Result().StatusCode != http.StatusOK {
				t.Errorf("something was written: %v", w.Result())
			}
		})
	}
}

// A client that has left causes an error, and nothing is left.
func TestHandBackClientGone(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	result := make(chan error, 1)
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		done, err := line.HandBack(w, r, make([]byte, 16<<20))
		if !done {
			err = nil
		}
		result <- err
	})
	c := dial(t, srv.Listener.Addr().String())
	c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
	if err := <-result; err == nil || !strings.HasPrefix(err.Error(), "writing reply: ") {
		t.Errorf("HandBack() to a client that has left: %v", err)
	}
}

// The next request waits until the handler of the last one has returned.
func TestHandBackOrder(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	var running atomic.Int32
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		if n := running.Add(1); n != 1 {
			t.Errorf("%d requests of one connection at a time", n)
		}
		handBack(t, line, mailBody)(w, r)
		for range 100 {
			runtime.Gosched()
		}
		running.Add(-1)
	})
	c := dial(t, srv.Listener.Addr().String())
	go io.WriteString(c.conn, strings.Repeat("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200))
	for range 200 {
		c.want551("GET")
	}
}

// A context that never ends must not keep the connection.
func TestHandBackEndlessContext(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		handBack(t, line, mailBody)(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
	c := dial(t, srv.Listener.Addr().String())
	for range 3 {
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.want551("GET")
	}
}

// Shutdown and Close end idle connections immediately, as they do others.
func TestHandBackShutdown(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	for name, stop := range serverEnds {
		t.Run(name, func(t *testing.T) {
			srv := startServer(t, handBack(t, line, mailBody))
			c := dial(t, srv.Listener.Addr().String())
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			c.want551("GET")
			before := time.Now()
			if err := stop(srv.Config); err != nil {
				t.Fatal(err)
			}
			if d := time.Since(before); d > 3*time.Second {
				t.Errorf("an idle connection held the server for %v", d)
			}
			c.wantEOF()
		})
	}
}

// They also do so when half of the next request has arrived, as in net/http.
func TestHandBackShutdownHalfRequest(t *testing.T) {
	const whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, tt := range []struct{ first, later string }{
		{whole, "GET /"},
		{whole, whole[:len(whole)-2]},
		{whole + "GET /", ""},
		{whole + "GET /", "x HTTP/1.1\r\n"},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := &http.Server{Handler: handBack(t, NewStatusLine(551, "User Not Local"), mailBody)}
			c := serveOne(t, srv)
			go c.send("%s", tt.first)
			c.want551("GET")
			if tt.later != "" {
				c.send("%s", tt.later)
			}
			synctest.Wait()
			before := time.Now()
			if err := srv.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if d := time.Since(before); d > time.Second {
				t.Errorf("%q, then %q: held the server for %v", tt.first, tt.later, d)
			}
			c.wantEOF()
		})
	}
}

// serveOne lets srv serve one client, without a socket.
func serveOne(t *testing.T, srv *http.Server) *client {
	conn, other := net.Pipe()
	srv.ErrorLog = log.New(io.Discard, "", 0) // WriteHeader on hijacked connection
	go func() { _ = srv.Serve(&oneConn{conn: conn}) }()
	t.Cleanup(func() { _ = other.Close() })
	return &client{t: t, conn: other, read: bufio.NewReader(other)}
}

// oneConn is a listener with one connection.
type oneConn struct {
	noListener
	conn net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	return nil, net.ErrClosed
}

// The bytes after a request may come in pieces, be long, or not be a request.
func TestHandBackNextHead(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	for _, tt := range []struct {
		next []string
		want string // beginning of the reply
	}{
		{[]string{"G", "ET / HTTP/1.1\r\nHost:", " x\r\n\r", "\n"}, "HTTP/1.1 551 "},
		{[]string{"GET / HTTP/1.1\nHost: x\n\n"}, "HTTP/1.1 551 "},
		{[]string{"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 3*readAhead), "y\r\n\r\n"}, "HTTP/1.1 551 "},
		{[]string{"nonsense\r\n"}, "HTTP/1.1 400 "},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := serveOne(t, &http.Server{Handler: handBack(t, line, mailBody)})
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			c.want551("GET")
			for _, piece := range tt.next {
				c.send("%s", piece)
				synctest.Wait()
			}
			began, reply := time.Now(), make([]byte, len(tt.want))
			if _, err := io.ReadFull(c.read, reply); err != nil || string(reply) != tt.want {
				t.Errorf("%.80q: got %q, error %v, want %q", tt.next, reply, err, tt.want)
			}
			if d := time.Since(began); d > 0 {
				t.Errorf("%.80q: answered after %v", tt.next, d)
			}
			go func() { _, _ = io.Copy(io.Discard, c.read) }() // until the server closes
			_ = c.conn.Close()
		})
	}
}

// A server that is shutting down says so and does not get the connection back.
func TestHandBackDuringShutdown(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	entered, shut := make(chan struct{}), make(chan struct{})
	for _, early := range []bool{true, false} {
		t.Run(fmt.Sprintf("before the reply %t", early), func(t *testing.T) {
			srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
				if early {
					entered <- struct{}{}
					<-shut
				}
				handBack(t, line, mailBody)(w, r)
				if !early {
					entered <- struct{}{}
					<-shut
				}
			})
			c := dial(t, srv.Listener.Addr().String())
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-entered
			stopped := make(chan struct{})
			go func() { _ = srv.Config.Shutdown(context.Background()); close(stopped) }()
			for !ShutsDown(srv.Config) {
				runtime.Gosched()
			}
			shut <- struct{}{}
			if resp := c.want551("GET"); resp.Close != early {
				t.Errorf("Connection: close is %t", resp.Close)
			}
			c.wantEOF()
			<-stopped
		})
	}
}

// settle waits until no more goroutines run than before.
func settle(t *testing.T, before int) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(time.Millisecond)
	}
}

func TestHandBackLeavesNoGoroutine(t *testing.T) {
	recorderConn()
	before := runtime.NumGoroutine()
	line := NewStatusLine(551, "User Not Local")
	srv := httptest.NewUnstartedServer(handBack(t, line, mailBody))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	idle := runtime.NumGoroutine()
	var conns []*client
	for range 20 {
		c := dial(t, srv.Listener.Addr().String())
		conns = append(conns, c)
		for range 5 {
			c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			c.want551("GET")
		}
	}
	settle(t, idle+21) // one for each open connection, as in net/http, and the back door
	for i, c := range conns {
		if i%2 == 0 {
			c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.want551("GET")
		}
		c.conn.Close()
	}
	settle(t, idle)
	srv.Close()
	settle(t, before)
}

func TestHandBackConcurrently(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := startServer(t, func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Id")
		w.Header().Set("X-Id", id)
		handBack(t, line, id)(w, r)
	})
	var wg sync.WaitGroup
	for conn := range 16 {
		wg.Go(func() {
			c := dial(t, srv.Listener.Addr().String())
			for i := range 100 {
				id := fmt.Sprintf("%d.%d", conn, i)
				c.send("POST / HTTP/1.1\r\nHost: x\r\nX-Id: %s\r\nContent-Length: 3\r\n\r\nabc", id)
				resp := c.reply("POST")
				body, _ := io.ReadAll(resp.Body)
				if string(body) != id || resp.Header.Get("X-Id") != id {
					t.Errorf("request %s got the reply %q", id, body)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Request.TLS is set on every request of a connection.
func TestHandBackTLS(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS == nil || r.TLS.ServerName != "example.com" {
			t.Errorf("TLS state is %v", r.TLS)
		}
		handBack(t, line, mailBody)(w, r)
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	raw := dial(t, srv.Listener.Addr().String())
	config := srv.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	config.ServerName = "example.com"
	conn := tls.Client(raw.conn, config)
	c := &client{t: t, conn: conn, read: bufio.NewReader(conn)}
	const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	c.send(get + get + get)
	for range 3 {
		c.want551("GET")
	}
	c.send(get)
	c.want551("GET")
	c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c.want551("GET")
	c.wantEOF()
}

func BenchmarkHandBack(b *testing.B) {
	line := NewStatusLine(551, "User Not Local")
	native := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(551)
		_, _ = io.WriteString(w, mailBody)
	}
	for name, h := range map[string]http.HandlerFunc{"native": native, "hand back": handBack(b, line, mailBody)} {
		b.Run(name, func(b *testing.B) {
			c := dial(b, startServer(b, h).Listener.Addr().String())
			c.read.Reset(c.conn)
			b.ReportAllocs()
			for b.Loop() {
				c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
				c.reply("GET")
			}
		})
	}
}
