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

// TestTruncateRequestOfUnknownLength cuts uploads without a Content-Length. One that is
// not longer than the size passes whole, and is counted.
func TestTruncateRequestOfUnknownLength(t *testing.T) {
	addr, got := uploads(t, false)
	site := "fault {\nrule cut {\ntruncate 10B {\nrequest\n}\n}\n}\nreverse_proxy " + addr
	s := start(t, config{admin: true, site: site})
	c := s.client(t, h1)
	for _, tt := range []struct {
		upload, size, status int
	}{
		{100, 10, http.StatusBadGateway},
		{10, 10, http.StatusOK},
		{9, 9, http.StatusOK},
	} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", tt.upload))) // hides the length
		reply, err := c.try(c.request(t, http.MethodPost, "/", body))
		if received := <-got; received.size != tt.size || (received.err == nil) != (tt.status == http.StatusOK) || received.length != -1 {
			t.Errorf("%d bytes: the upstream got %+v, want %d bytes", tt.upload, received, tt.size)
		}
		if err != nil || reply.StatusCode != tt.status {
			t.Errorf("%d bytes: the client got %v, error %v, want %d", tt.upload, reply, err, tt.status)
		}
	}
	if short := s.passed(t, "cut")["short"]; short != 2 {
		t.Errorf("counted %d as short, want 2", short)
	}
}

// TestTruncateRequestHalted lets the rest of an upload through after a halt.
func TestTruncateRequestHalted(t *testing.T) {
	addr, got := uploads(t, false)
	s := start(t, config{admin: true, site: "fault {\ntruncate 10B {\nrequest\n}\n}\nreverse_proxy " + addr})
	c := s.client(t, h1)
	out, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, "01234")
		s.wantAdmin(t, http.StatusOK, http.MethodPost, "/halt", "", "")
		_, _ = io.WriteString(in, strings.Repeat("x", 95))
		_ = in.Close()
	}()
	reply, err := c.try(c.request(t, http.MethodPost, "/", out))
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Errorf("the client got %v, error %v", reply, err)
	}
	if received := <-got; received.size != 100 || received.err != nil {
		t.Errorf("the upstream got %+v, want 100 bytes", received)
	}
	s.resume(t)
}
