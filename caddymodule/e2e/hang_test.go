package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestHang sends nothing for its time, then closes. On HTTP/2 and HTTP/3 the connection
// remains open.
func TestHang(t *testing.T) {
	const least = 30 * time.Millisecond
	eachPhase(t, "hang 30ms", func(t *testing.T, phase, directive string) {
		up := serve(t, echo)
		asked := 0
		everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
			for _, body := range []string{"", strings.Repeat("x", 20<<10), strings.Repeat("x", 1<<20)} {
				asked++
				began := time.Now()
				got, err := c.try(c.request(t, "POST", "/f", strings.NewReader(body)))
				wantTook(t, began, least)
				wantCut(t, c, got, err)
			}
			up.wantAsked(t, phase, asked)
			dials := c.dials.get()
			wantReply(t, c.get(t, "/"), 200, "GET /")
			if c.proto != h1 && (dials != 1 || c.dials.get() != 1) {
				t.Errorf("connections opened: got %d, want 1", c.dials.get())
			}
			if asked++; phase == "request" {
				up.hits.Add(-1)
			}
		})
	})
}

// wantCut checks that a request got no reply, because its connection was closed
// gracefully or its stream was reset.
func wantCut(t *testing.T, c *client, got *reply, err error) {
	t.Helper()
	if c.proto == h1 && !errors.Is(err, io.EOF) || c.proto != h1 && !streamEnded(err) {
		t.Errorf("got %v, error %v, want the end without a reply", got, err)
	}
}

// TestHangClientLeaves releases a request whose client has left, even in the middle of
// a body.
func TestHangClientLeaves(t *testing.T) {
	eachPhase(t, "hang", func(t *testing.T, phase, directive string) {
		up := serve(t, echo)
		c := config{site: directive + up.proxy() + "\n" + accessLog}
		everywhere(t, c, func(t *testing.T, c *client) {
			for _, body := range []io.Reader{nil, strings.NewReader(strings.Repeat("x", 20<<10))} {
				ctx, leave := context.WithCancel(t.Context())
				before, lines := injected(t, "fault1", "rule1", "hang"), len(c.access(t))
				go func() {
					defer leave()
					eventually(t, func() error {
						if injected(t, "fault1", "rule1", "hang") == before {
							return errors.New("the request is not held")
						}
						return nil
					})
				}()
				if got, err := c.try(c.request(t, "POST", "/f", body).WithContext(ctx)); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v, error %v, want a canceled request", got, err)
				}
				eventually(t, func() error {
					all := c.access(t)
					if len(all) == lines || all[len(all)-1]["status"] != 499.0 {
						return fmt.Errorf("access log without a new line of status 499: %v", all)
					}
					return nil
				})
			}
		})
		if phase == "response" {
			return // by then the upstream has read the body
		}
		transports(t, c, func(t *testing.T, s *site) {
			conn := s.dial(t)
			conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 100\r\n\r\nhalf of it")
			eventually(t, func() error {
				if !strings.Contains(s.caddyLog(t), "injected a fault") {
					return errors.New("the request is not held")
				}
				return nil
			})
			_ = conn.Close()
			s.wantAccess(t, func(line map[string]any) bool { return line["status"] == 499.0 })
		})
	})
}

// TestHangUnreadBody releases a request whose client has left although its body is
// unread, because a handler does not read it or an upstream replies early.
func TestHangUnreadBody(t *testing.T) {
	early := listen(t, func(conn net.Conn) {
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge")
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	for _, fault := range []string{"hang", "hang {\nafter 1B\n}"} {
		eachPhase(t, fault, func(t *testing.T, _, directive string) {
			for name, next := range map[string]string{"handler": "respond 0123456789", "upstream": early.proxy()} {
				transports(t, config{site: directive + next + "\n" + accessLog}, func(t *testing.T, s *site) {
					for _, size := range []int{3, 600 << 10} {
						lines := len(s.access(t))
						held := injected(t, "fault1", "rule1", "hang")
						conn := s.dial(t)
						conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n")
						sent := make(chan struct{})
						go func() {
							defer close(sent)
							_, _ = io.Copy(conn.Conn, strings.NewReader(strings.Repeat("x", size)))
						}()
						eventually(t, func() error {
							if injected(t, "fault1", "rule1", "hang") == held {
								return errors.New("the request is not held")
							}
							return nil
						})
						_ = conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
						if got, err := io.ReadAll(conn.in); !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("%s, %d bytes: got %q, error %v, want it to hang", name, size, got, err)
						}
						_ = conn.Close()
						<-sent
						eventually(t, func() error {
							if len(s.access(t)) == lines {
								return fmt.Errorf("%s, %d bytes: the request is still held", name, size)
							}
							return nil
						})
					}
				})
			}
		})
	}
}

// A countedUpload is an endless body that counts how much of it is read.
type countedUpload struct{ atomic.Int64 }

func (u *countedUpload) Read(p []byte) (int, error) {
	u.Add(int64(len(p)))
	return len(p), nil
}

// wantStalled waits until the upload stalls, and checks that it stalls soon: after what
// the fault reads, and the contents of buffers and windows.
func (u *countedUpload) wantStalled(t *testing.T) {
	t.Helper()
	const most = 64 << 20
	for last := int64(-1); last != u.Load() || last == 0; {
		if last = u.Load(); last > most {
			t.Errorf("%d bytes of the upload are taken, and more", last)
			return
		}
		<-time.After(200 * time.Millisecond)
	}
}

// TestHangStallsUpload accepts hardly more of an upload than a dead server.
func TestHangStallsUpload(t *testing.T) {
	everywhere(t, config{site: "fault {\nhang\n}\n" + accessLog}, func(t *testing.T, c *client) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		upload, lines := new(countedUpload), len(c.access(t))
		ended := make(chan error, 1)
		go func() {
			_, err := c.try(c.request(t, "POST", "/f", upload).WithContext(ctx))
			ended <- err
		}()
		upload.wantStalled(t)
		leave()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v, want a canceled request", err)
		}
		if c.proto == h1 {
			return // the client's close waits after unread bytes
		}
		eventually(t, func() error {
			if len(c.access(t)) == lines {
				return errors.New("the request is still held")
			}
			return nil
		})
	})
}

// TestHangStalledUploadClientLeaves releases a client that resets its connection in the
// middle of a stalled upload.
func TestHangStalledUploadClientLeaves(t *testing.T) {
	for _, fault := range []string{"hang", "hang {\nafter 1B\n}"} {
		eachPhase(t, fault, func(t *testing.T, _, directive string) {
			transports(t, config{site: directive + "respond 0123456789\n" + accessLog}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 1000000000\r\n\r\n")
				upload, sent := new(countedUpload), make(chan struct{})
				go func() {
					defer close(sent)
					_, _ = io.Copy(conn.Conn, upload)
				}()
				upload.wantStalled(t)
				if lines := s.access(t); len(lines) > 0 {
					t.Errorf("the request is not held: %v", lines)
				}
				resetTCP(t, conn.Conn)
				<-sent
				s.wantAccess(t, func(line map[string]any) bool { return line["status"] != nil })
			})
		})
	}
}

// resetTCP ends a connection with a RST.
func resetTCP(t *testing.T, conn net.Conn) {
	t.Helper()
	if inner, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = inner.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		t.Fatalf("%T is not a TCP connection", conn)
	}
	if err := tcp.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := tcp.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestHangPipelinedClientLeaves releases the request of a client that has left after it
// sent more than the request, or more than the site allows.
func TestHangPipelinedClientLeaves(t *testing.T) {
	const inChunks = "POST /f HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n\r\n"
	chunk := "400\r\n" + strings.Repeat("x", 1<<10) + "\r\n"
	tests := map[string]struct{ first, later string }{
		"a byte":                    {get("/f"), "G"},
		"a byte after a body":       {request("POST", "/f", "some text"), "G"},
		"a request":                 {get("/f") + get("/f"), ""},
		"a request after a body":    {request("POST", "/f", "some text") + get("/f"), ""},
		"a body that is too large":  {inChunks + chunk + chunk + chunk, chunk},
		"a large body, sent to end": {inChunks + chunk + chunk + chunk + "0\r\n\r\n", ""},
	}
	eachPhase(t, "hang", func(t *testing.T, _, directive string) {
		up := serve(t, echo)
		c := config{site: "request_body {\nmax_size 1KiB\n}\n" + directive + up.proxy() + "\n" + accessLog}
		transports(t, c, func(t *testing.T, s *site) {
			for name, tt := range tests {
				lines, held := len(s.access(t)), injected(t, "fault1", "rule1", "hang")
				conn := s.dial(t)
				conn.send(tt.first)
				eventually(t, func() error {
					if injected(t, "fault1", "rule1", "hang") == held {
						return fmt.Errorf("%s: the request is not held", name)
					}
					return nil
				})
				conn.send(tt.later)
				_ = conn.Close()
				eventually(t, func() error {
					if all := s.access(t); len(all) == lines || all[len(all)-1]["status"] != 499.0 {
						return fmt.Errorf("%s: access log without a new line of status 499", name)
					}
					return nil
				})
			}
		})
	})
}

// TestHangClosedBody hangs for its time although the upstream has closed the request's
// body, or throttles its rest.
func TestHangClosedBody(t *testing.T) {
	up := serve(t, echo)
	for _, tt := range []struct{ faults, timeouts string }{
		{"fault {\nphase response\nhang 30ms\n}\n", "read_body_idle -1s"},
		{"fault {\nhang 30ms {\nafter 0B\n}\n}\n", "read_body_idle -1s"},
		{"fault {\nthrottle 10B/s {\nrequest\n}\n}\nfault {\nphase response\nhang 30ms\n}\n", ""},
	} {
		next := tt.faults + "respond early\n"
		if tt.timeouts != "" {
			next = tt.faults + up.proxy()
		}
		transports(t, config{site: next, servers: "timeouts {\n" + tt.timeouts + "\n}"}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			began := time.Now()
			conn.send(request("POST", "/f", strings.Repeat("x", 1000)))
			if rest, err := io.ReadAll(conn.in); err != nil || strings.HasPrefix(string(rest), "HTTP/1.1 499") {
				t.Errorf("got %q, error %v, want the end", rest, err)
			}
			wantTook(t, began, 30*time.Millisecond)
		})
	}
}

// TestHangBodyTimesOut keeps hanging when the server would give up on a stalled body.
func TestHangBodyTimesOut(t *testing.T) {
	c := config{servers: "timeouts {\nread_body_idle 50ms\n}", site: "fault {\nhang 200ms\n}"}
	transports(t, c, func(t *testing.T, s *site) {
		conn := s.dial(t)
		began := time.Now()
		conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 100\r\n\r\nhalf of it")
		conn.wantEnd()
		wantTook(t, began, 200*time.Millisecond)
	})
	everywhere(t, c, func(t *testing.T, c *client) {
		if c.proto == h1 {
			return
		}
		body, half := io.Pipe()
		defer half.Close()
		go func() { _, _ = io.WriteString(half, "half of it") }()
		began := time.Now()
		got, err := c.try(c.request(t, "POST", "/f", body))
		wantCut(t, c, got, err)
		wantTook(t, began, 200*time.Millisecond)
	})
}

// streamer is an upstream that sends events without end, one after each pause. The
// channel receives when a stream has been abandoned.
func streamer(t *testing.T, pause time.Duration) (*upstream, <-chan struct{}) {
	left := make(chan struct{}, 100)
	up := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		defer func() { left <- struct{}{} }()
		for i := 0; ; i++ {
			fmt.Fprintf(w, "data: %d\n\n", i%10)
			_ = http.NewResponseController(w).Flush()
			select {
			case <-time.After(pause):
			case <-r.Context().Done():
				return
			}
		}
	})
	return up, left
}

const threeEvents = "data: 0\n\ndata: 1\n\ndata: 2\n\n"

// TestHangAfter stops a flowing stream. The client has what came before.
func TestHangAfter(t *testing.T) {
	for after, tail := range map[string]string{"27B": "", "30B": "dat", "500ms": "any"} {
		t.Run("after "+after, func(t *testing.T) {
			eachPhase(t, "hang 50ms {\nafter "+after+"\n}", func(t *testing.T, _, directive string) {
				up, left := streamer(t, 10*time.Millisecond)
				everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
					began := time.Now()
					resp, err := c.Do(c.request(t, "GET", "/f", nil))
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					first := make([]byte, len(threeEvents))
					if n, err := io.ReadFull(resp.Body, first); err != nil || string(first) != threeEvents {
						t.Errorf("got %q, error %v, want %q", first[:n], err, threeEvents)
					}
					rest, err := io.ReadAll(resp.Body)
					if err == nil || c.proto != h1 && !streamEnded(err) {
						t.Errorf("end of the stream: got error %v, want it cut", err)
					}
					if tail != "any" && string(rest) != tail {
						t.Errorf("after the three events: got %q, want %q", rest, tail)
					}
					wantTook(t, began, 50*time.Millisecond)
					<-left
				})
			})
		})
	}
}

// TestHangAfterClientLeaves releases the upstream immediately, and the client when it
// leaves.
func TestHangAfterClientLeaves(t *testing.T) {
	eachPhase(t, "hang {\nafter 27B\n}", func(t *testing.T, _, directive string) {
		up, left := streamer(t, time.Millisecond)
		everywhere(t, config{site: directive + up.proxy() + "\n" + accessLog}, func(t *testing.T, c *client) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			resp, err := c.Do(c.request(t, "GET", "/f", nil).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if _, err := io.ReadFull(resp.Body, make([]byte, len(threeEvents))); err != nil {
				t.Fatal(err)
			}
			<-left
			lines := len(c.access(t))
			leave()
			eventually(t, func() error {
				if len(c.access(t)) == lines {
					return errors.New("the request is still held")
				}
				return nil
			})
		})
	})
}

// TestHangAfterWhole does not change a reply that ends before the limit.
func TestHangAfterWhole(t *testing.T) {
	for _, fault := range []string{"hang {\nafter 6B\n}", "hang {\nafter 1h\n}"} {
		eachPhase(t, fault, func(t *testing.T, _, directive string) {
			up := serve(t, echo)
			everywhere(t, config{site: directive + up.proxy()}, func(t *testing.T, c *client) {
				for range 2 {
					wantReply(t, c.get(t, "/f"), 200, "GET /f")
				}
				if got := c.dials.get(); got != 1 {
					t.Errorf("connections opened: got %d, want 1", got)
				}
			})
		})
	}
}

// TestHangAfterUpgrade stops what the upstream sends on a WebSocket.
func TestHangAfterUpgrade(t *testing.T) {
	for _, fault := range []string{"hang 50ms {\nafter 10B\n}", "hang 50ms {\nafter 500ms\n}"} {
		eachPhase(t, fault, func(t *testing.T, _, directive string) {
			up := switcher(t)
			transports(t, config{site: directive + up.proxy()}, func(t *testing.T, s *site) {
				conn := s.dial(t)
				conn.upgrade()
				conn.send("spoken\n")
				want := "hello\nSPOK"
				if !strings.Contains(fault, "B") {
					want = "hello\nSPOKEN\n"
				}
				if got, err := io.ReadAll(conn.in); err != nil || string(got) != want {
					t.Errorf("got %q, error %v, want %q and the end", got, err, want)
				}
			})
		})
	}
}

// A WebSocket whose client leaves while it hangs is released.
func TestHangAfterUpgradeClientLeaves(t *testing.T) {
	eachPhase(t, "hang {\nafter 6B\n}", func(t *testing.T, _, directive string) {
		up := switcher(t)
		transports(t, config{site: directive + up.proxy() + "\n" + accessLog}, func(t *testing.T, s *site) {
			conn := s.dial(t)
			conn.upgrade()
			conn.send("spoken\n")
			got := make([]byte, len("hello\n"))
			if _, err := io.ReadFull(conn.in, got); err != nil || string(got) != "hello\n" {
				t.Errorf("got %q, error %v, want 6 bytes", got, err)
			}
			if err := conn.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if more, err := io.ReadAll(conn.in); !errors.Is(err, os.ErrDeadlineExceeded) || len(more) > 0 {
				t.Errorf("after 6 bytes: got %q, error %v, want the connection silent", more, err)
			}
			_ = conn.Close()
			s.wantAccess(t, func(line map[string]any) bool { return line["status"] == 101.0 })
		})
	})
}
