package faults

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
)

// A nextRequest is the listener through which a connection goes back to its
// server. It accepts that one connection, when the head of the next request has
// come. Until then the connection is idle, and as a listener it is closed at once
// when the server shuts down; served at once it would count as new, for which
// Shutdown waits five seconds, and would be idle for ReadHeaderTimeout instead of
// IdleTimeout.
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

// await reads the head of the next request.
func (l *nextRequest) await() error {
	if len(l.ahead) == 0 {
		if err := l.read(l.deadline(l.srv.IdleTimeout)); err != nil {
			return err
		}
	}
	for until := l.deadline(l.srv.ReadHeaderTimeout); !ready(l.ahead); {
		if err := l.read(until); err != nil {
			return err
		}
	}
	return l.conn.SetReadDeadline(time.Time{})
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

// read reads more of the next request.
func (l *nextRequest) read(until time.Time) error {
	if err := l.conn.SetReadDeadline(until); err != nil {
		return err
	}
	size := len(l.ahead)
	buf := slices.Grow(l.ahead, 1024)
	n, err := io.ReadAtLeast(l.conn, buf[size:cap(buf)], 1)
	l.ahead = buf[:size+n]
	return err
}

// maxAhead is how much of a head is read ahead, as much as net/http reads at once.
const maxAhead = 4 << 10

// ready reports whether the server can take what has been read: a whole head,
// what is none, for which it has a reply, or the beginning of a long one.
func ready(ahead []byte) bool {
	line, _, whole := bytes.Cut(ahead, []byte("\n"))
	return whole && !bytes.Contains(line, []byte(" HTTP/")) ||
		bytes.Contains(ahead, []byte("\n\r\n")) || bytes.Contains(ahead, []byte("\n\n")) || len(ahead) >= maxAhead
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
