package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// unsized hides the size of a body, so that it is sent in chunks.
type unsized struct{ io.Reader }

// hitsOf returns how many requests a kind of fault has hit. waitForHit waits for more.
func hitsOf(t *testing.T, kind string) float64 { return injected(t, "fault1", "rule1", kind) }

func waitForHit(t *testing.T, kind string, before float64) {
	t.Helper()
	eventually(t, func() error {
		if hitsOf(t, kind) == before {
			return errors.New("the request is not held")
		}
		return nil
	})
}

// TestBodyClientLeaves notices at once that a client leaves, although nobody reads the
// body of its request. The upstream is not asked.
func TestBodyClientLeaves(t *testing.T) {
	up := serve(t, echo)
	early := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2000)) })
	for _, tt := range []struct{ fault, next string }{
		{"delay 1h", up.proxy()},
		{"delay 1h", "respond text"},
		{"delay 1h {\nhold\n}", "respond text"},
		{"throttle 1B/s", early.proxy()},
		{"throttle 1B/s {\nafter 1B\nrequest\n}", serve(t, echo).proxy()},
		{"dribble 2 1h", early.proxy()},
	} {
		kind, _, _ := strings.Cut(tt.fault, " ")
		t.Run(oneLine(tt.fault), func(t *testing.T) {
			overEach(t, config{site: "fault {\n" + tt.fault + "\n}\n" + tt.next + "\n" + accessLog}, func(t *testing.T, c *client) {
				for _, body := range []io.Reader{
					strings.NewReader("text"), unsized{strings.NewReader("text")}, bytes.NewReader(make([]byte, wire.MaxAhead)),
				} {
					lines, before := len(c.access(t)), hitsOf(t, kind)
					ctx, leave := context.WithCancel(t.Context())
					r, left := c.request(t, "POST", "/f", body).WithContext(ctx), make(chan error, 1)
					go func() {
						got, err := c.try(r)
						if err == nil {
							err = got.bodyErr
						}
						left <- err
					}()
					waitForHit(t, kind, before)
					leave()
					if err := <-left; err == nil {
						t.Error("got a whole reply, want a canceled request")
					}
					eventually(t, func() error {
						if len(c.access(t)) == lines {
							return errors.New("the request is still held")
						}
						return nil
					})
				}
			})
		})
	}
	up.wantHits(t, 0)
}

// TestBodyPartClientLeaves notices a client that leaves in the middle of a small body.
func TestBodyPartClientLeaves(t *testing.T) {
	up := serve(t, echo)
	transports(t, config{site: "fault {\ndelay 1h\n}\n" + up.proxy() + "\n" + accessLog}, func(t *testing.T, s *site) {
		conn, before := s.dial(t), hitsOf(t, "delay")
		conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 100\r\n\r\nhalf of it")
		waitForHit(t, "delay", before)
		_ = conn.Close()
		s.wantAccess(t, func(line map[string]any) bool { return line["status"] == 499.0 })
		up.wantHits(t, 0)
	})
}

// what replies with what arrives of a request.
func what(w http.ResponseWriter, r *http.Request) {
	sum := fnv.New64a()
	n, err := io.Copy(sum, r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	fmt.Fprintln(w, r.ContentLength, r.TransferEncoding, r.Trailer, r.Header["Expect"], r.Header["Content-Length"], r.Close, n, sum.Sum64())
}

// TestBodyUnharmed compares what arrives of a request that waits with what arrives of one
// that does not. The connection is used again.
func TestBodyUnharmed(t *testing.T) {
	up := serve(t, what)
	for _, fault := range []string{"delay 5ms", "delay 5ms {\nhold\n}", "throttle 100MB/s {\nboth\n}"} {
		t.Run(oneLine(fault), func(t *testing.T) {
			overEach(t, config{site: "fault /f {\n" + fault + "\n}\n" + up.proxy()}, func(t *testing.T, c *client) {
				for _, size := range []int{1, 5000, wire.MaxAhead, wire.MaxAhead + 1, 300 << 10} {
					for name, change := range map[string]func(*http.Request){
						"length":   func(r *http.Request) { r.ContentLength = int64(size) },
						"chunks":   func(*http.Request) {},
						"expect":   func(r *http.Request) { r.ContentLength = int64(size); r.Header.Set("Expect", "100-continue") },
						"trailers": func(r *http.Request) { r.Trailer = http.Header{"X-Sum": {"17"}} },
					} {
						ask := func(path string) *reply {
							body := bytes.Repeat([]byte("0123456789abcdef_"), size/17+1)[:size]
							r := c.request(t, "POST", path, unsized{bytes.NewReader(body)})
							change(r)
							return c.do(t, r)
						}
						wantReply(t, ask("/f"), http.StatusOK, ask("/plain").body)
						if t.Failed() {
							t.Fatalf("%s, %d bytes", name, size)
						}
					}
				}
				if dials := c.dials.get(); dials != 1 {
					t.Errorf("got %d connections, want 1", dials)
				}
			})
		})
	}
}

// TestBodyBroken compares the replies to bodies that are broken in the middle.
func TestBodyBroken(t *testing.T) {
	up := serve(t, what)
	transports(t, config{site: "request_body {\nmax_size 8B\n}\nfault /f {\ndelay 5ms\n}\n" + up.proxy()}, func(t *testing.T, s *site) {
		for name, rest := range map[string]string{
			"chunk":     "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nnonsense\r\n",
			"too large": "Content-Length: 11\r\n\r\nhello world",
		} {
			got := s.dial(t).roundTrip("POST /f HTTP/1.1\r\nHost: " + host + "\r\n" + rest)
			want := s.dial(t).roundTrip("POST / HTTP/1.1\r\nHost: " + host + "\r\n" + rest)
			code := func(r rawReply) string { return strings.SplitN(r.head, " ", 3)[1] }
			if code(got) != code(want) || got.body != want.body {
				t.Errorf("%s: got %q %q, want %q %q", name, got.head, got.body, want.head, want.body)
			}
		}
	})
}

// TestBodySlowSender passes on what has come when the wait ends, and then what comes. A
// client may hold the rest back until the upstream has the beginning.
func TestBodySlowSender(t *testing.T) {
	got := make(chan string)
	up := listen(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		for p := make([]byte, 5); ; {
			if _, err := io.ReadFull(r.Body, p); err != nil {
				break
			}
			got <- string(p)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
	})
	transports(t, config{site: "fault {\ndelay 20ms\n}\n" + up.proxy()}, func(t *testing.T, s *site) {
		conn := s.dial(t)
		conn.send("POST /f HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		if part := <-got; part != "hello" {
			t.Errorf("the upstream has %q", part)
		}
		conn.send("5\r\nworld\r\n")
		if part := <-got; part != "world" {
			t.Errorf("the upstream has %q", part)
		}
		conn.send("0\r\n\r\n")
		if reply := conn.reply("POST"); reply.body != "done" {
			t.Errorf("got %q", reply.body)
		}
	})
}

// TestBodyAfterWait ends requests in every way after a wait, while their bodies are still
// to come.
func TestBodyAfterWait(t *testing.T) {
	const head = "POST /f HTTP/1.1\r\nHost: " + host + "\r\n"
	for _, tt := range []struct{ fault, sent, later, want string }{
		{"551", "Content-Length: 5\r\n\r\nhello", "", line551},
		{"551", "Content-Length: 5\r\n\r\nhe", "llo", line551},
		{"551", "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", "", line551},
		{"respond 200 text", "Content-Length: 5\r\n\r\nhe", "llo", "HTTP/1.1 200 OK\r\n"},
		{"respond 200 text", "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n", "", "HTTP/1.1 200 OK\r\n"},
		{"respond 200 text", "Content-Length: 5\r\nConnection: close\r\n\r\nhe", "", "HTTP/1.1 200 OK\r\n"},
		{"close", "Content-Length: 5\r\n\r\nhe", "", ""},
		{"reset", "Content-Length: 5\r\n\r\nhe", "", ""},
		{"hang 5ms", "Content-Length: 5\r\n\r\nhe", "", ""},
		{"truncate 1B", "Content-Length: 5\r\n\r\nhe", "llo", "HTTP/1.1 200 OK\r\n"},
	} {
		fault := tt.fault
		if fault == "551" {
			fault = "respond 551"
		}
		t.Run(fault+" "+strconv.Quote(tt.sent), func(t *testing.T) {
			transports(t, config{site: "fault /f {\ndelay 20ms\n" + fault + "\n}\nrespond text"}, func(t *testing.T, s *site) {
				kind := "delay+" + strings.Fields(fault)[0]
				conn, before := s.dial(t), hitsOf(t, kind)
				conn.send(head + tt.sent)
				waitForHit(t, kind, before)
				conn.send(tt.later)
				line, _ := conn.in.ReadString('\n')
				if line != tt.want {
					t.Errorf("got %q, want %q", line, tt.want)
				}
			})
		})
	}
}

// TestBodyErrorRoute has the whole body in a route for errors.
func TestBodyErrorRoute(t *testing.T) {
	up, dead := serve(t, echo), deadUpstream(t)
	for _, fault := range []string{"delay 5ms", "delay 5ms\nerror 502", "phase response\ndelay 5ms", "delay 5ms {\nhold\n}"} {
		site := "fault {\n" + fault + "\n}\n" + dead.proxy() + "\nhandle_errors {\n" + up.proxy() + "\n}"
		overEach(t, config{site: site}, func(t *testing.T, c *client) {
			got := c.do(t, c.request(t, "POST", "/f", strings.NewReader("12345")))
			if got.body != "POST /f 5" {
				t.Errorf("%s: got %q, want the whole body", oneLine(fault), got.body)
			}
		})
	}
}

// TestClientsLeaveBody judges a client that leaves delayed orders and repeats them. Nothing
// names its calls, but the bodies are equal.
func TestClientsLeaveBody(t *testing.T) {
	const timeout = 150 * time.Millisecond
	up := serve(t, echo)
	s := start(t, config{admin: true, site: "fault {\ndelay 1h\n}\n" + up.proxy()})
	c := s.client(t, h1)
	for range 2 {
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		r := c.request(t, "POST", "/orders", strings.NewReader(`{"item": 7}`)).WithContext(ctx)
		r.Header.Set("User-Agent", "impatient/1") // all tests of this process share the recorder
		got, err := c.try(r)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, error %v, want a timeout", got, err)
		}
		wantTook(t, began, timeout)
	}
	var report clients.Report
	eventually(t, func() error {
		_, text := s.admin(t, http.MethodGet, "/clients?client=impatient/1+127.0.0.1", "")
		if err := json.Unmarshal([]byte(text), &report); err != nil {
			return err
		}
		if len(report.Clients) != 1 || report.Clients[0].LeftAfter.Count != 2 {
			return fmt.Errorf("got %s", text)
		}
		return nil
	})
	client := report.Clients[0]
	if after := client.LeftAfter.P50; after < 0.1 || after > 5 {
		t.Errorf("left after %v s, want about %v", after, timeout)
	}
	if client.Outcomes.Recovered != 0 {
		t.Errorf("got %+v, want no call that recovered", client.Outcomes)
	}
	found := ""
	for _, f := range client.Findings {
		found += string(f.Level) + " " + f.Finding + ", "
	}
	if !strings.Contains(found, "warning unsafe_retry") {
		t.Errorf("got the findings %q, want unsafe_retry", found)
	}
	up.wantHits(t, 0)
}
