package faults

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
)

// A nextRequest is the listener through which a connection goes back to its
// server. It accepts that one connection, when the first bytes of the next
// request have come. Until then the connection is idle, and as a listener it is
// closed at once when the server shuts down; served at once it would count as
// new, for which Shutdown waits five seconds, and would be idle for
// ReadHeaderTimeout instead of IdleTimeout.
type nextRequest struct {
	srv   *http.Server
	conn  net.Conn
	ahead []byte               // what has been read of the next request
	tls   *tls.ConnectionState // of the request before; nil without TLS
	gone  atomic.Bool          // accepted or closed
}

// newNextRequest takes back what net/http has read ahead, which is the
// beginning of the next request of a client that does not wait.
func newNextRequest(srv *http.Server, conn net.Conn, read *bufio.Reader, state *tls.ConnectionState) *nextRequest {
	ahead, _ := read.Peek(read.Buffered())
	l := &nextRequest{srv: srv, conn: conn, ahead: bytes.Clone(ahead), tls: state}
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
	return rejoin(l.conn, l.ahead, l.tls), nil
}

// await reads the first bytes of the next request.
func (l *nextRequest) await() error {
	if len(l.ahead) > 0 {
		return nil
	}
	idle := l.srv.IdleTimeout
	if idle == 0 {
		idle = l.srv.ReadTimeout
	}
	if idle > 0 {
		if err := l.conn.SetReadDeadline(time.Now().Add(idle)); err != nil {
			return err
		}
	}
	buf := make([]byte, 1024)
	n, err := io.ReadAtLeast(l.conn, buf, 1)
	if err != nil {
		return err
	}
	l.ahead = buf[:n]
	return l.conn.SetReadDeadline(time.Time{})
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

func rejoin(conn net.Conn, ahead []byte, state *tls.ConnectionState) net.Conn {
	c := &rejoinedConn{Conn: conn, ahead: ahead}
	if state != nil {
		return rejoinedTLSConn{c, state}
	}
	if files, ok := conn.(io.ReaderFrom); ok {
		return rejoinedCopyConn{c, files}
	}
	return c
}

func (c *rejoinedConn) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	if c.ahead = c.ahead[n:]; len(c.ahead) == 0 {
		c.ahead = nil // frees it
	}
	return n, nil
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
