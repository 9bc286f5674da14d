package wire

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// lingerTime is how long a connection with unread data stays open after its last reply,
// as in net/http. An immediate close would reset the connection, and the client could
// lose the reply (RFC 9112 section 9.6).
const lingerTime = 500 * time.Millisecond

// CloseInOrder ends an HTTP/1 connection with a FIN. Closing a socket that holds unread
// bytes sends a RST instead, so the connection is read for a while first.
func CloseInOrder(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	LingerAfter(conn, r)
}

// LingerAfter ends a hijacked HTTP/1 connection with a FIN after the handler has
// returned. It reads what the client still sends, which would turn the FIN into a RST.
func LingerAfter(conn net.Conn, r *http.Request) {
	conn = InnermostConn(conn, 0)
	afterHandler(r.Context(), func() { linger(conn) })
}

// ResetConn ends an HTTP/1 connection with a RST. With a linger time of zero, a TCP
// socket discards its unsent data when it is closed. TLS does not get to send its close
// alert.
func ResetConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	if tcp := tcpConn(conn); tcp != nil {
		_ = tcp.SetLinger(0)
		_ = tcp.Close()
	}
}

// tcpConn returns the TCP connection inside a hijacked one, or nil if it is not
// accessible.
func tcpConn(conn net.Conn) *net.TCPConn {
	for inner := InnermostConn(conn, 0); inner != nil; inner = netConn(inner) {
		if tcp, ok := inner.(*net.TCPConn); ok {
			return tcp
		}
	}
	return nil
}

// closeWrite closes the sending half of a connection, or of the outermost connection
// inside it that supports this.
func closeWrite(conn net.Conn) {
	for ; conn != nil; conn = netConn(conn) {
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
			return
		}
	}
}

// netConn returns the connection inside a wrapped one, or nil if it is not accessible.
// The method is NetConn for crypto/tls and for the connections of this module, and Raw
// for those of the proxy_protocol wrapper. Caddy's wrapper around TLS exposes only the
// local address, through which the listener wrapper is found.
func netConn(conn net.Conn) net.Conn {
	type wrapped interface{ NetConn() net.Conn }
	switch c := conn.(type) {
	case wrapped:
		return c.NetConn()
	case interface{ Raw() net.Conn }:
		return c.Raw()
	}
	if addr, ok := conn.LocalAddr().(wrapped); ok {
		return addr.NetConn()
	}
	return nil
}

// InnermostConn returns the connection that net/http had, given the connection that
// Hijack returned. The recorders in between add size to their byte counts.
//
// Caddy's recorders wrap a hijacked connection without giving access to the connection
// inside. But they copy to it from a reader, and io.Copy passes the destination to a
// reader that is an io.WriterTo. The recorder counts as many bytes as this reader
// claims to have written.
func InnermostConn(conn net.Conn, size int64) net.Conn {
	for reflect.TypeOf(conn) == recorderConn() {
		inside := connFinder{size: size}
		_, _ = conn.(io.ReaderFrom).ReadFrom(&inside)
		conn = inside.conn
	}
	return conn
}

// A connFinder is a reader that finds out where it would be copied to.
type connFinder struct {
	conn net.Conn
	size int64
}

// WriteTo remembers w and claims to have written size bytes.
func (f *connFinder) WriteTo(w io.Writer) (int64, error) {
	f.conn, _ = w.(net.Conn)
	return f.size, nil
}

// Read is never called, because io.Copy prefers WriteTo.
func (*connFinder) Read([]byte) (int, error) { return 0, io.EOF }

// recorderConn returns the type of the connection that Caddy's recorders put around a
// hijacked one. It returns nil if they do not wrap it, or if a connFinder cannot see
// through the wrapper. The type has no public name, so a trial determines it. Only this
// type is searched: a connFinder would also see through other connections, such as a
// *net.TCPConn.
var recorderConn = sync.OnceValue(func() reflect.Type {
	inside, other := net.Pipe()
	defer inside.Close()
	defer other.Close()
	recorder := caddyhttp.NewResponseRecorder(Hijackable{Conn: inside}, nil, nil)
	outside, _, err := http.NewResponseController(recorder).Hijack()
	if err != nil {
		return nil
	}
	var found connFinder
	if copies, ok := outside.(io.ReaderFrom); ok {
		_, _ = copies.ReadFrom(&found)
	}
	if found.conn != inside {
		return nil
	}
	return reflect.TypeOf(outside)
})

// Hijackable is a response writer that only supports Hijack.
type Hijackable struct{ Conn net.Conn }

// Header returns nil.
func (Hijackable) Header() http.Header { return nil }

// Write drops p.
func (Hijackable) Write(p []byte) (int, error) { return len(p), nil }

// WriteHeader does nothing.
func (Hijackable) WriteHeader(int) {}

// Hijack returns the connection.
func (h Hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.Conn, bufio.NewReadWriter(bufio.NewReader(h.Conn), bufio.NewWriter(h.Conn)), nil
}

// afterHandler runs f in a new goroutine after the handler has returned, which ends the
// context of the request. If f ran earlier, the next request could start before this
// one has ended. Its line would then come first in the access log, and a deadline that
// Caddy sets at the end of this request would affect it.
func afterHandler(ctx context.Context, f func()) {
	if ctx.Done() == nil {
		go f()
		return
	}
	context.AfterFunc(ctx, f)
}

// linger closes a connection on which the client may still be sending, so that the
// client gets the reply (RFC 9112 section 9.6).
func linger(conn net.Conn) {
	defer conn.Close()
	closeWrite(conn)
	if err := conn.SetDeadline(time.Now().Add(lingerTime)); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}
