package e2e

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// TestReload loads the configuration repeatedly while clients use kept connections. A
// reload may close a connection between two replies. Replies must not be wrong,
// incomplete or missing.
func TestReload(t *testing.T) {
	const reloads, clients = 20, 4
	before := goroutines()
	up := serve(t, echo)
	transports(t, config{site: "fault /f 551\nfault /late {\nphase response\nrespond 551\n}\n" + up.proxy()}, func(t *testing.T, s *site) {
		s.port = freePort(t)
		s.load(t)
		target := *s // load sets the address, which remains
		stop := make(chan struct{})
		replies := new(counter)
		var wg sync.WaitGroup
		for range clients {
			wg.Go(func() {
				if err := target.hammer(t, stop, replies); err != nil {
					t.Error(err)
				}
			})
		}
		for range reloads {
			seen := replies.get()
			s.load(t)
			eventually(t, func() error {
				if replies.get() < seen+2*clients {
					return fmt.Errorf("%d replies since the reload", replies.get()-seen)
				}
				return nil
			})
		}
		close(stop)
		wg.Wait()
	})
	up.stop()
	wantGoroutines(t, before)
}

// hammer sends requests until it is stopped and checks the replies. If a connection
// ends before a reply begins, hammer opens another, as every client does.
func (s *site) hammer(t *testing.T, stop <-chan struct{}, replies *counter) error {
	var conn *rawConn
	requests := []string{
		get("/f"), get("/"), request("POST", "/f", strings.Repeat("x", 1000)), get("/late"), request("POST", "/", "body"),
	}
	wants := []rawReply{
		{line551, body551, ""},
		{"HTTP/1.1 200 OK\r\n", "GET /", ""},
		{line551, body551, ""},
		{line551, body551, ""},
		{"HTTP/1.1 200 OK\r\n", "POST / 4", ""},
	}
	defer func() {
		if conn != nil {
			conn.Close()
		}
	}()
	for i := 0; ; i = (i + 1) % len(requests) {
		select {
		case <-stop:
			return nil
		default:
		}
		for got, again := (rawReply{}), true; again; {
			if conn == nil {
				tcp, err := s.dialTCP("http/1.1")
				if errors.Is(err, syscall.ECONNRESET) {
					continue // it waited at the socket of the old configuration
				}
				if err != nil {
					return err
				}
				_ = tcp.SetDeadline(time.Now().Add(2 * patience))
				conn = newRawConn(t, tcp)
			}
			var err error
			if _, err = conn.Write([]byte(requests[i])); err == nil {
				got, err = conn.readReply("GET")
			}
			again = err != nil && got.head == "" && !isTimeout(err)
			switch {
			case again:
			case err != nil:
				return fmt.Errorf("%.30q: got %.300q, then %w", requests[i], got, err)
			case !strings.HasPrefix(got.head, wants[i].head) || got.body != wants[i].body:
				return fmt.Errorf("%.30q: got %.300q, want %q", requests[i], got, wants[i])
			default:
				replies.inc()
			}
			if again || strings.Contains(got.head, "\r\nConnection: close\r\n") {
				conn.Close()
				conn = nil
			}
		}
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// freePort returns a free port, for a server that stops and starts on it again.
func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}

// TestReloadDuringDelay finishes the request that the old configuration holds, with its
// reply, and serves the next request with the new configuration.
func TestReloadDuringDelay(t *testing.T) {
	overEach(t, config{site: "fault {\ndelay 300ms\nrespond 551\n}"}, func(t *testing.T, c *client) {
		before := injected(t, "fault1", "rule1", "delay+respond")
		done := make(chan *reply, 1)
		go func() {
			defer close(done)
			got, err := c.try(c.request(t, "GET", "/", nil))
			if err != nil {
				t.Errorf("held request: %v", err)
				return
			}
			done <- got
		}()
		eventually(t, func() error {
			if injected(t, "fault1", "rule1", "delay+respond") == max(before, 0) {
				return errors.New("the request is not held")
			}
			return nil
		})
		c.load(t)
		if got := <-done; got != nil {
			want551(t, got)
		}
	})
}

// TestStopWhileIdle closes connections that wait for their next request immediately.
// Caddy would wait for a connection that it takes for a new one.
func TestStopWhileIdle(t *testing.T) {
	transports(t, config{site: "fault 551"}, func(t *testing.T, s *site) {
		conn := s.dial(t)
		conn.roundTrip(get("/")).want551(t)
		conn.roundTrip(get("/")).want551(t)
		began := time.Now()
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping: %v", err)
		}
		conn.wantEnd()
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("took %v, want no wait", took)
		}
	})
}

// TestNoGoroutineStays counts goroutines before and after requests of every kind,
// including those that end early.
func TestNoGoroutineStays(t *testing.T) {
	before := goroutines()
	up := serve(t, zoo)
	directives := `fault /respond 551
	fault /error {
		error 551
	}
	fault /delay {
		delay 1ms
	}
	fault /close {
		close
	}
	fault /reset {
		reset
	}
	fault /text {
		phase response
		respond 551
	}
	fault /chunked {
		phase response
		delay 1ms
	}
	fault /large {
		phase response
		close
	}
	` + up.proxy()
	paths := []string{"/respond", "/error", "/delay", "/close", "/reset", "/text", "/chunked", "/large", "/"}
	t.Run("requests", func(t *testing.T) {
		everywhere(t, config{site: directives}, func(t *testing.T, c *client) {
			for range 3 {
				for _, path := range paths {
					_, _ = c.try(c.request(t, "GET", path, nil))
					_, _ = c.try(c.request(t, "POST", path, strings.NewReader(strings.Repeat("x", 1000))))
				}
			}
		})
	})
	up.stop()
	wantGoroutines(t, before)
}

// goroutines returns the number of goroutines that belong to requests. Caddy keeps some
// for its logs, certificates and storage.
func goroutines() int {
	n := 0
	for stack := range strings.SplitSeq(stacks(), "\n\n") {
		for _, mark := range []string{"caddyfault/caddymodule", "net/http.(*conn)", "net/http.(*Server)", "reverseproxy.(*Handler).ServeHTTP", "iter.Pull"} {
			if strings.Contains(stack, mark) && !strings.Contains(stack, "testing.tRunner") {
				n++
				break
			}
		}
	}
	return n
}

func stacks() string {
	buf := make([]byte, 1<<20)
	for {
		if n := runtime.Stack(buf, true); n < len(buf) {
			return string(buf[:n])
		}
		buf = make([]byte, 2*len(buf))
	}
}

// wantGoroutines waits until there are no more goroutines than before.
func wantGoroutines(t testing.TB, before int) {
	t.Helper()
	eventually(t, func() error {
		if now := goroutines(); now > before {
			return fmt.Errorf("%d goroutines, %d before\n%s", now, before, stacks())
		}
		return nil
	})
}

// TestReloadWithFeed reloads while a console follows the journal. Over each protocol,
// the feed must end with its server, which would wait for the feed.
func TestReloadWithFeed(t *testing.T) {
	c := config{site: "fault_console /console/* {\ninsecure\n}\nfault"}
	everywhere(t, c, func(t *testing.T, c *client) {
		r := c.request(t, "GET", "/console/fault/journal", nil)
		r.Header.Set("Accept", "text/event-stream")
		resp, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.ReadFull(resp.Body, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		c.load(t)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("the feed ends with %v", err)
		}
	})
}
