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

// Reset breaks the connection without a byte of reply.
//
// What the client sees: over HTTP/1.1, plain and TLS, a TCP RST (ECONNRESET;
// curl: 56, connection reset by peer). Over HTTP/2 and HTTP/3 only this stream
// is reset, with INTERNAL_ERROR and H3_INTERNAL_ERROR, so that the other
// streams of the connection live on.
//
// In a transport the attempt fails with ECONNRESET once the request has been
// sent, which Caddy tries again for GET, or for what `lb_retry_match` says instead.
type Reset struct{}

// CaddyModule returns the Caddy module information.
func (Reset) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".reset",
		New: func() caddy.Module { return new(Reset) },
	}
}

// Terminal reports that nothing comes after a reset.
func (Reset) Terminal() bool { return true }

// EndsWith says that the connection is lost.
func (Reset) EndsWith(p faults.Place) faults.Ending { return faults.Lost(p) }

// Reply says that no reply passes.
func (f Reset) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows it to everybody.
func (Reset) Untrusted(*faults.Limits) error { return nil }

// Inject resets the connection, or over HTTP/2 and 3 the stream.
func (Reset) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ProtoMajor == 1 {
		wire.ResetConn(w)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip fails the attempt behind the request.
func (Reset) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, errReset)
}

// errReset is what a client reads from a connection that has been reset.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	reset
func (*Reset) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return args.WordOnly(d)
}

// Line writes nothing after the kind.
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
