package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyfault/caddyfault/caddymodule"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

func init() {
	registerHandler(new(smallest), "smallest", "respond")
	registerHandler(new(nothing), "nothing", "respond")
}

// smallest is the minimum that a handler in Caddy can do to send a reply. It shows the
// cost of the server itself.
type smallest struct{}

func (smallest) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.smallest", New: func() caddy.Module { return new(smallest) }}
}

// nothing is the minimum that a handler in Caddy can do to let a request pass.
type nothing struct{}

func (nothing) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.nothing", New: func() caddy.Module { return new(nothing) }}
}

func (nothing) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

var smallestBody = []byte(`{"error": "server_error", "message": "User Not Local"}`)

func (smallest) ServeHTTP(w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(551)
	_, _ = w.Write(smallestBody)
	return nil
}

// BenchmarkReply compares a reply of the fault directive with the same bytes from
// Caddy's respond directive and from the smallest possible handler. It uses one
// keep-alive connection to one server, with and without the listener wrapper. Run it
// with -count and compare within the run.
func BenchmarkReply(b *testing.B) {
	for _, wrapper := range []string{"listener_wrappers {\nfault\n}", ""} {
		addr := benchServer(b, `{
			admin off
			auto_https off
			persist_config off
			fault {
				disclose off
			}
			servers {
				`+wrapper+`
			}
		}
		:0 {
			bind 127.0.0.1
			route /smallest {
				smallest
			}
			route /respond {
				header Content-Type application/json
				respond "{\"error\": \"server_error\", \"message\": \"User Not Local\"}" 551
			}
			route /fault {
				fault 551
			}
			route /missed {
				fault /other 551
				smallest
			}
		}`)
		for _, name := range []string{"smallest", "respond", "fault", "missed"} {
			b.Run(fmt.Sprintf("%s/wrapper=%t", name, wrapper != ""), func(b *testing.B) { benchRequests(b, addr, "/"+name) })
		}
	}
}

// benchServer loads a configuration with one server and returns its address.
func benchServer(tb testing.TB, config string) string {
	tb.Helper()
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		tb.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = caddy.Stop() })
	app, err := caddy.ActiveContext().App("http")
	if err != nil {
		tb.Fatal(err)
	}
	for _, srv := range app.(*caddyhttp.App).Servers {
		return srv.Listeners()[0].Addr().String()
	}
	tb.Fatal("no server")
	return ""
}

// benchRequests sends requests over one connection and reads the replies with as little
// work as possible, so that the server takes most of the time.
func benchRequests(b *testing.B, addr, path string) {
	ask := bareClient(b, addr, path)
	b.ReportAllocs()
	before := testkit.CPUTime(b)
	for b.Loop() {
		if err := ask(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(testkit.CPUTime(b)-before)/float64(b.N), "cpu-ns/op")
}

// An asker sends a request and reads the reply, repeatedly.
type asker func() error

// bareClient requests a path over one connection. It checks the first reply, and
// expects the same length of all others.
func bareClient(tb testing.TB, addr, path string) asker {
	tb.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		tb.Fatal(err)
	}
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path)
	if _, err := conn.Write(request); err != nil {
		tb.Fatal(err)
	}
	var raw bytes.Buffer
	br := bufio.NewReader(io.TeeReader(conn, &raw))
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		tb.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 551 || !bytes.Equal(body, smallestBody) {
		tb.Fatalf("%s: got %d %q, %v", path, resp.StatusCode, body, err)
	}
	reply := raw.Bytes()
	return func() error {
		if _, err := conn.Write(request); err != nil {
			return err
		}
		_, err := io.ReadFull(conn, reply)
		return err
	}
}
