package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// doorOf returns the back door of a server, or nil.
func doorOf(srv *http.Server) *backDoor {
	backDoors.Lock()
	defer backDoors.Unlock()
	return backDoors.of[srv]
}

// countServe counts the listeners that a server has served so far.
func countServe(srv *http.Server) *atomic.Int32 {
	var calls atomic.Int32
	srv.BaseContext = func(net.Listener) context.Context {
		calls.Add(1)
		return context.Background()
	}
	return &calls
}

// One call of Serve is enough for all replies of all connections, and ends with the
// last connection.
func TestBackDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &http.Server{Handler: handBack(t, NewStatusLine(551, "User Not Local"), mailBody)}
		calls := countServe(srv)
		for round := range 3 {
			var conns []*client
			for range 5 {
				conns = append(conns, serveOne(t, srv))
			}
			for range 10 {
				for _, c := range conns {
					c.send(getNext)
					c.want551("GET")
				}
			}
			if got, want := int(calls.Load()), (round+1)*(len(conns)+1); got != want {
				t.Errorf("round %d: %d calls of Serve, want %d", round, got, want)
			}
			synctest.Wait()
			door := doorOf(srv)
			if door == nil || len(door.conns) != len(conns) {
				t.Fatalf("round %d: the door is %v, want one of %d connections", round, door, len(conns))
			}
			for i, c := range conns {
				if i%2 == 0 {
					c.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
					c.want551("GET")
				}
				_ = c.conn.Close()
			}
			time.Sleep(lingerTime)
			synctest.Wait()
			if doorOf(srv) != nil || len(door.conns) > 0 {
				t.Errorf("round %d: the door is still open, for %d connections", round, len(door.conns))
			}
		}
	})
}

// A server that ends leaves no door, even if its clients stay connected.
func TestBackDoorOfEndedServer(t *testing.T) {
	for name, end := range serverEnds {
		synctest.Test(t, func(t *testing.T) {
			srv := &http.Server{Handler: handBack(t, NewStatusLine(551, "User Not Local"), mailBody)}
			var conns []*client
			for range 3 {
				c := serveOne(t, srv)
				conns = append(conns, c)
				c.send(getNext)
				c.want551("GET")
			}
			if err := end(srv); err != nil || doorOf(srv) != nil {
				t.Errorf("%s: error %v, the door is %v", name, err, doorOf(srv))
			}
			for _, c := range conns {
				c.wantEOF()
			}
		})
	}
}

var serverEnds = map[string]func(*http.Server) error{
	"Shutdown": func(s *http.Server) error { return s.Shutdown(context.Background()) },
	"Close":    (*http.Server).Close,
}

// Shutdown waits for a request that has begun, and its reply is the last.
func TestBackDoorDuringRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := make(chan struct{})
		reply := handBack(t, NewStatusLine(551, "User Not Local"), mailBody)
		srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/next" {
				<-slow
			}
			reply(w, r)
		})}
		c := serveOne(t, srv)
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.want551("GET")
		c.send(getNext)
		synctest.Wait()
		ended := false
		go func() {
			if err := srv.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			ended = true
		}()
		time.Sleep(time.Minute)
		if synctest.Wait(); ended {
			t.Error("the server did not wait for the request")
		}
		close(slow)
		if resp := c.want551("GET"); !resp.Close {
			t.Error("the reply has no Connection: close")
		}
		c.wantEOF()
		time.Sleep(time.Second)
		if synctest.Wait(); !ended || doorOf(srv) != nil {
			t.Errorf("the server has ended: %t, the door is %v", ended, doorOf(srv))
		}
	})
}

// A deadline that Caddy sets at the end of a request does not affect the next request.
func TestHandBackDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := handBack(t, NewStatusLine(551, "User Not Local"), mailBody)
		c := serveOne(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			reply(w, r)
			soon := time.Now().Add(time.Second)
			if err := errors.Join(http.NewResponseController(w).SetReadDeadline(soon), http.NewResponseController(w).SetWriteDeadline(soon)); err != nil {
				t.Error(err)
			}
		})})
		c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		c.want551("GET")
		time.Sleep(time.Minute)
		c.send("nonsense\r\n") // net/http replies, and sets no deadline for it
		if resp := c.reply("GET"); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("got %s", resp.Status)
		}
	})
}

// Bytes that were read ahead reach net/http completely, whatever the sizes of its
// reads, even if the connection is taken over in between.
func TestRejoinedReadsAhead(t *testing.T) {
	sent := strings.Repeat("0123456789", 2000)
	for _, size := range []int{30, 1000, readAhead, 3 * readAhead} {
		for _, front := range []int{0, 3, 100, readAhead, 2 * readAhead} {
			synctest.Test(t, func(t *testing.T) {
				ours, theirs := net.Pipe()
				defer theirs.Close()
				go func() { _, _ = io.WriteString(ours, sent[front:]); _ = ours.Close() }()
				srv := new(http.Server)
				x := &exchange{srv: srv, r: new(http.Request)}
				read := bufio.NewReaderSize(strings.NewReader(sent[:front]), 2*readAhead)
				_, _ = read.Peek(front)
				c := x.rejoin(theirs, read)
				defer func() { _ = c.Close() }()
				var got []byte
				piece := make([]byte, size)
				for range 2 {
					n, err := c.Read(piece)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, piece[:n]...)
				}
				c = x.rejoin(c.forServer(), bufio.NewReader(c))
				for {
					n, err := c.Read(piece)
					if got = append(got, piece[:n]...); err != nil {
						break
					}
				}
				if string(got) != sent {
					t.Errorf("reads of %d, %d bytes read ahead: got %d bytes of %d, or different bytes", size, front, len(got), len(sent))
				}
				_ = c.Close()
			})
		}
	}
}

// The search for the HTTP/2 preface gets the first bytes, or nothing. If it gets
// nothing, net/http tries a hundred times.
func TestSearchForPreface(t *testing.T) {
	for _, tt := range []struct{ came, found string }{
		{getNext, getNext[:14]},
		{"GET ", "GET "},
		{preface, ""},
		{"POST / HTTP/1.1\r\n", "POST / HTTP/1."},
	} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			go func() { _, _ = io.WriteString(ours, tt.came) }()
			c := &rejoinedConn{Conn: theirs, srv: new(http.Server)}
			c.ahead = bufio.NewReader(frontReader{c})
			short := make([]byte, 14)
			n, err := c.Read(short)
			if got := string(short[:n]); got != tt.found || err != nil {
				t.Errorf("of %q: found %q, error %v, want %q", tt.came, got, err, tt.found)
			}
			_ = ours.Close()
			rest := make([]byte, readAhead)
			m, _ := c.Read(rest)
			if got := string(short[:n]) + string(rest[:m]); !strings.HasPrefix(tt.came, got) || m == 0 && n < len(tt.came) {
				t.Errorf("read %q of %q", got, tt.came)
			}
			_ = theirs.Close()
		})
	}
}
