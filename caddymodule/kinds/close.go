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

// Close ends the connection without a byte of reply, in good order.
//
// What the client sees: over HTTP/1.1, plain and TLS, the end of the stream
// where the status line should be (curl: 52, empty reply). Over HTTP/2 and
// HTTP/3 only this stream is reset, with INTERNAL_ERROR and H3_INTERNAL_ERROR;
// the other streams of the connection live on.
//
// In a transport the attempt fails with EOF once the request has been sent,
// which Caddy tries again for GET, or for what `lb_retry_match` says instead.
//
// The reset fault is the rude one: it breaks the TCP connection.
type Close struct{}

// CaddyModule returns the Caddy module information.
func (Close) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".close",
		New: func() caddy.Module { return new(Close) },
	}
}

// Terminal reports that nothing comes after a close.
func (Close) Terminal() bool { return true }

// EndsWith says that the connection is lost.
func (Close) EndsWith(p faults.Place) faults.Ending { return faults.Lost(p) }

// Reply says that no reply passes.
func (f Close) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows it to everybody.
func (Close) Untrusted(*faults.Limits) error { return nil }

// Inject closes the connection, or over HTTP/2 and 3 the stream.
func (Close) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ProtoMajor == 1 {
		// a socket that is closed with unread bytes in it answers with a
		// RST, which would make this the other fault
		wire.CloseInOrder(w, r)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip fails the attempt behind the request, as an upstream does that
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

// Line writes nothing after the kind.
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
