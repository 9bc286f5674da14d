package kinds

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// rewritten returns what a client receives that sends a request of one method, which
// Caddy's method directive has changed to the other.
func rewritten(t *testing.T, f faults.Fault, told *heard, sent, method string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, nil)
		r.Method = method
		_ = f.Inject(&faults.Hit{N: 1, Listener: told}, w, r, sized(`{"a": 1, "b": 2}`, 16, "Content-Type", "application/json"))
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = fmt.Fprintf(conn, "%s / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", sent)
	reply, _ := io.ReadAll(conn)
	return string(reply)
}

// A client that sends HEAD gets no body, whatever Caddy makes of its method. What
// changes a body then has no effect.
func TestHeadRewritten(t *testing.T) {
	for _, f := range []faults.Fault{
		parse(t, new(Truncate), "truncate 5B"),
		parse(t, new(Truncate), "truncate 5B clean"),
		parse(t, new(Hang), "hang 1ms {\nafter 5B\n}"),
		parse(t, new(Hang), "hang 1ms {\nafter 5B\ncontinue\n}"),
		parse(t, new(Corrupt), "corrupt 50%"),
		parse(t, new(Dribble), "dribble 2 1ms"),
		parse(t, new(Throttle), "throttle 1MiB/s"),
		parse(t, new(Trailers), "trailers set X-A b"),
		parse(t, new(Mutate), "mutate"),
		parse(t, new(Patch), "patch {\njson `{\"a\": 2}`\n}"),
		parse(t, new(Patch), "patch {\nbody gone\n}"),
		parse(t, new(Patch), "patch {\npad 1KiB\n}"),
	} {
		told := new(heard)
		reply := rewritten(t, f, told, http.MethodHead, http.MethodGet)
		if told.told != passNoBody || !strings.Contains(reply, "Content-Length: 16\r\n") || !strings.HasSuffix(reply, "\r\n\r\n") {
			t.Errorf("%s: told %q, got %q, want a head that is not changed", faults.Kind(f), told.told, reply)
		}
	}
	reply := rewritten(t, parse(t, new(Malformed), "malformed"), new(heard), http.MethodHead, http.MethodGet)
	if !strings.HasSuffix(reply, "\r\n\r\n") {
		t.Errorf("malformed: got %q, want the head alone", reply)
	}
}

// A client that sends GET gets the body of a fault, even if the upstream gets HEAD.
func TestGetRewritten(t *testing.T) {
	for line, f := range map[string]faults.Fault{
		"gone":      parse(t, new(Patch), "patch {\nbody gone\n}"),
		brokenChunk: parse(t, new(Malformed), "malformed"),
		"NpVbY":     parse(t, new(Respond), "respond 200 {\nbody_size 5B\n}"),
	} {
		reply := rewritten(t, f, new(heard), http.MethodGet, http.MethodHead)
		if _, body, _ := strings.Cut(reply, "\r\n\r\n"); body != line {
			t.Errorf("%s: got %q, want the body %q", faults.Kind(f), reply, line)
		}
	}
}
