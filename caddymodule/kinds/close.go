package kinds

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Close{})
}

// Close closes the connection without a byte of reply. The TCP connection ends in good
// order.
//
// What the client sees: over HTTP/1, with and without TLS, the end of the stream where
// the status line should be (curl: 52). Over HTTP/2 and HTTP/3, the stream is reset
// with `INTERNAL_ERROR` or `H3_INTERNAL_ERROR`. Other streams continue.
//
// In a transport, the attempt fails with EOF after the request has been sent. Caddy
// then tries GET again, or the requests that `lb_retry_match` names.
//
// For a TCP reset, use the reset fault.
type Close struct{}

// CaddyModule returns the Caddy module information.
func (Close) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".close",
		New: func() caddy.Module { return new(Close) },
	}
}

// Terminal reports true: nothing runs after a close.
func (Close) Terminal() bool { return true }

// EndsWith reports a lost connection.
func (Close) EndsWith(p faults.Place) faults.Ending { return faults.Lost(p) }

// Reply reports that no reply reaches the client.
func (f Close) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows close in every trigger.
func (Close) Untrusted(*faults.Limits) error { return nil }

// Inject closes the connection, or resets the stream over HTTP/2 and HTTP/3.
func (Close) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ProtoMajor == 1 {
		// If a socket is closed while it has unread bytes, the kernel sends a RST. The
		// fault would then be a reset.
		wire.CloseInOrder(w, r)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip fails the attempt after the request has been sent, like an upstream that
// closes the connection without a reply.
func (Close) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, io.EOF)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	close
func (*Close) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return args.WordOnly(d)
}

// Line returns nothing: the kind has no options.
func (Close) Line() (line string, ok bool) { return "", true }

// Interface guards
var (
	_ faults.Fault          = (*Close)(nil)
	_ faults.Replier        = (*Close)(nil)
	_ faults.RoundTripper   = (*Close)(nil)
	_ faults.Ender          = (*Close)(nil)
	_ faults.Terminal       = (*Close)(nil)
	_ faults.Untrusted      = (*Close)(nil)
	_ faults.Liner          = (*Close)(nil)
	_ caddyfile.Unmarshaler = (*Close)(nil)
)
