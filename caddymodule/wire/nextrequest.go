package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// A rejoinedConn is a connection that goes back to its server, for which it is a
// new one. It waits for the next request as a connection does that was never taken.
// The client must not notice: whatever it sends next, whole or in pieces, gets the
// bytes that it would get otherwise, at the same time.
type rejoinedConn struct {
	net.Conn
	srv    *http.Server
	door   *backDoor
	tls    *tls.ConnectionState // of the request before; nil without TLS
	posted bool                 // the request before was a POST
	ended  <-chan struct{}      // closed when the handler before has returned; nil if nobody tells
	idle   atomic.Bool          // the head of the next request has not come

	// what has been read of the next request
	front  []byte        // before the connection was handed back
	ahead  *bufio.Reader // together with its first bytes; nil when net/http has it all
	begun  time.Time     // when the first bytes came; zero before
	failed bool          // they did not come
	asked  bool          // net/http reads a request
}

// rejoin gives a connection a place at the back door of its server. It returns nil
// when the server shuts down. It takes back what net/http has read ahead, which is
// the beginning of the next request of a client that does not wait, and uses the
// buffer on.
func (x *exchange) rejoin(conn net.Conn, read *bufio.Reader) *rejoinedConn {
	c := &rejoinedConn{Conn: conn, srv: x.srv, tls: x.r.TLS, posted: x.method == http.MethodPost, ended: x.r.Context().Done(), ahead: read}
	peeked, _ := read.Peek(read.Buffered())
	c.front = bytes.Clone(peeked)
	var before *rejoinedConn
	if again, ok := conn.(interface{ rejoined() *rejoinedConn }); ok {
		before = again.rejoined() // or each request would add a layer
		c.Conn, c.front = before.Conn, append(c.front, before.unread()...)
	}
	read.Reset(frontReader{c})
	if !c.enter(before) {
		return nil
	}
	return c
}

// rejoined returns the connection itself, from within those for the server.
func (c *rejoinedConn) rejoined() *rejoinedConn { return c }

// unread returns what net/http has not read of what was read ahead.
func (c *rejoinedConn) unread() []byte {
	if c.ahead == nil {
		return nil
	}
	peeked, _ := c.ahead.Peek(c.ahead.Buffered())
	return slices.Concat(peeked, c.front)
}

// A frontReader reads what is in front of the connection, then the connection.
type frontReader struct{ *rejoinedConn }

func (r frontReader) Read(p []byte) (int, error) {
	if len(r.front) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.front)
	r.front = r.front[n:]
	return n, nil
}

// await waits for the first bytes of the next request, as net/http does, and not
// before the handler of the last one has returned. It reports false where net/http
// would close without a reply.
func (c *rejoinedConn) await() bool {
	if c.failed {
		return false
	}
	if c.ended != nil {
		<-c.ended
	}
	// Caddy's idle timeouts of the last request must not cut the next one.
	// What fails here fails in Read.
	_ = c.Conn.SetWriteDeadline(time.Time{})
	_ = c.Conn.SetReadDeadline(c.deadline(c.srv.IdleTimeout))
	first, err := c.ahead.Peek(4)
	if err != nil {
		c.failed = true
		return false
	}
	growStack(len(first))
	c.begun = time.Now()
	_ = c.Conn.SetReadDeadline(c.deadline(c.srv.ReadHeaderTimeout))
	if c.posted { // old clients send a line end after the body (RFC 9112 section 2.2)
		_, _ = c.ahead.Discard(len(first) - len(bytes.TrimLeft(first, "\r\n")))
	}
	return true
}

// deadline is when a timeout of the server ends that begins now, as net/http has
// it; zero is never.
func (c *rejoinedConn) deadline(timeout time.Duration) time.Time {
	if timeout == 0 {
		timeout = c.srv.ReadTimeout
	}
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// growStack makes room for a handler on the stack, in one step. Each request after
// a reply that was handed back has a new goroutine, and its stack would be copied
// whenever it doubles. An idle connection needs no such room.
//
//go:noinline
func growStack(i int) byte {
	var room [7 << 10]byte
	return room[i]
}

// Read reads from the connection. On a new one net/http looks for the preface of
// HTTP/2 before anything else, in reads no longer than that. This one is not new:
// such reads find no preface, and no reason to wait for the rest of one.
func (c *rejoinedConn) Read(p []byte) (int, error) {
	if c.ahead == nil {
		return c.Conn.Read(p)
	}
	if c.begun.IsZero() && !c.await() {
		return 0, io.EOF
	}
	if c.asked = c.asked || len(p) > len(http2.ClientPreface); !c.asked {
		peeked, _ := c.ahead.Peek(c.ahead.Buffered())
		if len(peeked) == 0 || bytes.HasPrefix(peeked, []byte("PRI")) {
			return 0, nil
		}
	}
	n, err := c.ahead.Read(p)
	if c.asked && c.ahead.Buffered() == 0 && len(c.front) == 0 {
		c.ahead = nil // frees it
	}
	return n, err
}

// SetReadDeadline sets the deadline. That for the head has been set, as its time has
// begun. The first one after the head is that for the whole request, which net/http
// counts from when it has begun to wait.
func (c *rejoinedConn) SetReadDeadline(t time.Time) error {
	if c.begun.IsZero() {
		return nil
	}
	if c.idle.CompareAndSwap(true, false) && !t.IsZero() {
		t = c.begun.Add(c.srv.ReadTimeout)
	}
	return c.Conn.SetReadDeadline(t)
}

// NetConn returns the connection inside, as that of a *tls.Conn does.
func (c *rejoinedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the sending half, for net/http's last replies.
func (c *rejoinedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// Close closes the connection.
func (c *rejoinedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}

// forServer returns the connection with what net/http looks for in it.
func (c *rejoinedConn) forServer() net.Conn {
	if c.tls != nil {
		return rejoinedTLSConn{c}
	}
	if files, ok := c.Conn.(io.ReaderFrom); ok {
		return rejoinedCopyConn{c, files}
	}
	return c
}

// A rejoinedCopyConn can take a file by sendfile, as the connection in it.
type rejoinedCopyConn struct {
	*rejoinedConn
	io.ReaderFrom
}

// A rejoinedTLSConn tells net/http the state of TLS, for Request.TLS. It needs
// it by itself since net/http asks a *tls.Conn only when it is not wrapped, and
// Caddy's own wrapper has no public way to ask.
type rejoinedTLSConn struct{ *rejoinedConn }

// ConnectionState returns that of the request before.
func (c rejoinedTLSConn) ConnectionState() tls.ConnectionState { return *c.tls }
