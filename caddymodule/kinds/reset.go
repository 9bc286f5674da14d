package kinds

import (
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Reset{})
}

// Reset resets the connection without a byte of reply.
//
// What the client sees: over HTTP/1, with and without TLS, a TCP reset (`ECONNRESET`;
// curl: 56). Over HTTP/2 and HTTP/3, the stream is reset with `INTERNAL_ERROR` or
// `H3_INTERNAL_ERROR`. Other streams continue.
//
// In a transport, the attempt fails with `ECONNRESET` after the request has been sent.
// Caddy then tries GET again, or the requests that `lb_retry_match` names.
//
// To reset a connection in the middle of a reply, use the truncate fault with `reset`.
type Reset struct{}

// CaddyModule returns the Caddy module information.
func (Reset) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".reset",
		New: func() caddy.Module { return new(Reset) },
	}
}

// Terminal reports true: nothing runs after a reset.
func (Reset) Terminal() bool { return true }

// EndsWith reports a lost connection.
func (Reset) EndsWith(p faults.Place) faults.Ending { return faults.Lost(p) }

// Reply reports that no reply reaches the client.
func (f Reset) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows reset in every trigger.
func (Reset) Untrusted(*faults.Limits) error { return nil }

// Inject resets the connection, or the stream over HTTP/2 and HTTP/3.
func (Reset) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ProtoMajor == 1 {
		wire.ResetConn(w)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip fails the attempt after the request has been sent.
func (Reset) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, errReset)
}

// errReset is the error of reading from a connection that has been reset.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	reset
func (*Reset) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return args.WordOnly(d)
}

// Line returns nothing: the kind has no options.
func (Reset) Line() (line string, ok bool) { return "", true }

// Interface guards
var (
	_ faults.Fault          = (*Reset)(nil)
	_ faults.Replier        = (*Reset)(nil)
	_ faults.RoundTripper   = (*Reset)(nil)
	_ faults.Ender          = (*Reset)(nil)
	_ faults.Terminal       = (*Reset)(nil)
	_ faults.Untrusted      = (*Reset)(nil)
	_ faults.Liner          = (*Reset)(nil)
	_ caddyfile.Unmarshaler = (*Reset)(nil)
)
