package kinds

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http2"

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
// A code replaces `INTERNAL_ERROR`. Over HTTP/2, that needs the listener wrapper
// `fault`. Over HTTP/3, the stream is reset with the code of the same meaning, such as
// `H3_REQUEST_REJECTED` for `REFUSED_STREAM`. If a code cannot be sent, the reset is as
// without it, and the request also counts as passed with the reason no_code.
//
// With `connection`, the client of an HTTP/2 connection gets a TCP reset, which ends all
// its streams. That needs the listener wrapper. Without it, and over HTTP/3, only the
// stream is reset, and the request also counts as passed with the reason no_connection.
//
// In a transport, the attempt fails with `ECONNRESET` after the request has been sent.
// Caddy then tries GET again, or the requests that `lb_retry_match` names.
//
// To reset a connection in the middle of a reply, use the truncate fault with `reset`.
type Reset struct {
	// The HTTP/2 error code of the stream: a name of RFC 9113, such as
	// `REFUSED_STREAM`, or a number. Default: `INTERNAL_ERROR`.
	Code *HTTP2Code `json:"code,omitempty"`

	// Reset the whole connection over HTTP/2, with all its streams. Over HTTP/1, that
	// is always so. It excludes `code`.
	Connection bool `json:"connection,omitempty"`

	unwrapped bool // the server does not have the listener wrapper
}

// CaddyModule returns the Caddy module information.
func (Reset) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".reset",
		New: func() caddy.Module { return new(Reset) },
	}
}

// Provision looks for the listener wrapper.
func (f *Reset) Provision(ctx caddy.Context) error {
	f.unwrapped = wire.Missing(ctx)
	return nil
}

// Validate refuses a code for a whole connection.
func (f *Reset) Validate() error {
	if f.Code != nil && f.Connection {
		return fmt.Errorf("reset has both code '%s' and connection; remove one of them", f.Code)
	}
	return nil
}

// Hints warns about settings that need the listener wrapper.
func (f *Reset) Hints() []string {
	if !f.unwrapped || !f.Connection && (f.Code == nil || *f.Code == HTTP2Code(http2.ErrCodeInternal)) {
		return nil
	}
	line, _ := f.Line()
	return []string{needsWrapper("reset " + line)}
}

// Terminal reports true: nothing runs after a reset.
func (*Reset) Terminal() bool { return true }

// EndsWith reports a lost connection.
func (*Reset) EndsWith(p faults.Place) faults.Ending { return faults.Lost(p) }

// Reply reports that no reply reaches the client.
func (f *Reset) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted refuses to end other requests of the connection.
func (f *Reset) Untrusted(*faults.Limits) error { return untrustedConnection("reset", f.Connection) }

// CheckPlace refuses settings in a transport.
func (f *Reset) CheckPlace(p faults.Place) error {
	if line, _ := f.Line(); p == faults.InTransport && line != "" {
		return faults.NoMeaning("reset " + line)
	}
	return nil
}

// Inject resets the connection, or the stream over HTTP/2 and HTTP/3.
func (f *Reset) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	switch {
	case f.Code != nil && !wire.ResetStream(w, r, http2.ErrCode(*f.Code)):
		hit.Pass(passNoCode)
	case f.Connection && r.ProtoMajor > 1 && !wire.ResetAll(r):
		hit.Pass(passNoConnection)
	}
	if r.ProtoMajor == 1 {
		wire.ResetConn(w)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip fails the attempt after the request has been sent.
func (*Reset) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, errReset)
}

// errReset is the error of reading from a connection that has been reset.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	reset [<code>|connection]
func (f *Reset) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 1 {
		return args.Unexpected(d, "reset", words[1])
	}
	if len(words) == 1 {
		if f.Connection = words[0] == endConnection; !f.Connection {
			code, err := http2CodeArg(d, "reset ", words[0], endConnection)
			if err != nil {
				return err
			}
			f.Code = code
		}
	}
	return args.NoBlock(d, "reset")
}

// Line returns the code, or the word for the connection.
func (f *Reset) Line() (line string, ok bool) {
	switch {
	case f.Connection:
		return endConnection, true
	case f.Code != nil:
		return f.Code.String(), true
	}
	return "", true
}

// Interface guards
var (
	_ faults.Fault          = (*Reset)(nil)
	_ faults.Replier        = (*Reset)(nil)
	_ faults.RoundTripper   = (*Reset)(nil)
	_ faults.Ender          = (*Reset)(nil)
	_ faults.Terminal       = (*Reset)(nil)
	_ faults.Untrusted      = (*Reset)(nil)
	_ faults.Liner          = (*Reset)(nil)
	_ faults.Placed         = (*Reset)(nil)
	_ faults.Hinter         = (*Reset)(nil)
	_ caddy.Provisioner     = (*Reset)(nil)
	_ caddy.Validator       = (*Reset)(nil)
	_ caddyfile.Unmarshaler = (*Reset)(nil)
)
