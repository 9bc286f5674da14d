package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestHangContinues stalls a reply in the middle. The client gets the beginning before
// the stall, the rest after it, and all of it unharmed.
func TestHangContinues(t *testing.T) {
	const stall = 60 * time.Millisecond
	up := serve(t, shapes)
	for _, tt := range []struct {
		after string
		first int // bytes that come before the stall
	}{
		{"1000B", 1000}, {"0B", 0}, {"25%", 1000},
	} {
		eachPhase(t, "hang 60ms {\nafter "+tt.after+"\ncontinue\n}", func(t *testing.T, _, directive string) {
			overEach(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
				began := time.Now()
				resp, err := c.Do(c.request(t, "GET", "/f?size=4000", nil))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				first := make([]byte, tt.first)
				if _, err := io.ReadFull(resp.Body, first); err != nil {
					t.Fatal(err)
				}
				rest, err := io.ReadAll(resp.Body)
				wantTook(t, began, stall)
				if got := string(first) + string(rest); err != nil || got != string(pattern(4000)) || resp.ContentLength != 4000 {
					t.Errorf("got %d bytes of %d, error %v, want the whole reply", len(got), resp.ContentLength, err)
				}
				wantReply(t, c.get(t, "/f?size=0"), 200, "")
				c.wantOneConnection(t)
			})
		})
	}
}

// TestHangContinuesHalted sends the beginning of a reply before a long stall, and the
// rest after a halt.
func TestHangContinuesHalted(t *testing.T) {
	up := serve(t, shapes)
	overEach(t, config{admin: true, site: "fault {\nhang 1h {\nafter 1000B\ncontinue\n}\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		resp, err := c.Do(c.request(t, "GET", "/f?size=4000&as=chunked", nil))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		first := make([]byte, 1000)
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			t.Fatal(err)
		}
		c.wantAdmin(t, http.StatusOK, http.MethodPost, "/halt", "", "")
		rest, err := io.ReadAll(resp.Body)
		if got := string(first) + string(rest); err != nil || got != string(pattern(4000)) {
			t.Errorf("got %d bytes, error %v, want the whole reply", len(got), err)
		}
		c.resume(t)
	})
}

// A stalledUpload is what an upstream gets of an upload.
type stalledUpload struct {
	first int           // how much arrived before the body stalled
	stall time.Duration // the longest wait within the body
	size  int
	err   error // at the end of the body; nil: it is whole
}

// stalls is an upstream that reports the longest wait within each body that it gets.
// begun receives the size of a part as soon as it has arrived.
func stalls(t *testing.T, http2 bool) (addr string, begun <-chan int, got <-chan stalledUpload) {
	t.Helper()
	parts, received := make(chan int, 1000), make(chan stalledUpload, 10)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var up stalledUpload
		buf := make([]byte, 64<<10)
		for up.err == nil {
			asked := time.Now()
			n, err := r.Body.Read(buf)
			if waited := time.Since(asked); waited > up.stall {
				up.first, up.stall = up.size, waited
			}
			up.size += n
			up.err = err
			parts <- up.size
		}
		if errors.Is(up.err, io.EOF) {
			up.err = nil
		}
		received <- up
	}))
	addr = srv.Listener.Addr().String()
	if http2 {
		srv.Config.Protocols = new(http.Protocols)
		srv.Config.Protocols.SetUnencryptedHTTP2(true)
		addr = "h2c://" + addr
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return addr, parts, received
}

// eachUpstream runs a test with a fault in front of an upstream of HTTP/1.1 and HTTP/2,
// and a client of each protocol.
func eachUpstream(t *testing.T, fault string, test func(t *testing.T, c *client, begun <-chan int, got <-chan stalledUpload)) {
	t.Helper()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("%s, HTTP/2 %t", oneLine(fault), http2), func(t *testing.T) {
			addr, begun, got := stalls(t, http2)
			site := "fault {\n" + fault + "\n}\nreverse_proxy " + addr + "\n" + accessLog
			overEach(t, config{admin: true, site: site}, func(t *testing.T, c *client) { test(t, c, begun, got) })
		})
	}
}

// waitForPart waits until an upstream has got this much of an upload.
func waitForPart(t *testing.T, begun <-chan int, size int) {
	t.Helper()
	for got := -1; got != size; {
		select {
		case got = <-begun:
		case <-time.After(patience):
			t.Fatalf("the upstream got %d bytes, want %d", got, size)
		}
	}
}

// drain empties a channel for the next client.
func drain(begun <-chan int) {
	for len(begun) > 0 {
		<-begun
	}
}

// TestHangRequest stalls uploads on their way to the upstream. The upstream gets exactly
// the beginning, and after the stall the rest or the end.
func TestHangRequest(t *testing.T) {
	const stall = 100 * time.Millisecond
	for _, tt := range []struct {
		fault        string
		upload, size int
		first        int
		chunked      bool
	}{
		{"hang 100ms {\nafter 10B\nrequest\ncontinue\n}", 100, 100, 10, false},
		{"hang 100ms {\nafter 10B\nrequest\ncontinue\n}", 100, 100, 10, true},
		{"hang 100ms {\nafter 50%\nrequest\ncontinue\n}", 100 << 10, 100 << 10, 50 << 10, false},
		{"hang 100ms {\nafter 0B\nrequest\ncontinue\n}", 5 << 10, 5 << 10, 0, false},
		{"hang 100ms {\nafter 5KiB\nrequest\n}", 300 << 10, 5 << 10, 5 << 10, false},
	} {
		eachUpstream(t, tt.fault, func(t *testing.T, c *client, begun <-chan int, got <-chan stalledUpload) {
			var body io.Reader = strings.NewReader(strings.Repeat("x", tt.upload))
			if tt.chunked {
				body = unsized{body}
			}
			began := time.Now()
			reply, err := c.try(c.request(t, http.MethodPost, "/", body))
			wantTook(t, began, stall)
			whole, want := tt.size == tt.upload, http.StatusOK
			if !whole {
				want = http.StatusBadGateway
			}
			if err != nil || reply.StatusCode != want {
				t.Errorf("the client got %v, error %v, want %d", reply, err, want)
			}
			received := <-got
			if received.size != tt.size || received.first != tt.first || (received.err == nil) != whole || received.stall < stall/2 {
				t.Errorf("the upstream got %+v, want %d bytes, %d before the stall", received, tt.size, tt.first)
			}
			drain(begun)
		})
	}
}

// TestHangRequestEndless stalls an upload until the client leaves, and another one until
// a halt.
func TestHangRequestEndless(t *testing.T) {
	eachUpstream(t, "hang {\nafter 10B\nrequest\n}", func(t *testing.T, c *client, begun <-chan int, got <-chan stalledUpload) {
		lines := len(c.access(t))
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		left := make(chan error, 1)
		go func() {
			_, err := c.try(c.request(t, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 20<<10))).WithContext(ctx))
			left <- err
		}()
		waitForPart(t, begun, 10)
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want a canceled request", err)
		}
		if received := <-got; received.size != 10 || received.err == nil {
			t.Errorf("the upstream got %+v, want the end after 10 bytes", received)
		}
		eventually(t, func() error {
			if len(c.access(t)) == lines {
				return errors.New("the request is still held")
			}
			return nil
		})
		drain(begun)

		halted := make(chan error, 1)
		go func() {
			reply, err := c.try(c.request(t, http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 20<<10))))
			if err == nil && reply.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", reply.StatusCode)
			}
			halted <- err
		}()
		waitForPart(t, begun, 10)
		c.wantAdmin(t, http.StatusOK, http.MethodPost, "/halt", "", "")
		if err := <-halted; err != nil {
			t.Errorf("halted: got %v, want a reply", err)
		}
		if received := <-got; received.size != 20<<10 || received.err != nil {
			t.Errorf("halted: the upstream got %+v, want 20 KiB", received)
		}
		c.resume(t)
		drain(begun)
	})
}

// TestHangRequestUpstreamReplies gives the reply of an upstream that does not wait for a
// stalled upload to the client.
func TestHangRequestUpstreamReplies(t *testing.T) {
	up := listen(t, func(conn net.Conn) {
		if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.ReadFull(r.Body, make([]byte, 10))
			_, _ = io.WriteString(conn, "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	overEach(t, config{site: "fault {\nhang {\nafter 10B\nrequest\n}\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
		for range 2 {
			reply, err := c.try(c.request(t, http.MethodPost, "/f", strings.NewReader(strings.Repeat("x", 1000))))
			if err != nil || reply.StatusCode != http.StatusRequestTimeout {
				t.Errorf("got %v, error %v, want 408", reply, err)
			}
		}
	})
}

// TestHangContinuesWebSocket stalls an open WebSocket in the middle of a message. A
// message is 100 bytes on the wire.
func TestHangContinuesWebSocket(t *testing.T) {
	up := serve(t, echoMessages)
	for _, fault := range []string{"hang 60ms {\nafter 250B\ncontinue\n}", "hang 60ms {\nafter 1ms\ncontinue\n}"} {
		overWebSockets(t, fault, up, func(t *testing.T, s *site) {
			began := time.Now()
			conn, _, err := s.webSocket(t)
			for range 5 {
				if err == nil {
					time.Sleep(2 * time.Millisecond)
					err = echoed(t, conn, pattern(98))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			wantTook(t, began, 60*time.Millisecond)
		})
	}
}
