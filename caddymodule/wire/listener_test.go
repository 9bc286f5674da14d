package wire

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

const mailReply = `{"error": "server_error", "message": "User Not Local"}`

func init() {
	caddy.RegisterModule(wireHandler{})
	caddy.RegisterModule(wireLog{})
}

// wireHandler replies 551 with its reason phrase, or as the query says.
type wireHandler struct {
	Way string `json:"way,omitempty"` // wrapper, handback or native
}

func (wireHandler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.wire_test", New: func() caddy.Module { return new(wireHandler) }}
}

func (h wireHandler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	query := r.URL.Query()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Server")
	if n, _ := strconv.Atoi(query.Get("long")); n > 0 {
		w.Header().Set("X-Long", strings.Repeat("x", n))
	}
	if query.Has("hints") {
		w.WriteHeader(http.StatusEarlyHints)
	}
	if r.Header.Get("Expect") != "" && h.Way == "wrapper" {
		w.Header().Set("Connection", "close")
	}
	if query.Has("read") {
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
	}
	if query.Has("replace") {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	code := 551
	line := NewStatusLine(code, "User Not Local")
	switch h.Way {
	case "wrapper":
		if armed := line.Arm(r); armed != (r.ProtoMajor == 1) {
			return fmt.Errorf("Arm() = %t on %s", armed, r.Proto)
		}
	case "handback":
		if done, err := line.HandBack(w, r, []byte(mailReply)); done != (r.ProtoMajor == 1) || err != nil {
			return fmt.Errorf("HandBack() = %t, %v", done, err)
		} else if done {
			return nil
		}
	}
	if query.Has("other") {
		code, _ = strconv.Atoi(query.Get("other"))
	}
	if query.Has("error") {
		return caddyhttp.Error(code, errors.New("on purpose"))
	}
	w.WriteHeader(code)
	_, _ = io.WriteString(w, mailReply)
	return nil
}

// wireLog keeps what is logged to it.
type wireLog struct{}

var wireLogged struct {
	sync.Mutex
	bytes.Buffer
}

func (wireLog) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.writers.wire_test", New: func() caddy.Module { return new(wireLog) }}
}
func (wireLog) String() string                        { return "wire_test" }
func (wireLog) WriterKey() string                     { return "wire_test" }
func (l wireLog) OpenWriter() (io.WriteCloser, error) { return l, nil }
func (wireLog) Close() error                          { return nil }
func (wireLog) Write(p []byte) (int, error) {
	wireLogged.Lock()
	defer wireLogged.Unlock()
	return wireLogged.Buffer.Write(p)
}

// accessLog returns the access log lines of the client's connection so far, and
// discards all lines: some of an earlier connection come late.
func accessLog(t testing.TB, c *wireClient) (lines []accessLine) {
	t.Helper()
	_, port, err := net.SplitHostPort(c.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	wireLogged.Lock()
	defer wireLogged.Unlock()
	for text := range strings.Lines(wireLogged.String()) {
		var line accessLine
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		switch {
		case !strings.HasPrefix(line.Logger, "http.log.access"):
			if line.Level == "error" {
				t.Errorf("logged: %s", text)
			}
		case line.Request.RemotePort == port:
			lines = append(lines, line)
		}
	}
	wireLogged.Reset()
	return lines
}

type accessLine struct {
	Logger, Level string
	Status, Size  int
	BytesRead     int `json:"bytes_read"`
	Request       struct {
		RemotePort string                  `json:"remote_port"`
		TLS        *struct{ Proto string } `json:"tls"`
	}
}

// wireConfig returns a server with the handler above. The listener is wrapped if the
// way needs it. Each test can insert more settings.
type wireConfig struct {
	way      string
	tls      bool
	handlers string // JSON of the handlers before this one, with a comma
	server   string // JSON members of the server, with a comma
}

func (c wireConfig) json(t testing.TB) []byte {
	wrappers, policies, certs := "", "", "{}"
	if c.way == "wrapper" {
		wrappers = `"listener_wrappers": [{"wrapper": "fault"}],`
	}
	if c.tls {
		policies = `"tls_connection_policies": [{}],`
		cert, key := selfSigned(t)
		certs = fmt.Sprintf(`{"certificates": {"load_pem": [{"certificate": %q, "key": %q}]}}`, cert, key)
	}
	return fmt.Appendf(nil, `{
		"admin": {"disabled": true, "config": {"persist": false}},
		"logging": {"logs": {"default": {"writer": {"output": "wire_test"}, "encoder": {"format": "json"}}}},
		"apps": {
			"tls": %s,
			"http": {"servers": {"srv": {
				"listen": ["127.0.0.1:0"], "automatic_https": {"disable": true}, "protocols": ["h1", "h2"],
				"logs": {}, %s %s %s
				"errors": {"routes": [{"handle": [{"handler": "static_response", "status_code": "{http.error.status_code}", "body": "handled"}]}]},
				"routes": [{"handle": [%s {"handler": "wire_test", "way": %q}]}]
			}}}
		}
	}`, certs, wrappers, policies, c.server, c.handlers, c.way)
}

// start loads the configuration and returns the server's address.
func (c wireConfig) start(t testing.TB) string {
	t.Helper()
	if err := caddy.Load(c.json(t), true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	wireLogged.Lock()
	defer wireLogged.Unlock()
	wireLogged.Reset()
	return currentAddr(t)
}

func currentAddr(t testing.TB) string {
	t.Helper()
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		t.Fatal(err)
	}
	return app.(*caddyhttp.App).Servers["srv"].Listeners()[0].Addr().String()
}

var keyPair = sync.OnceValues(func() (cert, key string) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	if err != nil {
		panic(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
})

func selfSigned(testing.TB) (cert, key string) { return keyPair() }

// wireClient reads replies and keeps their bytes.
type wireClient struct {
	t    testing.TB
	conn net.Conn
	read *bufio.Reader
	raw  bytes.Buffer
}

func dialWire(t testing.TB, addr string, secure bool) *wireClient {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: "example.com", NextProtos: []string{"http/1.1"}})
	}
	c := &wireClient{t: t, conn: conn}
	c.read = bufio.NewReader(io.TeeReader(conn, &c.raw))
	return c
}

func (c *wireClient) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

func (c *wireClient) reply(method string) (*http.Response, string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.read, &http.Request{Method: method})
	if err != nil {
		c.t.Fatalf("reading reply: %v (%q so far)", err, c.raw.String())
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("reading body: %v", err)
	}
	return resp, string(body)
}

func (c *wireClient) want551(method string) *http.Response {
	c.t.Helper()
	resp, body := c.reply(method)
	want := mailReply
	if method == "HEAD" {
		want = ""
	}
	if resp.Status != "551 User Not Local" || body != want {
		c.t.Fatalf("reply %q with body %q", resp.Status, body)
	}
	return resp
}

func (c *wireClient) wantEOF() {
	c.t.Helper()
	if n, err := io.Copy(io.Discard, c.read); n != 0 || err != nil {
		c.t.Fatalf("after the reply: %d bytes, %v; want the connection's end", n, err)
	}
}

const getRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func postRequest(path string, size int) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, size, strings.Repeat("x", size))
}

// TestStatusLineOnTheWire runs the same conversations both ways, without and with TLS,
// through Caddy's real server with its recorders and idle timeouts.
func TestStatusLineOnTheWire(t *testing.T) {
	conversations := map[string]func(t *testing.T, c *wireClient){
		"bytes of three requests": wireBytes,
		"pipelined pair": func(_ *testing.T, c *wireClient) {
			c.send(getRequest + getRequest)
			c.want551("GET")
			c.want551("GET")
		},
		"pipelined triple with a POST": func(_ *testing.T, c *wireClient) {
			c.send(getRequest + postRequest("/", 5) + getRequest)
			for range 3 {
				c.want551("GET")
			}
		},
		"POST 20 KB": func(_ *testing.T, c *wireClient) {
			for _, path := range []string{"/", "/?read", "/"} {
				c.send(postRequest(path, 20<<10))
				c.want551("POST")
			}
		},
		"300 KB unread": wireUnread(300 << 10),
		"4 MB unread":   wireUnread(4 << 20),
		"HEAD": func(t *testing.T, c *wireClient) {
			for range 2 {
				c.send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
				if resp := c.want551("HEAD"); resp.ContentLength != 54 {
					t.Errorf("Content-Length is %d", resp.ContentLength)
				}
			}
		},
		"HTTP/1.0": func(t *testing.T, c *wireClient) {
			c.send("GET / HTTP/1.0\r\n\r\n")
			c.want551("GET")
			c.wantEOF()
			if !strings.HasPrefix(c.raw.String(), "HTTP/1.0 551 User Not Local\r\n") {
				t.Errorf("got %q", c.raw.String())
			}
		},
		"HTTP/1.0 keep-alive": func(t *testing.T, c *wireClient) {
			for range 2 {
				c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
				if resp := c.want551("GET"); resp.Header.Get("Connection") != "keep-alive" {
					t.Error("not kept alive")
				}
			}
		},
		"Expect unread": func(t *testing.T, c *wireClient) {
			// the reply does not wait for the body, which never arrives
			c.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n")
			if resp := c.want551("POST"); !resp.Close {
				t.Error("reply has no Connection: close")
			}
		},
		"103 first": func(t *testing.T, c *wireClient) {
			for range 2 {
				c.send("GET /?hints HTTP/1.1\r\nHost: x\r\n\r\n")
				if resp, _ := c.reply("GET"); resp.StatusCode != http.StatusEarlyHints {
					t.Fatalf("got %s", resp.Status)
				}
				c.want551("GET")
			}
		},
		"12 KB head": func(t *testing.T, c *wireClient) {
			for range 2 {
				c.send("GET /?long=12288 HTTP/1.1\r\nHost: x\r\n\r\n")
				if resp := c.want551("GET"); len(resp.Header.Get("X-Long")) != 12288 {
					t.Error("the field is cut off")
				}
			}
		},
	}
	for _, way := range []string{"wrapper", "handback"} {
		for _, secure := range []bool{false, true} {
			addr := wireConfig{way: way, tls: secure}.start(t)
			for name, talk := range conversations {
				t.Run(fmt.Sprintf("%s/tls=%t/%s", way, secure, name), func(t *testing.T) {
					c := dialWire(t, addr, secure)
					talk(t, c)
					for _, line := range accessLog(t, c) {
						if line.Status != 551 || line.Size != 54 && line.Size != 0 || line.Level != "error" || (line.Request.TLS != nil) != secure {
							t.Errorf("access log: %+v", line)
						}
					}
				})
			}
		}
	}
}

func wireBytes(t *testing.T, c *wireClient) {
	for range 3 {
		c.raw.Reset()
		c.send(getRequest)
		resp := c.want551("GET")
		want := "HTTP/1.1 551 User Not Local\r\nContent-Type: application/json\r\nDate: " +
			resp.Header.Get("Date") + "\r\nContent-Length: 54\r\n\r\n" + mailReply
		if c.raw.String() != want {
			t.Errorf("got\n%q\nwant\n%q", c.raw.String(), want)
		}
	}
}

func wireUnread(size int) func(*testing.T, *wireClient) {
	return func(t *testing.T, c *wireClient) {
		go func() { _, _ = io.WriteString(c.conn, postRequest("/", size)) }()
		if resp := c.want551("POST"); !resp.Close {
			t.Error("reply has no Connection: close")
		}
	}
}

// A body that was read before the reply keeps the connection open, whatever its length.
func TestStatusLineReadBody(t *testing.T) {
	for _, way := range []string{"wrapper", "handback"} {
		addr := wireConfig{way: way}.start(t)
		c := dialWire(t, addr, false)
		for range 2 {
			c.send(postRequest("/?read", 1<<20))
			if resp := c.want551("POST"); resp.Close {
				t.Errorf("%s: the connection is closed", way)
			}
		}
	}
}

// A body that a middleware has substituted does not count, only the body on the wire.
func TestStatusLineReplacedBody(t *testing.T) {
	for _, idle := range []string{"", `"read_idle_timeout": -1,`} {
		addr := wireConfig{way: "handback", server: idle}.start(t)
		c := dialWire(t, addr, false)
		c.send("POST /?replace HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n" + getRequest)
		if resp := c.want551("POST"); resp.Close != (idle != "") {
			t.Errorf("with %q the connection ends: %t", idle, resp.Close)
		}
		if idle == "" {
			c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			c.want551("GET")
		}
		c.wantEOF()
	}
}

func TestStatusLineLogOrder(t *testing.T) {
	addr := wireConfig{way: "handback"}.start(t)
	c := dialWire(t, addr, false)
	c.send(getRequest + "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + getRequest + getRequest)
	var sizes []int
	for _, method := range []string{"GET", "HEAD", "GET", "GET"} {
		c.want551(method)
	}
	c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	c.want551("GET")
	c.wantEOF()
	for _, line := range accessLog(t, c) {
		sizes = append(sizes, line.Size)
	}
	if got := fmt.Sprint(sizes); got != "[54 0 54 54 54]" {
		t.Errorf("sizes in the log are %v", got)
	}
}

// Middleware outside the fault must reach the client where it can.
func TestStatusLineMiddleware(t *testing.T) {
	above := `{"handler": "encode", "encodings": {"gzip": {}}, "minimum_length": 1},
		{"handler": "headers", "response": {"deferred": true, "add": {"X-Deferred": ["yes"]}}},
		{"handler": "headers", "response": {"deferred": true, "set": {"X-Inner": ["yes"]}}},` // which also passes the head on
	for _, way := range []string{"wrapper", "handback"} {
		addr := wireConfig{way: way, handlers: above}.start(t)
		c := dialWire(t, addr, false)
		for range 2 {
			c.send("GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
			resp, body := c.reply("GET")
			if way == "wrapper" {
				unzip, err := gzip.NewReader(strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				plain, _ := io.ReadAll(unzip)
				body = string(plain)
			}
			if resp.Status != "551 User Not Local" || body != mailReply || !slices.Equal(resp.Header["X-Deferred"], []string{"yes"}) {
				t.Errorf("%s: %s %v %q", way, resp.Status, resp.Header, body)
			}
		}
		c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		c.want551("GET")
		c.wantEOF()
		for _, line := range accessLog(t, c) {
			if line.Status != 551 {
				t.Errorf("%s: access log: %+v", way, line)
			}
		}
	}
}

// An armed connection must not use the phrase for another reply. The replies of error
// routes also have the phrase.
func TestStatusLineOtherWriters(t *testing.T) {
	addr := wireConfig{way: "wrapper"}.start(t)
	c := dialWire(t, addr, false)
	for _, tt := range []struct{ path, status, body string }{
		{"/?other=503", "503 Service Unavailable", mailReply},
		{"/?other=552", "552 status code 552", mailReply},
		{"/", "551 User Not Local", mailReply},
		{"/?error", "551 User Not Local", "handled"},
		{"/?error&other=500", "500 Internal Server Error", "handled"},
		{"/?other=204", "204 No Content", ""},
		{"/", "551 User Not Local", mailReply},
	} {
		c.send("GET " + tt.path + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if resp, body := c.reply("GET"); resp.Status != tt.status || body != tt.body {
			t.Errorf("%s: %q with body %q", tt.path, resp.Status, body)
		}
	}
	wireLogged.Lock()
	wireLogged.Reset() // the intended errors
	wireLogged.Unlock()
}

// A reload and the end of the process do not wait for an idle connection.
func TestStatusLineReload(t *testing.T) {
	for _, way := range []string{"wrapper", "handback"} {
		c := wireConfig{way: way}
		client := dialWire(t, c.start(t), false)
		client.send(getRequest)
		client.want551("GET")
		if err := caddy.Load(c.json(t), true); err != nil {
			t.Fatal(err)
		}
		client.wantEOF()
		client = dialWire(t, currentAddr(t), false)
		client.send(getRequest)
		client.want551("GET")
		before := time.Now()
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
		client.wantEOF()
		if d := time.Since(before); d > 4*time.Second {
			t.Errorf("%s: an idle connection lasted %v", way, d)
		}
	}
}

// With all timeouts of the server set, the connection stays open from request to
// request, with bodies that nothing has read.
func TestStatusLineTimeouts(t *testing.T) {
	for _, way := range []string{"wrapper", "handback"} {
		addr := wireConfig{way: way, server: `"read_timeout": "5s", "write_timeout": "5s", "read_idle_timeout": "1s", "write_idle_timeout": "1s",`}.start(t)
		c := dialWire(t, addr, false)
		for range 3 {
			c.send(postRequest("/", 1000))
			c.want551("POST")
		}
	}
}

func TestStatusLineHTTP2(t *testing.T) {
	for _, way := range []string{"wrapper", "handback"} {
		addr := wireConfig{way: way, tls: true}.start(t)
		transport := &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: "example.com"}}
		client := &http.Client{Transport: transport}
		for range 2 {
			resp, err := client.Get("https://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.ProtoMajor != 2 || resp.StatusCode != 551 || string(body) != mailReply {
				t.Errorf("%s: %s %s %q", way, resp.Proto, resp.Status, body)
			}
		}
		transport.CloseIdleConnections()
	}
}

// An unencrypted request on the TLS port gets the same reply as without the wrapper.
func TestPlainRequestToTLS(t *testing.T) {
	var got [2]string
	for i, way := range []string{"native", "wrapper"} {
		addr := wireConfig{way: way, tls: true}.start(t)
		c := dialWire(t, addr, false)
		c.send(getRequest)
		reply, err := io.ReadAll(c.conn)
		if err != nil && len(reply) == 0 {
			t.Fatalf("%s: %v", way, err)
		}
		got[i] = string(reply)
	}
	if got[0] != got[1] || !strings.Contains(got[0], "400 Bad Request") {
		t.Errorf("without wrapper %q, with it %q", got[0], got[1])
	}
}

func TestStatusLineConcurrently(t *testing.T) {
	for _, way := range []string{"wrapper", "handback"} {
		addr := wireConfig{way: way}.start(t)
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				c := dialWire(t, addr, false)
				for i := range 100 {
					if i%2 == 0 {
						c.send(getRequest)
						c.want551("GET")
						continue
					}
					c.send(postRequest("/", 100))
					c.want551("POST")
				}
			})
		}
		wg.Wait()
	}
}

func TestListenerWrapperCaddyfile(t *testing.T) {
	tests := []struct{ name, option, wantErr string }{
		{"alone", "fault", ""},
		{"after tls", "proxy_protocol\n tls\n fault", ""},
		{"argument", "fault on", "unexpected argument 'on': write fault"},
		{"block", "fault {\n on\n }", "has no options, but found '{'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := "{\n servers {\n listener_wrappers {\n " + tt.option + "\n }\n }\n}\nhttp://localhost {\n respond ok\n}\n"
			out, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
			switch {
			case tt.wantErr == "" && err != nil:
				t.Fatal(err)
			case tt.wantErr == "" && !strings.Contains(string(out), `{"wrapper":"fault"}`):
				t.Errorf("adapted to %s", out)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("got error %v, want %q", err, tt.wantErr)
			}
		})
	}
	if err := new(ListenerWrapper).UnmarshalCaddyfile(caddyfile.NewTestDispenser("fault")); err != nil {
		t.Error(err)
	}
}

// TestListenerWrapperForgets checks that a server has the wrapper while its configuration
// runs, and that nothing keeps the server afterwards.
func TestListenerWrapperForgets(t *testing.T) {
	base, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	server := new(caddyhttp.Server)
	ctx := base.WithValue(caddyhttp.ServerCtxKey, server)
	if !Missing(ctx) {
		t.Error("the server has the wrapper before it is loaded")
	}
	if _, err := ctx.LoadModuleByID("caddy.listeners.fault", nil); err != nil {
		t.Fatal(err)
	}
	if Missing(ctx) {
		t.Error("the server lacks the wrapper that is loaded")
	}
	cancel()
	if !Missing(ctx) {
		t.Error("the server is kept after the end of its configuration")
	}
}

// scriptedConn records each Write separately.
type scriptedConn struct {
	net.Conn
	writes [][]byte
}

func (c *scriptedConn) Write(p []byte) (int, error) {
	c.writes = append(c.writes, bytes.Clone(p))
	return len(p), nil
}

func (c *scriptedConn) LocalAddr() net.Addr { return &net.UnixAddr{Name: "x", Net: "unix"} }

func wrapConn(t testing.TB, inner net.Conn) net.Conn {
	t.Helper()
	c, err := ListenerWrapper{}.WrapListener(&singleListener{conn: inner}).Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type singleListener struct {
	net.Listener
	conn net.Conn
}

func (l *singleListener) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	return l.conn, nil
}

func TestFaultConnTypes(t *testing.T) {
	tests := []struct {
		name            string
		inner           net.Conn
		copies, secured bool
	}{
		{"TCP", &net.TCPConn{}, true, false},
		{"TLS", tls.Server(&net.TCPConn{}, nil), false, true},
		{"other", &scriptedConn{}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := wrapConn(t, tt.inner)
			if _, ok := c.(io.ReaderFrom); ok != tt.copies {
				t.Errorf("is an io.ReaderFrom: %t", ok)
			}
			if _, ok := c.(interface{ ConnectionState() tls.ConnectionState }); ok != tt.secured {
				t.Errorf("has a TLS state: %t", ok)
			}
			if got := c.(interface{ NetConn() net.Conn }).NetConn(); got != tt.inner {
				t.Errorf("NetConn() = %v", got)
			}
			if got := c.LocalAddr().(interface{ NetConn() net.Conn }).NetConn(); got != tt.inner {
				t.Errorf("LocalAddr().NetConn() = %v", got)
			}
		})
	}
	if _, err := (ListenerWrapper{}).WrapListener(&singleListener{}).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("error of Accept is %v", err)
	}
	c := wrapConn(t, &scriptedConn{})
	if got := c.LocalAddr().Network() + " " + c.LocalAddr().String(); got != "unix x" {
		t.Errorf("address is %q", got)
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite() = %v", err)
	}
}

// A wrapper before TLS sees no head and must not promise to write one.
func TestFaultConnInFrontOfTLS(t *testing.T) {
	line := NewStatusLine(551, "User Not Local")
	for _, tt := range []struct {
		inner           net.Conn
		encrypted, want bool
	}{
		{&net.TCPConn{}, false, true},
		{&net.TCPConn{}, true, false},
		{tls.Server(&net.TCPConn{}, nil), true, true},
	} {
		addr := wrapConn(t, tt.inner).LocalAddr().(LineWriter)
		if got := addr.WriteLine(line, tt.encrypted); got != tt.want {
			t.Errorf("%T, encrypted %t: WriteLine() = %t", tt.inner, tt.encrypted, got)
		}
	}
}

// TestFaultConnWrites shows what arms, what disarms and what passes.
func TestFaultConnWrites(t *testing.T) {
	const native, ours = "HTTP/1.1 551 status code 551\r\n\r\n", "HTTP/1.1 551 User Not Local\r\n\r\n"
	tests := []struct {
		name      string
		in, wants []string
	}{
		{"the head", []string{native, "body"}, []string{ours, "body"}},
		{"only once", []string{native, native}, []string{ours, native}},
		{"after interim heads", []string{"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", native}, []string{"HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\n\r\n", ours}},
		{"another status disarms", []string{"HTTP/1.1 200 OK\r\n\r\n", native}, []string{"HTTP/1.1 200 OK\r\n\r\n", native}},
		{"a switch of protocol disarms", []string{"HTTP/1.1 101 Switching Protocols\r\n\r\n", native}, []string{"HTTP/1.1 101 Switching Protocols\r\n\r\n", native}},
		{"a line cut in two is left alone", []string{native[:20], native[20:]}, []string{native[:20], native[20:]}},
		{"HTTP/1.0", []string{"HTTP/1.0 551 status code 551\r\n\r\n"}, []string{"HTTP/1.0 551 User Not Local\r\n\r\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inner := &scriptedConn{}
			c := wrapConn(t, inner)
			c.LocalAddr().(LineWriter).WriteLine(NewStatusLine(551, "User Not Local"), false)
			for _, text := range tt.in {
				if n, err := c.Write([]byte(text)); n != len(text) || err != nil {
					t.Errorf("Write(%q) = %d, %v", text, n, err)
				}
			}
			if got := fmt.Sprintf("%q", inner.writes); got != fmt.Sprintf("%q", tt.wants) {
				t.Errorf("wrote %s, want %q", got, tt.wants)
			}
		})
	}
}

func TestFaultConnUnarmedAllocatesNothing(t *testing.T) {
	c := wrapConn(t, nullConn{})
	p := []byte("HTTP/1.1 551 status code 551\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { _, _ = c.Write(p) }); n != 0 {
		t.Errorf("an unarmed Write allocates %v times", n)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if n := testing.AllocsPerRun(100, func() { NewStatusLine(503, "Service Unavailable").Arm(r) }); n != 0 {
		t.Errorf("arming nothing allocates %v times", n)
	}
}

type nullConn struct{ net.Conn }

func (nullConn) Write(p []byte) (int, error) { return len(p), nil }

// FuzzRewrite splits what net/http writes at any two places. The output equals the
// input except for the one status line, which changes only if it was complete.
func FuzzRewrite(f *testing.F) {
	f.Add([]byte("HTTP/1.1 551 status code 551\r\nA: b\r\n\r\nbody"), "User Not Local", 551, 0, 0)
	f.Add([]byte("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 551 status code 551\r\n\r\n"), "x", 551, 28, 40)
	f.Add([]byte("HTTP/1.0 503 Service Unavailable\r\n\r\n"), "", 503, 5, 10)
	f.Add([]byte{0, 0, 18, 4, 0, 0, 0, 0, 0}, "h2", 200, 3, 3)
	f.Fuzz(func(t *testing.T, stream []byte, reason string, code, first, second int) {
		line := NewStatusLine(code, reason)
		if code < 200 || code > 999 || line == nil || strings.ContainsAny(reason, "\r\n") {
			t.Skip()
		}
		a := min(max(first, 0), len(stream))
		b := min(max(second, a), len(stream))
		inner := &scriptedConn{}
		c := wrapConn(t, inner)
		c.LocalAddr().(LineWriter).WriteLine(line, false)
		armed := true
		for i, piece := range [][]byte{stream[:a], stream[a:b], stream[b:]} {
			before := bytes.Clone(piece)
			n, err := c.Write(piece)
			if n != len(piece) || err != nil || !bytes.Equal(before, piece) {
				t.Fatalf("Write(%q) = %d, %v, left %q", before, n, err, piece)
			}
			want := before
			if armed && FinalHead(before) {
				armed = false
				want = withLine(before, code, reason)
			}
			if !bytes.Equal(inner.writes[i], want) {
				t.Fatalf("Write(%q) became %q, want %q", before, inner.writes[i], want)
			}
		}
	})
}

// withLine describes simply what the rewriting does.
func withLine(head []byte, code int, reason string) []byte {
	native := http.StatusText(code)
	if native == "" {
		native = "status code " + strconv.Itoa(code)
	}
	from := fmt.Sprintf("%s%d %s\r\n", head[:9], code, native)
	if rest, ok := strings.CutPrefix(string(head), from); ok {
		return fmt.Appendf(nil, "%s%d %s\r\n%s", head[:9], code, reason, rest)
	}
	return head
}

func BenchmarkFaultConnWrite(b *testing.B) {
	p := []byte("HTTP/1.1 551 status code 551\r\nContent-Type: application/json\r\nContent-Length: 54\r\n\r\n" + mailReply)
	c := wrapConn(b, nullConn{})
	line := NewStatusLine(551, "User Not Local")
	addr := c.LocalAddr().(LineWriter)
	b.Run("unarmed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.Write(p)
		}
	})
	b.Run("armed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			addr.WriteLine(line, false)
			_, _ = c.Write(p)
		}
	})
}

func BenchmarkStatusLine(b *testing.B) {
	for _, secure := range []bool{false, true} {
		for _, way := range []string{"native", "wrapper", "handback"} {
			b.Run(fmt.Sprintf("%s/tls=%t", way, secure), func(b *testing.B) {
				c := dialWire(b, wireConfig{way: way, tls: secure}.start(b), secure)
				c.read.Reset(c.conn)
				b.ReportAllocs()
				for b.Loop() {
					c.send(getRequest)
					c.reply("GET")
				}
			})
		}
	}
}

// The advice for a wrapper before TLS is a configuration that Caddy takes: the line tls
// is never the first one.
func TestAfterTLS(t *testing.T) {
	for _, tt := range []struct {
		fault, tls int
		want       string
	}{
		{0, 1, "remove the line tls; without it, TLS comes first"},
		{0, 2, "write the line fault after the line tls"},
		{1, 2, "write the line fault after the line tls"},
	} {
		if got := afterTLS(tt.fault, tt.tls); got != tt.want {
			t.Errorf("fault %d, tls %d: got %q, want %q", tt.fault, tt.tls, got, tt.want)
		}
	}
}
