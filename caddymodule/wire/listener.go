package wire

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
)

func init() {
	caddy.RegisterModule(ListenerWrapper{})
}

// ListenerWrapper makes faults send exact reason phrases over HTTP/1, such as
// `HTTP/1.1 551 User Not Local`. It has no options. In a Caddyfile:
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
type ListenerWrapper struct{}

// CaddyModule returns the Caddy module information.
func (ListenerWrapper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.listeners.fault",
		New: func() caddy.Module { return new(ListenerWrapper) },
	}
}

// Provision warns if the wrapper comes before TLS, where all replies are encrypted.
func (ListenerWrapper) Provision(ctx caddy.Context) error {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok || len(srv.TLSConnPolicies) == 0 {
		return nil
	}
	tls := slices.IndexFunc(srv.ListenerWrappersRaw, func(raw json.RawMessage) bool { return wrapperName(raw) == "tls" })
	if own := slices.IndexFunc(srv.ListenerWrappersRaw, func(raw json.RawMessage) bool { return wrapperName(raw) == "fault" }); own < tls {
		hint.Warn(ctx, "listener wrapper fault has no effect in front of tls, where all bytes are encrypted: write the line fault after the line tls")
	}
	return nil
}

// wrapperName returns the name of a listener wrapper in a configuration.
func wrapperName(raw json.RawMessage) string {
	var named struct {
		Wrapper string `json:"wrapper"`
	}
	_ = json.Unmarshal(raw, &named) // Caddy refuses what cannot be parsed
	return named.Wrapper
}

// WrapListener returns l with connections that can write a custom status line.
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
// Only HTTP/1 handlers request one. Everything else passes unchanged.
type faultConn struct {
	net.Conn
	addr faultAddr
	line atomic.Pointer[StatusLine] // for the next final head; usually nil
}

// Write writes p. net/http sends everything before it begins a head, so a head is
// always at the beginning of a Write. The status line is always complete in it, because
// net/http splits only at 4 KiB.
func (c *faultConn) Write(p []byte) (int, error) {
	line := c.line.Load()
	if line == nil || !FinalHead(p) {
		return c.Conn.Write(p)
	}
	c.line.Store(nil) // a reply has one final head, whatever its status
	return line.WriteHead(c.Conn, p)
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
	if _, decrypts := a.conn.Conn.(connectionStater); encrypted && !decrypts {
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
	_ caddyfile.Unmarshaler = (*ListenerWrapper)(nil)
	_ LineWriter            = (*faultAddr)(nil)
	_ io.ReaderFrom         = (*faultCopyConn)(nil)
	_ connectionStater      = (*faultTLSConn)(nil)
)
