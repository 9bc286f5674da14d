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

// lingerTime is how long a connection with unread data outlives its last reply,
// as in net/http: closed at once it would be reset, and the client would lose
// the reply (RFC 9112 section 9.6).
const lingerTime = 500 * time.Millisecond

// CloseInOrder ends an HTTP/1 connection by a FIN. A socket that is closed with
// unread bytes in it, of a body or of the next requests, sends a RST instead, so
// it is read on for a while.
func CloseInOrder(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	LingerAfter(conn, r)
}

// LingerAfter ends a hijacked HTTP/1 connection by a FIN when the handler has
// returned; what the client still sends would make it a RST.
func LingerAfter(conn net.Conn, r *http.Request) {
	conn = InnermostConn(conn, 0)
	afterHandler(r.Context(), func() { linger(conn) })
}

// ResetConn ends an HTTP/1 connection by a RST: a TCP socket that is closed
// without lingering forgets what it has to send. TLS gets no time to say
// goodbye.
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

// tcpConn is the TCP connection inside of a hijacked one, nil if it shows none.
func tcpConn(conn net.Conn) *net.TCPConn {
	for inner := InnermostConn(conn, 0); inner != nil; inner = netConn(inner) {
		if tcp, ok := inner.(*net.TCPConn); ok {
			return tcp
		}
	}
	return nil
}

// closeWrite ends the sending half of a connection, or of the outermost one
// inside of it that can.
func closeWrite(conn net.Conn) {
	for ; conn != nil; conn = netConn(conn) {
		if half, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
			return
		}
	}
}

// netConn is the connection inside of a wrapped one, nil if it shows none.
// crypto/tls and the connections of this module call the method NetConn, those
// of the proxy_protocol wrapper Raw. Caddy's own wrapper round TLS shows
// nothing but the local address, by which the listener wrapper is found.
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

// InnermostConn returns the connection that net/http had, from the one that Hijack
// gave. The recorders in between add size to what they have counted.
//
// Caddy's recorders put a connection of their own around a hijacked one, and
// give no access to the one inside. But they copy to it from a reader, and
// io.Copy hands the destination to a reader that is an io.WriterTo; what that
// says it has written is what the recorder counts.
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

// WriteTo notes w and pretends to have written.
func (f *connFinder) WriteTo(w io.Writer) (int64, error) {
	f.conn, _ = w.(net.Conn)
	return f.size, nil
}

// Read is never called: io.Copy prefers WriteTo.
func (*connFinder) Read([]byte) (int, error) { return 0, io.EOF }

// recorderConn is the type of the connection that Caddy's recorders put around
// a hijacked one; nil if they do not, or not so that a connFinder gets through.
// It is found out by a trial since it has no public name, and asked for because
// a connFinder would go through other connections too, a *net.TCPConn included.
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

// Hijackable is a writer that has nothing but a connection.
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

// afterHandler runs f in a goroutine of its own when the handler has returned,
// which net/http tells by the request's context. Not earlier, or the next
// request would run beside the end of this one: its line would come first in
// the access log, and a deadline that Caddy sets at the end would hit it.
func afterHandler(ctx context.Context, f func()) {
	if ctx.Done() == nil {
		go f()
		return
	}
	context.AfterFunc(ctx, f)
}

// linger closes a connection on which the client may still be sending, so that
// it gets the reply (RFC 9112 section 9.6).
func linger(conn net.Conn) {
	defer conn.Close()
	closeWrite(conn)
	if err := conn.SetDeadline(time.Now().Add(lingerTime)); err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, conn)
}
