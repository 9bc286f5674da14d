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

// A rejoinedConn is a connection that returns to its server, which sees it as a new
// connection. It waits for the next request like a connection that was never taken
// over. The client must not notice a difference: whatever it sends next, whole or in
// pieces, gets the same bytes at the same time.
type rejoinedConn struct {
	net.Conn
	srv    *http.Server
	door   *backDoor
	tls    *tls.ConnectionState // of the previous request; nil without TLS
	posted bool                 // the previous request was a POST
	ended  <-chan struct{}      // closed when the previous handler has returned; nil if the context never ends
	idle   atomic.Bool          // the head of the next request has not arrived

	// what has been read of the next request
	front  []byte        // before the connection was handed back
	ahead  *bufio.Reader // together with its first bytes; nil when net/http has all of it
	begun  time.Time     // when the first bytes arrived; zero before
	failed bool          // the first bytes did not arrive
	asked  bool          // net/http reads a request
}

// rejoin registers a connection at the back door of its server. It returns nil if the
// server is shutting down. It takes back what net/http has read ahead, which is the
// beginning of the next request of a pipelining client, and keeps using the buffer.
func (x *exchange) rejoin(conn net.Conn, read *bufio.Reader) *rejoinedConn {
	c := &rejoinedConn{Conn: conn, srv: x.srv, tls: x.r.TLS, posted: x.method == http.MethodPost, ended: x.r.Context().Done(), ahead: read}
	peeked, _ := read.Peek(read.Buffered())
	c.front = bytes.Clone(peeked)
	var before *rejoinedConn
	if again, ok := conn.(interface{ rejoined() *rejoinedConn }); ok {
		before = again.rejoined() // otherwise each request would add a layer
		c.Conn, c.front = before.Conn, append(c.front, before.unread()...)
	}
	read.Reset(frontReader{c})
	if !c.enter(before) {
		return nil
	}
	return c
}

// rejoined returns the rejoinedConn inside the connection that the server sees.
func (c *rejoinedConn) rejoined() *rejoinedConn { return c }

// unread returns the bytes that were read ahead and that net/http has not read.
func (c *rejoinedConn) unread() []byte {
	if c.ahead == nil {
		return nil
	}
	peeked, _ := c.ahead.Peek(c.ahead.Buffered())
	return slices.Concat(peeked, c.front)
}

// A frontReader reads the bytes that were read ahead, then the connection.
type frontReader struct{ *rejoinedConn }

func (r frontReader) Read(p []byte) (int, error) {
	if len(r.front) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.front)
	r.front = r.front[n:]
	return n, nil
}

// await waits for the first bytes of the next request, as net/http does, after the
// previous handler has returned. It reports false where net/http would close the
// connection without a reply.
func (c *rejoinedConn) await() bool {
	if c.failed {
		return false
	}
	if c.ended != nil {
		<-c.ended
	}
	// Caddy's idle timeouts of the previous request must not affect the next one. An
	// error here also occurs in Read.
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

// deadline returns when a timeout of the server expires that starts now, with the rules
// of net/http. Zero means never.
func (c *rejoinedConn) deadline(timeout time.Duration) time.Time {
	if timeout == 0 {
		timeout = c.srv.ReadTimeout
	}
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// growStack grows the stack for a handler, in one step. Each request after a reply that
// was handed back has a new goroutine, whose stack would be copied each time it
// doubles. An idle connection does not need the space.
//
//go:noinline
func growStack(i int) byte {
	var room [7 << 10]byte
	return room[i]
}

// Read reads from the connection. On a new connection net/http first looks for the
// preface of HTTP/2, in reads that are no longer than the preface. This connection is
// not new. Such reads therefore find no preface, and no reason to wait for the rest of
// one.
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
		c.ahead = nil // frees the buffer
	}
	return n, err
}

// SetReadDeadline sets the deadline. It ignores the deadline for the head of a request,
// which await has already set. The first deadline after the head is the one for the
// whole request, which net/http counts from when it began to wait.
func (c *rejoinedConn) SetReadDeadline(t time.Time) error {
	if c.begun.IsZero() {
		return nil
	}
	if c.idle.CompareAndSwap(true, false) && !t.IsZero() {
		t = c.begun.Add(c.srv.ReadTimeout)
	}
	return c.Conn.SetReadDeadline(t)
}

// NetConn returns the connection inside, like the method of a *tls.Conn.
func (c *rejoinedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite closes the sending half, for the last replies of net/http.
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

// forServer returns the connection with the optional methods that net/http looks for.
func (c *rejoinedConn) forServer() net.Conn {
	if c.tls != nil {
		return rejoinedTLSConn{c}
	}
	if files, ok := c.Conn.(io.ReaderFrom); ok {
		return rejoinedCopyConn{c, files}
	}
	return c
}

// A rejoinedCopyConn can send a file with sendfile, like the connection in it.
type rejoinedCopyConn struct {
	*rejoinedConn
	io.ReaderFrom
}

// A rejoinedTLSConn gives net/http the TLS state for Request.TLS. It keeps the state
// itself, because net/http only reads it from an unwrapped *tls.Conn, and Caddy's
// wrapper has no public access to it.
type rejoinedTLSConn struct{ *rejoinedConn }

// ConnectionState returns the state of the previous request.
func (c rejoinedTLSConn) ConnectionState() tls.ConnectionState { return *c.tls }
