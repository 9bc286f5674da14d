package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// protocol is a version of HTTP.
type protocol int

const (
	h1 protocol = iota + 1
	h2
	h3
)

func (p protocol) String() string {
	return [...]string{h1: "HTTP/1.1", h2: "HTTP/2", h3: "HTTP/3"}[p]
}

func (s *site) protocols() []protocol {
	if s.tls {
		return []protocol{h1, h2, h3}
	}
	return []protocol{h1}
}

// client speaks one protocol to a site. It does not follow redirects, decompress bodies
// or retry after connection errors.
type client struct {
	*http.Client
	*site
	proto protocol
	dials *counter
	gone  context.Context // done when its only connection has ended; nil if it may have several
	end   func()          // closes what is open
}

// client connects to the site. The connection is closed at the end of the test.
func (s *site) client(t *testing.T, proto protocol) *client {
	t.Helper()
	addr := s.addr
	if proto == h3 {
		addr = s.quicAddr(t)
	}
	c, err := s.connect(t.Context(), proto, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.end)
	return c
}

// connect is like client, but the caller closes the connection.
func (s *site) connect(ctx context.Context, proto protocol, addr string) (*client, error) {
	c := &client{site: s, proto: proto, dials: new(counter)}
	var transport http.RoundTripper
	switch proto {
	case h3:
		conn, err := quic.DialAddr(ctx, addr, clientTLS(http3.NextProtoH3), nil)
		if err != nil {
			return nil, err
		}
		c.gone, c.end = conn.Context(), func() { _ = conn.CloseWithError(0, "") }
		c.dials.inc() // the only connection: a Transport would abandon it after every stream error
		transport = (&http3.Transport{DisableCompression: true}).NewClientConn(conn)
	default:
		alpn := "http/1.1"
		protocols := new(http.Protocols)
		if proto == h2 {
			alpn = "h2"
			protocols.SetHTTP2(true)
			protocols.SetUnencryptedHTTP2(true)
		} else {
			protocols.SetHTTP1(true)
		}
		tcp := &http.Transport{
			Protocols:          protocols,
			TLSClientConfig:    clientTLS(alpn),
			DisableCompression: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				c.dials.inc()
				return new(net.Dialer).DialContext(ctx, network, addr)
			},
		}
		c.end = tcp.CloseIdleConnections
		transport = tcp
	}
	c.Client = &http.Client{
		Transport:     transport,
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// reply is a reply whose body has been read to its end.
type reply struct {
	*http.Response
	body    string
	bodyErr error
}

// try sends a request.
func (c *client) try(r *http.Request) (*reply, error) {
	resp, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return &reply{resp, string(body), err}, nil
}

// do sends a request that must get a complete reply.
func (c *client) do(t *testing.T, r *http.Request) *reply {
	t.Helper()
	got, err := c.try(r)
	if err == nil {
		err = got.bodyErr
	}
	if err != nil {
		t.Fatalf("%s %s: %v", r.Method, r.URL, err)
	}
	return got
}

func (c *client) get(t *testing.T, path string) *reply {
	t.Helper()
	return c.do(t, c.request(t, http.MethodGet, path, nil))
}

func (c *client) request(t *testing.T, method, path string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, c.url(path), body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The reply of the main job.
const (
	body551 = `{"error": "server_error", "message": "User Not Local"}`
	line551 = "HTTP/1.1 551 User Not Local\r\n"
)

// want551 checks that a reply is the complete reply of `fault 551`.
func want551(t *testing.T, got *reply) {
	t.Helper()
	wantReply(t, got, 551, body551)
	if got.ProtoMajor == 1 && got.Status != "551 User Not Local" {
		t.Errorf("status line: got %q, want %q", got.Status, "551 User Not Local")
	}
	if ct := got.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type: got %q, want application/json", ct)
	}
	if got.Request.Method == http.MethodHead {
		return
	}
	if cl := got.Header.Get("Content-Length"); cl != "54" {
		t.Errorf("Content-Length: got %q, want 54", cl)
	}
}

// wantReply checks status and body.
func wantReply(t *testing.T, got *reply, status int, body string) {
	t.Helper()
	if got.Request.Method == http.MethodHead {
		body = ""
	}
	if got.StatusCode != status || got.body != body {
		t.Errorf("%s %s: got %d %.200q, want %d %.200q", got.Request.Method, got.Request.URL.Path, got.StatusCode, got.body, status, body)
	}
}

// rawConn is a connection without an HTTP client.
type rawConn struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

// dial opens a raw connection, which is closed at the end of the test.
func (s *site) dial(t *testing.T) *rawConn {
	t.Helper()
	conn, err := s.dialTCP("http/1.1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return newRawConn(t, conn)
}

func newRawConn(t *testing.T, conn net.Conn) *rawConn {
	return &rawConn{conn, t, bufio.NewReader(conn)}
}

func (c *rawConn) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("sending %.80q: %v", text, err)
	}
}

// rawReply is a reply as on the wire, except for the Date. A chunked body has no
// framing, which depends on the timing of reads and writes.
type rawReply struct {
	head    string // including the empty line
	body    string
	trailer string
}

var date = regexp.MustCompile(`\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n`)

// roundTrip sends a request and reads one final reply.
func (c *rawConn) roundTrip(request string) rawReply {
	c.t.Helper()
	c.send(request)
	method, _, _ := strings.Cut(request, " ")
	return c.reply(method)
}

// reply reads the final reply to a request, including the heads of the interim replies
// before it.
func (c *rawConn) reply(method string) rawReply {
	c.t.Helper()
	got, err := c.readReply(method)
	if err != nil {
		c.t.Fatalf("reading a reply to %s: %v; so far %.300q", method, err, got)
	}
	return got
}

func (c *rawConn) readReply(method string) (got rawReply, err error) {
	head, err := c.readHead()
	got.head = head
	for err == nil && strings.HasPrefix(head, "HTTP/1.1 1") && !strings.HasPrefix(head, "HTTP/1.1 101") {
		head, err = c.readHead()
		got.head += head
	}
	if err != nil {
		return got, err
	}
	got.head = date.ReplaceAllString(got.head, "\r\nDate: *\r\n")
	header := headerOf(head)
	bodyless := method == http.MethodHead || regexp.MustCompile(`^HTTP/1.[01] (101|204|304)`).MatchString(head)
	switch length := header.Get("Content-Length"); {
	case bodyless:
	case header.Get("Transfer-Encoding") == "chunked":
		got.body, got.trailer, err = c.readChunks()
	case length != "":
		n, convErr := strconv.Atoi(length)
		if convErr != nil {
			return got, convErr
		}
		body := make([]byte, n)
		n, err = io.ReadFull(c.in, body)
		got.body = string(body[:n])
	default:
		var body []byte
		body, err = io.ReadAll(c.in)
		got.body = string(body)
	}
	return got, err
}

func (c *rawConn) readHead() (string, error) {
	var head strings.Builder
	for {
		line, err := c.in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String(), err
		}
	}
}

func (c *rawConn) readChunks() (body, trailer string, err error) {
	var all strings.Builder
	for {
		chunk, err := c.readChunk()
		if err != nil {
			return all.String(), "", err
		}
		if chunk == "" {
			trailer, err = c.readHead()
			return all.String(), trailer, err
		}
		all.WriteString(chunk)
	}
}

// readChunk reads one chunk. The last chunk is empty.
func (c *rawConn) readChunk() (string, error) {
	line, err := c.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 32)
	if err != nil || size == 0 {
		return "", err
	}
	chunk := make([]byte, size+2)
	if _, err := io.ReadFull(c.in, chunk); err != nil {
		return "", err
	}
	if string(chunk[size:]) != "\r\n" {
		return "", fmt.Errorf("chunk ends in %q", chunk[size:])
	}
	return string(chunk[:size]), nil
}

// withoutAltSvc removes the Alt-Svc field. Caddy sends it once its HTTP/3 listener is
// ready, which is a little later than the other listeners.
func (got rawReply) withoutAltSvc() rawReply {
	got.head = altSvcLine.ReplaceAllString(got.head, "")
	return got
}

// final returns the reply without the interim replies before it.
func (got rawReply) final() rawReply {
	for strings.HasPrefix(got.head, "HTTP/1.1 1") {
		_, rest, found := strings.Cut(got.head, "\r\n\r\n")
		if !found || rest == "" {
			break
		}
		got.head = rest
	}
	return got
}

// wantEnd checks that the server has closed the connection gracefully and sent nothing
// more.
func (c *rawConn) wantEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Errorf("end of the connection: got %.200q, error %v, want nothing and EOF", rest, err)
	}
}

// wantAlive checks that the connection serves another request, to which the site's
// upstream replies.
func (c *rawConn) wantAlive() {
	c.t.Helper()
	got := c.roundTrip("GET /alive HTTP/1.1\r\nHost: " + host + "\r\n\r\n")
	if !strings.HasPrefix(got.head, "HTTP/1.1 200 OK\r\n") || got.body != "GET /alive" {
		c.t.Errorf("next request on the connection: got %q, want the upstream's reply", got)
	}
}

// get returns a GET request as text.
func get(path string, fields ...string) string { return request(http.MethodGet, path, "", fields...) }

// request returns a request as text. A request with a body has a Content-Length.
func request(method, path, body string, fields ...string) string {
	head := method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n"
	for _, field := range fields {
		head += field + "\r\n"
	}
	if body != "" {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return head + "\r\n" + body
}

// want551 checks the whole reply of `fault 551`, byte for byte.
func (got rawReply) want551(t *testing.T) {
	t.Helper()
	got.wantLine(t, line551)
	if got.body != body551 {
		t.Errorf("body: got %q, want %q", got.body, body551)
	}
	want := []string{"Cache-Control: no-store", "Content-Type: application/json", "Date: *", "Content-Length: 54"}
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(got.head, "\r\n\r\n"), "\r\n")[1:] {
		name, _, _ := strings.Cut(line, ":")
		if name != "Server" && name != "X-Fault-Injected" && name != "Alt-Svc" && name != "Connection" && name != "Via" {
			lines = append(lines, line)
		}
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("head: got %q, want %q, with Server, Via, X-Fault-Injected and Alt-Svc beside", lines, want)
	}
}

// wantLine checks the status line, including its line end.
func (got rawReply) wantLine(t *testing.T, line string) {
	t.Helper()
	if !strings.HasPrefix(got.head, line) {
		t.Errorf("status line: got %q, want %q", got.head, line)
	}
}

// streamEnded reports whether err means that the server has reset an HTTP/2 or HTTP/3
// stream and kept the connection.
func streamEnded(err error) bool {
	if reset, ok := errors.AsType[*http3.Error](err); ok {
		return reset.Remote && reset.ErrorCode == http3.ErrCodeInternalError
	}
	return err != nil && strings.Contains(err.Error(), "stream error") && strings.Contains(err.Error(), "INTERNAL_ERROR")
}
