package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// A nextRequest is the listener through which a connection goes back to its
// server. It accepts that one connection, when the head of the next request has
// come. Until then the connection is idle, and as a listener it is closed at once
// when the server shuts down; served at once it would count as new, for which
// Shutdown waits five seconds, and would be idle for ReadHeaderTimeout instead of
// IdleTimeout.
//
// The client must not notice: whatever it sends next, whole or in pieces, gets the
// bytes that the server would send on a connection that was never taken.
type nextRequest struct {
	srv    *http.Server
	conn   net.Conn
	ahead  []byte               // what has been read of the next request
	tls    *tls.ConnectionState // of the request before; nil without TLS
	posted bool                 // the request before was a POST
	gone   atomic.Bool          // accepted or closed
}

// newNextRequest takes back what net/http has read ahead, which is the
// beginning of the next request of a client that does not wait.
func newNextRequest(x *exchange, conn net.Conn, read *bufio.Reader) *nextRequest {
	ahead, _ := read.Peek(read.Buffered())
	l := &nextRequest{srv: x.srv, conn: conn, ahead: bytes.Clone(ahead), tls: x.r.TLS, posted: x.method == http.MethodPost}
	if again, ok := conn.(interface{ split() (net.Conn, []byte) }); ok {
		inner, rest := again.split() // or each request would add a layer
		l.conn, l.ahead = inner, append(l.ahead, rest...)
	}
	return l
}

// serve returns when the server has the next request, or the connection is
// closed. A server that has been shut down closes it.
func (l *nextRequest) serve() {
	// Caddy's idle timeouts of the last request must not cut the next one
	_ = l.conn.SetDeadline(time.Time{})
	_ = l.srv.Serve(l)
}

// Accept waits for the next request and returns its connection, once.
func (l *nextRequest) Accept() (net.Conn, error) {
	if l.gone.Load() {
		return nil, net.ErrClosed
	}
	if err := l.await(); err != nil || !l.gone.CompareAndSwap(false, true) {
		_ = l.Close()
		return nil, net.ErrClosed // no temporary error, which Serve would retry
	}
	return rejoin(&rejoinedConn{Conn: l.conn, ahead: l.ahead}, l.tls), nil
}

// await reads as far as net/http has to for its reply: the head of the next
// request, or what cannot become one. It waits for the first bytes as net/http
// does, and returns an error where net/http would close without a reply. All later
// errors are for net/http, which has a reply to some and gets them again.
func (l *nextRequest) await() error {
	_ = l.conn.SetReadDeadline(l.deadline(l.srv.IdleTimeout)) // what fails here fails in Read
	head := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(l.ahead), aheadReader{l}), maxAhead)
	first, err := head.Peek(4)
	if err != nil {
		return err
	}
	_ = l.conn.SetReadDeadline(l.deadline(l.srv.ReadHeaderTimeout))
	skip := 0
	if l.posted { // old clients send a line end after the body (RFC 9112 section 2.2)
		skip = len(first) - len(bytes.TrimLeft(first, "\r\n"))
	}
	_, _ = head.Discard(skip)
	_, _ = http.ReadRequest(head)
	l.ahead = l.ahead[skip:]
	return nil
}

// deadline is when a timeout of the server ends that begins now, as net/http has
// it; zero is never.
func (l *nextRequest) deadline(timeout time.Duration) time.Time {
	if timeout == 0 {
		timeout = l.srv.ReadTimeout
	}
	if timeout <= 0 {
		return time.Time{}
	}
	return time.Now().Add(timeout)
}

// maxAhead is how much of a head is read ahead, as much as net/http reads at once.
const maxAhead = 4 << 10

// An aheadReader reads more of the next request and keeps it.
type aheadReader struct{ *nextRequest }

func (l aheadReader) Read(p []byte) (n int, err error) {
	if len(l.ahead) >= maxAhead {
		return 0, io.EOF // net/http reads the rest
	}
	n, err = l.conn.Read(p)
	l.ahead = append(l.ahead, p[:n]...)
	return n, err
}

// Close closes the connection unless the server has it.
func (l *nextRequest) Close() error {
	if !l.gone.CompareAndSwap(false, true) {
		return nil
	}
	return l.conn.Close()
}

// Addr is the address at which the connection was accepted first.
func (l *nextRequest) Addr() net.Addr { return l.conn.LocalAddr() }

// noListener has no connection to accept.
type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }

// A rejoinedConn is a connection with what has been read from it in front.
type rejoinedConn struct {
	net.Conn
	ahead []byte
	begun bool // net/http reads a request
}

// A rejoinedCopyConn can take a file by sendfile, as the connection in it.
type rejoinedCopyConn struct {
	*rejoinedConn
	io.ReaderFrom
}

// A rejoinedTLSConn tells net/http the state of TLS, for Request.TLS. It needs
// it by itself since net/http asks a *tls.Conn only when it is not wrapped, and
// Caddy's own wrapper has no public way to ask.
type rejoinedTLSConn struct {
	*rejoinedConn
	state *tls.ConnectionState
}

func rejoin(c *rejoinedConn, state *tls.ConnectionState) net.Conn {
	if state != nil {
		return rejoinedTLSConn{c, state}
	}
	if files, ok := c.Conn.(io.ReaderFrom); ok {
		return rejoinedCopyConn{c, files}
	}
	return c
}

// Read reads from the connection. On a new one net/http looks for the preface of
// HTTP/2 before anything else, in reads no longer than that. This one is not new:
// such reads find nothing, neither a preface nor a reason to wait for one.
func (c *rejoinedConn) Read(p []byte) (int, error) {
	if !c.begun {
		if len(p) <= len(http2.ClientPreface) {
			return 0, nil
		}
		c.begun = true
	}
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil // frees it
	}
	return n, nil
}

// SetReadDeadline sets the deadline, but not for the head: its time has begun.
func (c *rejoinedConn) SetReadDeadline(t time.Time) error {
	if !c.begun {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// split returns the connection and what is still in front of it.
func (c *rejoinedConn) split() (net.Conn, []byte) { return c.Conn, c.ahead }

// NetConn returns the connection inside, as that of a *tls.Conn does.
func (c *rejoinedConn) NetConn() net.Conn { return c.Conn }

// CloseWrite ends the sending half, for net/http's last replies.
func (c *rejoinedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c rejoinedTLSConn) ConnectionState() tls.ConnectionState { return *c.state }
