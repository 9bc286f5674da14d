package e2e

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// uploads is an upstream that reports each body that it gets, and how the body ends.
func uploads(t *testing.T, http2 bool) (addr string, got <-chan receivedUpload) {
	t.Helper()
	received := make(chan receivedUpload, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		received <- receivedUpload{len(body), r.ContentLength, err}
	}))
	addr = srv.Listener.Addr().String()
	if http2 {
		srv.Config.Protocols = new(http.Protocols)
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		addr = "h2c://" + addr
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return addr, received
}

type receivedUpload struct {
	size   int
	length int64
	err    error
}

// TestTruncateRequest cuts uploads on their way to the upstream. The upstream gets
// exactly the beginning, and learns that it is not the whole, unless the cut is clean.
func TestTruncateRequest(t *testing.T) {
	for _, tt := range []struct {
		fault  string
		upload int
		size   int
		whole  bool
	}{
		{"truncate 10B {\nrequest\n}", 100, 10, false},
		{"truncate 0B {\nrequest\n}", 100, 0, false},
		{"truncate 50% {\nrequest\n}", 100 << 10, 50 << 10, false},
		{"truncate 5KiB {\nrequest\n}", 300 << 10, 5 << 10, false},
		{"truncate 50% clean {\nrequest\n}", 100, 50, true},
		{"truncate 50KiB clean {\nrequest\n}", 100 << 10, 50 << 10, true},
		{"truncate 1KiB {\nrequest\n}", 100, 100, true},
	} {
		for _, http2 := range []bool{false, true} {
			addr, got := uploads(t, http2)
			name := oneLine(tt.fault) + ", HTTP/1.1"
			if http2 {
				name = oneLine(tt.fault) + ", HTTP/2"
			}
			t.Run(name, func(t *testing.T) {
				site := "fault {\n" + tt.fault + "\n}\nreverse_proxy " + addr
				overEach(t, config{site: site}, func(t *testing.T, c *client) {
					length := int64(tt.upload)
					if tt.whole {
						length = int64(tt.size)
					}
					reply, err := c.try(c.request(t, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", tt.upload))))
					select {
					case got := <-got:
						if got.size != tt.size || (got.err == nil) != tt.whole || got.length != length {
							t.Errorf("the upstream got %+v, want %d bytes of %d", got, tt.size, length)
						}
					case <-time.After(patience):
						t.Fatal("the upstream got nothing")
					}
					want := http.StatusBadGateway
					if tt.whole {
						want = http.StatusOK
					}
					if err != nil || reply.StatusCode != want {
						t.Errorf("the client got %v, error %v, want %d", reply, err, want)
					}
				})
			})
		}
	}
}
