package e2e

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// shapes is an upstream with the replies that faults change on their way.
func shapes(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.URL.Query().Get("size"))
	w.Header().Set("Etag", `"v1"`)
	switch r.URL.Query().Get("as") {
	case "events":
		events(w, r)
	case "chunked":
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write(pattern(size))
	case "count":
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	default:
		w.Header().Set("Content-Length", strconv.Itoa(size))
		_, _ = w.Write(pattern(size))
	}
}

// events sends two events and then nothing until the client leaves.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "data: 1\n\ndata: 2\n\n")
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func pattern(size int) []byte {
	const line = "0123456789abcdef"
	return bytes.Repeat([]byte(line), size/len(line)+1)[:size]
}

// wantShorter checks that a reply has ended too early, after these bytes.
func wantShorter(t *testing.T, got *reply, err error, body string) {
	t.Helper()
	if h3 := (*http3.Error)(nil); errors.As(err, &h3) && streamEnded(err) {
		t.Logf("the reset has overtaken the head: %v", err) // on a loaded machine
		return
	}
	if err != nil {
		t.Fatalf("no reply: %v", err)
	}
	if got.StatusCode != 200 || got.body != body {
		t.Errorf("got %d and %d bytes, want 200 and %d", got.StatusCode, len(got.body), len(body))
	}
	switch {
	case got.ProtoMajor > 1 && !streamEnded(got.bodyErr):
		t.Errorf("body: got error %v, want a stream error", got.bodyErr)
	case got.ProtoMajor == 1 && !errors.Is(got.bodyErr, io.ErrUnexpectedEOF):
		t.Errorf("body: got error %v, want an unexpected EOF", got.bodyErr)
	}
}

// wantOneConnection checks that faults on streams did not affect the connection.
func (c *client) wantOneConnection(t *testing.T) {
	t.Helper()
	wantReply(t, c.get(t, "/?size=10"), 200, string(pattern(10)))
	if got := c.dials.get(); c.proto != h1 && got != 1 {
		t.Errorf("connections opened: got %d, want 1", got)
	}
}

// TestTruncate cuts replies with a declared length, and others.
func TestTruncate(t *testing.T) {
	up := serve(t, shapes)
	tests := []struct {
		fault, page string
		want        int
	}{
		{"truncate 10KiB", "/f?size=100000", 10 << 10},
		{"truncate 50%", "/f?size=100000", 50000},
		{"truncate 0B", "/f?size=1000", 0},
		{"truncate 10B", "/f?size=1000&as=chunked", 10},
		{"truncate 1MiB", "/f?size=8000000", 1 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.fault+" "+tt.page, func(t *testing.T) {
			eachPhase(t, tt.fault, func(t *testing.T, _, directive string) {
				everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
					got, err := c.try(c.request(t, "GET", tt.page, nil))
					wantShorter(t, got, err, string(pattern(tt.want)))
					c.wantOneConnection(t)
				})
			})
		})
	}
}

// TestTruncatePost ends the connection gracefully even if the request had a body.
func TestTruncatePost(t *testing.T) {
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write(pattern(1000))
	})
	eachPhase(t, "truncate 10B", func(t *testing.T, _, directive string) {
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			got, err := conn.sendAndRead(request("POST", "/f", strings.Repeat("x", 20<<10)))
			if got.body != string(pattern(10)) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("got %q, error %v, want 10 bytes and the end", got.body, err)
			}
		})
	})
}

func (c *rawConn) sendAndRead(request string) (rawReply, error) {
	c.t.Helper()
	c.send(request)
	return c.readReply("")
}

// TestTruncateReset resets HTTP/1 connections in the body.
func TestTruncateReset(t *testing.T) {
	up := serve(t, shapes)
	eachPhase(t, "truncate 10KiB reset", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			got, err := c.try(c.request(t, "GET", "/f?size=100000", nil))
			if c.proto != h1 {
				wantShorter(t, got, err, string(pattern(10<<10)))
				c.wantOneConnection(t)
				return
			}
			if err != nil || got.StatusCode != 200 || got.body != string(pattern(10<<10)) || !errors.Is(got.bodyErr, syscall.ECONNRESET) {
				t.Errorf("got %+v, error %v, want 10 KiB and ECONNRESET", got, err)
			}
		})
	})
}

// TestTruncateClean shortens replies without a trace.
func TestTruncateClean(t *testing.T) {
	up := serve(t, shapes)
	for _, tt := range []struct{ page, length string }{
		{"/f?size=1000", "10"},
		{"/f?size=8000000", "10"},
		{"/f?size=1000&as=chunked", ""},
	} {
		t.Run(tt.page, func(t *testing.T) {
			eachPhase(t, "truncate 10B clean", func(t *testing.T, _, directive string) {
				everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
					for range 2 {
						got := c.get(t, tt.page)
						wantReply(t, got, 200, "0123456789")
						if length := got.Header.Get("Content-Length"); length != tt.length || got.Header.Get("Etag") != "" {
							t.Errorf("got header %v, want Content-Length %q and no ETag", got.Header, tt.length)
						}
					}
					head := c.do(t, c.request(t, "HEAD", "/f?size=1000", nil))
					if head.Header.Get("Content-Length") != "1000" || head.Header.Get("Etag") == "" {
						t.Errorf("HEAD: got header %v, want it unchanged", head.Header)
					}
					if got := c.dials.get(); got != 1 {
						t.Errorf("connections opened: got %d, want 1", got)
					}
				})
			})
		})
	}
}

// TestTruncateEvents cuts a stream that stays silent, and releases its upstream.
func TestTruncateEvents(t *testing.T) {
	for _, end := range []string{"close", "clean"} {
		eachPhase(t, "truncate "+end+" {\nafter 500ms\n}", func(t *testing.T, _, directive string) {
			gone := make(chan struct{}, 1)
			up := serve(t, func(w http.ResponseWriter, r *http.Request) {
				shapes(w, r)
				if r.URL.Query().Has("as") {
					gone <- struct{}{}
				}
			})
			everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
				began := time.Now()
				got, err := c.try(c.request(t, "GET", "/f?as=events", nil))
				wantTook(t, began, 500*time.Millisecond)
				if end == "close" {
					wantShorter(t, got, err, "data: 1\n\ndata: 2\n\n")
				} else if err != nil || got.bodyErr != nil || got.body != "data: 1\n\ndata: 2\n\n" {
					t.Errorf("got %+v, error %v, want a clean end after two events", got, err)
				}
				select {
				case <-gone:
				case <-time.After(patience):
					t.Error("the upstream is still held")
				}
				c.wantOneConnection(t)
			})
		})
	}
}

// switches is an upstream that switches protocols, sends a text, and then echoes.
func switches(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"+text)
		_, _ = io.Copy(conn, conn)
	}
}

// upgrade requests a WebSocket and reads the head of the reply.
func (c *rawConn) upgrade() {
	c.t.Helper()
	got := c.roundTrip(get("/f", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
	got.wantLine(c.t, "HTTP/1.1 101 Switching Protocols\r\n")
}

// TestTruncateUpgraded cuts a connection that is no longer HTTP, by size and by time.
func TestTruncateUpgraded(t *testing.T) {
	up := listen(t, switches("hello"))
	tests := []struct {
		fault, want string
		reset       bool
	}{
		{"truncate 8B", "hello to", false},
		{"truncate 8B reset", "hello to", true},
		{"truncate {\nafter 500ms\n}", "hello to all", false},
		{"truncate reset {\nafter 500ms\n}", "hello to all", true},
		// If the length is unknown, the inner one of two cuts at the same byte ends the
		// reply.
		{"truncate 8B\ntruncate 8B reset", "hello to", true},
		{"truncate 8B reset\nhang 1ms {\nafter 8B\n}", "hello to", false},
		{"hang {\nafter 8B\n}\ntruncate 8B", "hello to", false},
	}
	for _, tt := range tests {
		eachPhase(t, tt.fault, func(t *testing.T, _, directive string) {
			transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				conn.upgrade()
				conn.send(" to all")
				got, err := io.ReadAll(conn.in)
				if string(got) != tt.want || errors.Is(err, syscall.ECONNRESET) != tt.reset {
					t.Errorf("%s: got %q, error %v, want %q, reset %v", tt.fault, got, err, tt.want, tt.reset)
				}
			})
		})
	}
}

// TestThrottle slows a reply down to its rate, from the first byte on.
func TestThrottle(t *testing.T) {
	const size, rate = 40 << 10, 200 << 10
	up := serve(t, shapes)
	eachPhase(t, "throttle 200KiB/s", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for _, as := range []string{"", "&as=chunked"} {
				began := time.Now()
				wantReply(t, c.get(t, "/f?size="+strconv.Itoa(size)+as), 200, string(pattern(size)))
				wantTook(t, began, time.Second*size/rate*98/100)
			}
			c.wantOneConnection(t)
		})
	})
}

// TestThrottleRequest slows down what the upstream gets.
func TestThrottleRequest(t *testing.T) {
	const size, rate = 40 << 10, 200 << 10
	up := serve(t, shapes)
	directive := "fault /f {\nthrottle 200KiB/s {\nrequest\n}\n}\n"
	everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
		began := time.Now()
		got := c.do(t, c.request(t, "POST", "/f?as=count", bytes.NewReader(pattern(size))))
		wantReply(t, got, 200, strconv.Itoa(size))
		wantTook(t, began, time.Second*size/rate*98/100)
		c.wantOneConnection(t)
	})
}

// TestThrottleHoldsUpstreamBack measures how much a fast upstream can send while its
// client is served slowly: no more than fits into the sockets.
func TestThrottleHoldsUpstreamBack(t *testing.T) {
	written := make(chan int, 1)
	up := listen(t, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 4096))
		fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
		total := 0
		for {
			n, err := conn.Write(pattern(1 << 16))
			if total += n; err != nil {
				break
			}
		}
		written <- total
	})
	eachPhase(t, "throttle 10KiB/s", func(t *testing.T, _, directive string) {
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			conn.send(get("/f"))
			if _, err := io.ReadFull(conn.in, make([]byte, 3<<10)); err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
			if got := <-written; got > 16<<20 {
				t.Errorf("the upstream could write %d bytes", got)
			}
		})
	})
}

// TestThrottleUpgraded slows down a connection that is no longer HTTP.
func TestThrottleUpgraded(t *testing.T) {
	up := listen(t, switches(""))
	for _, direction := range []string{"", " {\nrequest\n}", " {\nboth\n}"} {
		directive := "fault /f {\nthrottle 200KiB/s" + direction + "\n}\n"
		transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			conn.upgrade()
			began := time.Now()
			conn.send(string(pattern(40 << 10)))
			got := make([]byte, 40<<10)
			if _, err := io.ReadFull(conn.in, got); err != nil || !bytes.Equal(got, pattern(40<<10)) {
				t.Errorf("error %v, or different bytes", err)
			}
			wantTook(t, began, 195*time.Millisecond)
		})
	}
}

// TestDribble sends pieces at even intervals, and the head before them.
func TestDribble(t *testing.T) {
	up := serve(t, shapes)
	eachPhase(t, "dribble 4 200ms", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			began := time.Now()
			resp, err := c.Do(c.request(t, "GET", "/f?size=4000", nil))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.ContentLength != 4000 {
				t.Errorf("Content-Length: got %d, want 4000", resp.ContentLength)
			}
			piece := make([]byte, 1000)
			for i := range 4 {
				if _, err := io.ReadFull(resp.Body, piece); err != nil {
					t.Fatalf("piece %d: %v", i, err)
				}
				wantTook(t, began, time.Duration(i+1)*50*time.Millisecond)
			}
			if n, err := resp.Body.Read(piece); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("after the last piece: got %d bytes, error %v", n, err)
			}
			wantReply(t, c.get(t, "/f?size=4000&as=chunked"), 200, string(pattern(4000)))
			wantReply(t, c.do(t, c.request(t, "HEAD", "/f?size=4000", nil)), 200, "")
			c.wantOneConnection(t)
		})
	})
}

// TestCorrupt garbles replies and nothing else.
func TestCorrupt(t *testing.T) {
	up := serve(t, shapes)
	eachPhase(t, "corrupt 1%", func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for _, as := range []string{"", "&as=chunked"} {
				got := c.get(t, "/f?size=100000"+as)
				if changed := differences(got.body, pattern(100000)); changed < 999 || changed > 1001 || got.Header.Get("Etag") != "" {
					t.Errorf("%d bytes changed, header %v", changed, got.Header)
				}
			}
			c.wantOneConnection(t)
		})
	})
}

// differences counts the bytes that differ. It returns -1 if the lengths differ.
func differences(got string, want []byte) int {
	if len(got) != len(want) {
		return -1
	}
	changed := 0
	for i := range want {
		if got[i] != want[i] {
			changed++
		}
	}
	return changed
}

// TestCorruptUpgraded garbles what goes to the client of a WebSocket.
func TestCorruptUpgraded(t *testing.T) {
	up := listen(t, switches("hello"))
	eachPhase(t, "corrupt 100%", func(t *testing.T, _, directive string) {
		conn := start(t, config{site: directive + up.proxy()}).dial(t)
		conn.upgrade()
		got := make([]byte, 5)
		if _, err := io.ReadFull(conn.in, got); err != nil || differences(string(got), []byte("hello")) != 5 {
			t.Errorf("got %q, error %v, want 5 other bytes", got, err)
		}
	})
}

// TestShapesCompose runs several faults in the order written.
func TestShapesCompose(t *testing.T) {
	up := serve(t, shapes)
	faults := "delay 50ms\nthrottle 200KiB/s\ncorrupt 1%\ntruncate 50%"
	eachPhase(t, faults, func(t *testing.T, _, directive string) {
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			began := time.Now()
			got, err := c.try(c.request(t, "GET", "/f?size=40960", nil))
			if err != nil || got.bodyErr == nil || differences(got.body, pattern(20480)) < 200 || got.Header.Get("Server-Timing") == "" {
				t.Errorf("got %.100v, error %v", got, err)
			}
			wantTook(t, began, 145*time.Millisecond)
			c.wantOneConnection(t)
		})
	})
}

// TestThrottleRate measures the rate over a second. BenchmarkThrottle reports the
// numbers.
func TestThrottleRate(t *testing.T) {
	if testing.Short() {
		t.Skip("takes three seconds")
	}
	for _, rate := range []int{10 << 10, 1 << 20, 100 << 20} {
		off := -1.0
		for try := 0; try < 5 && off < -0.02; try++ { // a machine with other work may be slower
			off = throttledRate(t, rate)/float64(rate) - 1
		}
		t.Logf("rate %d: off by %.2f %%", rate, off*100)
		if off > 0.02 || off < -0.2 {
			t.Errorf("rate %d: off by %.1f %%, want 2 %% at most", rate, off*100)
		}
	}
}

// BenchmarkThrottle measures how far the rate is off, in percent.
func BenchmarkThrottle(b *testing.B) {
	for _, rate := range []int{10 << 10, 1 << 20, 100 << 20} {
		b.Run(strconv.Itoa(rate>>10)+"KiB", func(b *testing.B) {
			worst := 0.0
			for b.Loop() {
				if off := 100 * (throttledRate(b, rate)/float64(rate) - 1); off*off > worst*worst {
					worst = off
				}
			}
			b.ReportMetric(worst, "%-off")
		})
	}
}

// throttledRate returns the rate of the body of one reply, which takes a second.
func throttledRate(tb testing.TB, rate int) float64 {
	tb.Helper()
	up := listenTB(tb, rate)
	addr := benchSite(tb, fmt.Sprintf("fault {\nthrottle %dB/s\n}\nreverse_proxy %s\n", rate, up))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 64<<10)
	if _, err := io.WriteString(conn, get("/")); err != nil {
		tb.Fatal(err)
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		tb.Fatal(err)
	}
	defer resp.Body.Close()
	began := time.Now()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || n != int64(rate) {
		tb.Fatalf("got %d bytes, error %v", n, err)
	}
	return float64(n) / time.Since(began).Seconds()
}

// listenTB is an upstream that sends a body of this size.
func listenTB(tb testing.TB, size int) string {
	tb.Helper()
	piece := pattern(64 << 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for rest := size; rest > 0; rest -= len(piece) {
			if _, err := w.Write(piece[:min(rest, len(piece))]); err != nil {
				return
			}
		}
	}))
	tb.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// benchSite is a Caddy with little more than these directives.
func benchSite(tb testing.TB, directives string) string {
	tb.Helper()
	return benchServer(tb, "{\nadmin off\nauto_https off\npersist_config off\nlog {\noutput discard\n}\n}\n:0 {\nbind 127.0.0.1\n"+directives+"}\n")
}
