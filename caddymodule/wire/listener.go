package wire

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
)

func init() {
	caddy.RegisterModule(ListenerWrapper{})
}

// ListenerWrapper makes faults send exact reason phrases over HTTP/1, such as
// `HTTP/1.1 551 User Not Local`, and error codes over HTTP/2. It has no options. In a
// Caddyfile:
//
//	{
//	    servers {
//	        listener_wrappers {
//	            fault
//	        }
//	    }
//	}
//
// If there are other wrappers, write `fault` last, after `tls`.
//
// Without the wrapper, the fault `respond` takes over the connection to send the phrase.
// With the wrapper, the connection stays with the server. `encode`, `header`,
// `handle_errors`, logs and metrics handle the reply as any other, at almost no cost.
// HTTP/2 and HTTP/3 have no reason phrase.
//
// With the wrapper, the faults `reset` and `close` reach an HTTP/2 connection: its error
// codes, its GOAWAY frames and the connection itself.
type ListenerWrapper struct {
	srv *caddyhttp.Server // that has the wrapper
}

// CaddyModule returns the Caddy module information.
func (ListenerWrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.fault",
		New: func() caddy.Module { return new(ListenerWrapper) },
	}
}

// Provision records that the server has the wrapper. It warns if the wrapper comes
// before TLS, where all replies are encrypted.
func (lw *ListenerWrapper) Provision(ctx caddy.Context) error {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	lw.srv = srv
	wrapped.Store(srv, nil)
	if fault, tls := wrapperIndex(srv, "fault"), wrapperIndex(srv, "tls"); len(srv.TLSConnPolicies) > 0 && fault < tls {
		hint.Warn(ctx, "listener wrapper fault has no effect in front of tls, where all bytes are encrypted: "+afterTLS(fault, tls))
	}
	return nil
}

// afterTLS returns what to write so that the wrapper comes after TLS. Caddy refuses the
// line tls as the first one, because it is the default.
func afterTLS(fault, tls int) string {
	if fault == 0 && tls == 1 {
		return "remove the line tls; without it, TLS comes first"
	}
	return "write the line fault after the line tls"
}

// Cleanup forgets the server, whose configuration has ended. A function given to
// [caddy.Context.OnCancel] here would never run, because Provision has a copy of the
// context.
func (lw *ListenerWrapper) Cleanup() error {
	wrapped.Delete(lw.srv)
	return nil
}

// wrapped holds the servers that have the listener wrapper. A server forgets what its
// configuration says about its wrappers before it loads its handlers.
var wrapped sync.Map // of *caddyhttp.Server

// Missing reports whether ctx is that of a handler in a server without the listener
// wrapper.
func Missing(ctx caddy.Context) bool {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return false
	}
	_, has := wrapped.Load(srv)
	return !has
}

// wrapperIndex returns the place of a listener wrapper in the configuration of a server,
// or -1.
func wrapperIndex(srv *caddyhttp.Server, name string) int {
	return slices.IndexFunc(srv.ListenerWrappersRaw, func(raw json.RawMessage) bool {
		var named struct {
			Wrapper string `json:"wrapper"`
		}
		_ = json.Unmarshal(raw, &named) // Caddy refuses what cannot be parsed
		return named.Wrapper == name
	})
}

// WrapListener returns l with connections that can write a custom status line, or other
// error codes of HTTP/2.
func (ListenerWrapper) WrapListener(l net.Listener) net.Listener { return faultListener{l} }

// UnmarshalCaddyfile sets up the listener wrapper from Caddyfile tokens. Syntax:
//
//	fault
func (*ListenerWrapper) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume wrapper name
	if d.NextArg() {
		return d.Errf("unexpected argument '%s': write fault, the name of the listener wrapper alone", d.Val())
	}
	if d.Next() {
		return d.Errf("listener wrapper fault has no options, but found '%s'", d.Val())
	}
	return nil
}

type faultListener struct{ net.Listener }

// Accept wraps the next connection. The wrapped connection has the optional methods
// that the server looks for if the inner one has them: the TLS state, and ReadFrom,
// which sendfile needs.
func (l faultListener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &faultConn{Conn: inner}
	c.addr.conn = c
	if state, ok := inner.(connectionStater); ok {
		return &faultTLSConn{c, state}, nil
	}
	if files, ok := inner.(io.ReaderFrom); ok {
		return &faultCopyConn{c, files}, nil
	}
	return c, nil
}

// A faultConn writes the status line that the handler of its request has requested.
// Only HTTP/1 handlers request one. Over HTTP/2, it writes the frames that a handler has
// requested. Everything else passes unchanged.
type faultConn struct {
	net.Conn
	addr   faultAddr
	line   atomic.Pointer[StatusLine] // for the next final head; usually nil
	frames frames
}

// Write writes p. net/http sends everything before it begins a head, so a head is
// always at the beginning of a Write. The status line is always complete in it, because
// net/http splits only at 4 KiB.
func (c *faultConn) Write(p []byte) (int, error) {
	if c.frames.are(p) {
		return c.writeFrames(p)
	}
	line := c.line.Load()
	if line == nil || !FinalHead(p) {
		return c.Conn.Write(p)
	}
	c.line.Store(nil) // a reply has one final head, whatever its status
	return line.WriteHead(c.Conn, p)
}

// writeFrames writes p, a part of the frames of an HTTP/2 connection. After the end of
// the connection, it drops p without an error. The server would close the connection at
// once on an error, and the client could lose the last frame.
func (c *faultConn) writeFrames(p []byte) (int, error) {
	if c.frames.over.Load() {
		return len(p), nil
	}
	out, last := c.frames.next(p)
	n, err := c.Conn.Write(out)
	switch {
	case err != nil:
		return min(n, len(p)), err
	case last:
		c.end()
	}
	return len(p), nil
}

// end ends an HTTP/2 connection with a FIN. The server reads what the client still
// sends, which would turn the FIN into a RST, so end does not read.
func (c *faultConn) end() {
	c.frames.over.Store(true)
	time.AfterFunc(lingerTime, func() { _ = c.Conn.Close() })
	closeWrite(c.Conn)
}

// seesHTTP reports whether what is written to c is the plain text of r. A wrapper before
// TLS sees encrypted bytes. A nil connection sees nothing.
func (c *faultConn) seesHTTP(r *http.Request) bool { return c != nil && c.sees(r.TLS != nil) }

func (c *faultConn) sees(encrypted bool) bool {
	_, decrypts := c.Conn.(connectionStater)
	return decrypts || !encrypted
}

// LocalAddr returns the address through which handlers find the connection.
func (c *faultConn) LocalAddr() net.Addr { return &c.addr }

// NetConn returns the connection inside, like the method of a *tls.Conn.
func (c *faultConn) NetConn() net.Conn { return c.Conn }

// CloseWrite closes the sending half. net/http calls it before it closes a connection
// on which the client may still be sending.
func (c *faultConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// A faultAddr is the local address of a connection and gives access to it. It gets the
// address of the inner connection only when it is read, because that may wait for a
// PROXY header.
type faultAddr struct{ conn *faultConn }

// Network returns the network of the connection inside.
func (a *faultAddr) Network() string { return a.conn.Conn.LocalAddr().Network() }

// String returns the address of the connection inside.
func (a *faultAddr) String() string { return a.conn.Conn.LocalAddr().String() }

// NetConn returns the connection inside.
func (a *faultAddr) NetConn() net.Conn { return a.conn.Conn }

// WriteLine arms the connection, see LineWriter. A wrapper before TLS sees no head and
// cannot be armed.
func (a *faultAddr) WriteLine(line *StatusLine, encrypted bool) bool {
	if !a.conn.sees(encrypted) {
		return false
	}
	a.conn.line.Store(line)
	return true
}

// A faultCopyConn leaves copying to the connection inside: from a file with sendfile,
// between two sockets with splice.
type faultCopyConn struct {
	*faultConn
	io.ReaderFrom // copies to the connection; net/http writes the head first, through Write
}

// WriteTo copies the connection to w.
func (c *faultCopyConn) WriteTo(w io.Writer) (int64, error) { return io.Copy(w, c.Conn) }

type connectionStater interface {
	ConnectionState() tls.ConnectionState
}

// A faultTLSConn is a faultConn around a TLS connection.
type faultTLSConn struct {
	*faultConn
	tls connectionStater
}

// ConnectionState returns the state of the connection inside.
func (c *faultTLSConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// Read reads from the connection. The first Read does the handshake. If the client
// speaks plain HTTP, Read replies as net/http does, but net/http does so only for an
// unwrapped *tls.Conn.
func (c *faultTLSConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		return n, nil
	}
	if plain, ok := errors.AsType[tls.RecordHeaderError](err); ok && plain.Conn != nil && looksLikeHTTP(plain.RecordHeader) {
		_, _ = io.WriteString(plain.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
		_ = plain.Conn.Close()
		return n, io.EOF // otherwise net/http would also reply
	}
	return n, err
}

// looksLikeHTTP reports whether the first bytes of a connection begin an unencrypted
// request.
func looksLikeHTTP(first [5]byte) bool {
	switch string(first[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO":
		return true
	}
	return false
}

// Interface guards
var (
	_ caddy.ListenerWrapper = (*ListenerWrapper)(nil)
	_ caddy.Provisioner     = (*ListenerWrapper)(nil)
	_ caddy.CleanerUpper    = (*ListenerWrapper)(nil)
	_ caddyfile.Unmarshaler = (*ListenerWrapper)(nil)
	_ LineWriter            = (*faultAddr)(nil)
	_ io.ReaderFrom         = (*faultCopyConn)(nil)
	_ connectionStater      = (*faultTLSConn)(nil)
)
