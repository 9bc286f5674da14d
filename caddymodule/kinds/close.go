package kinds

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http2"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
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
// With `connection`, an HTTP/2 connection is closed, which ends all its streams.
//
// With `goaway`, the reply passes, and the connection ends after it. Over HTTP/2, the
// client gets a GOAWAY frame with `NO_ERROR`, and its other streams continue to their
// ends. Over HTTP/1, the reply has `Connection: close`. HTTP/3 and a reply that switches
// protocols pass unchanged, with the reasons no_connection and upgraded.
//
// With `goaway` and a code, there is no reply. Over HTTP/2, the client gets a GOAWAY
// frame with the code, then the connection is closed with all its streams. The last
// stream of the frame is 2147483647. No request then counts as unprocessed, because the
// upstream may have any of them.
//
// `connection`, and `goaway` with a code, need the listener wrapper `fault`. Without it,
// and over HTTP/3, only the stream is reset, and the request also counts as passed with
// the reason no_connection. Over HTTP/1, `goaway` with a code closes the connection, and
// the reason is no_code.
//
// In a transport, the attempt fails with EOF after the request has been sent. Caddy
// then tries GET again, or the requests that `lb_retry_match` names.
//
// For a TCP reset, use the reset fault.
type Close struct {
	// End the connection by a GOAWAY frame. Without a code, the connection ends after
	// the reply.
	GoAway bool `json:"goaway,omitempty"`

	// The HTTP/2 error code of the GOAWAY frame, which then replaces the reply: a name
	// of RFC 9113, such as `ENHANCE_YOUR_CALM`, or a number. It requires `goaway`.
	Code *HTTP2Code `json:"code,omitempty"`

	// Close the whole connection over HTTP/2, with all its streams. Over HTTP/1, that
	// is always so. It excludes `goaway`.
	Connection bool `json:"connection,omitempty"`

	unwrapped bool // the server does not have the listener wrapper
}

// goAway is the word for a fault that ends a connection by a GOAWAY frame.
const goAway = "goaway"

// CaddyModule returns the Caddy module information.
func (Close) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".close",
		New: func() caddy.Module { return new(Close) },
	}
}

// Provision looks for the listener wrapper.
func (f *Close) Provision(ctx caddy.Context) error {
	f.unwrapped = wire.Missing(ctx)
	return nil
}

// Validate refuses a code without goaway, and two ways to end a connection.
func (f *Close) Validate() error {
	switch {
	case f.Code != nil && !f.GoAway:
		return fmt.Errorf("close has code '%s' without goaway; add goaway, or use reset to send a code to one stream", f.Code)
	case f.GoAway && f.Connection:
		return errors.New("close has both goaway and connection; remove one of them")
	}
	return nil
}

// Hints warns about settings that need the listener wrapper.
func (f *Close) Hints() []string {
	if !f.unwrapped || !f.endsAll() {
		return nil
	}
	line, _ := f.Line()
	return []string{needsWrapper("close " + line)}
}

// endsAll reports whether the fault ends all streams of an HTTP/2 connection.
func (f *Close) endsAll() bool { return f.Connection || f.Code != nil }

// graceful reports whether the connection ends after the reply.
func (f *Close) graceful() bool { return f.GoAway && f.Code == nil }

// Terminal reports whether there is no reply.
func (f *Close) Terminal() bool { return !f.graceful() }

// Conditional reports whether the effect depends on the reply.
func (f *Close) Conditional(uint64) bool { return f.graceful() }

// EndsWith reports a lost connection, unless there is a reply.
func (f *Close) EndsWith(p faults.Place) faults.Ending {
	if f.graceful() {
		return faults.Ending{}
	}
	return faults.Lost(p)
}

// Reply reports that no reply reaches the client, unless the connection ends after it.
func (f *Close) Reply(next faults.Reply) (faults.Reply, error) {
	if f.graceful() {
		return next, nil
	}
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted refuses to end other requests of the connection.
func (f *Close) Untrusted(*faults.Limits) error { return untrustedConnection("close", f.endsAll()) }

// CheckPlace refuses settings in a transport.
func (f *Close) CheckPlace(p faults.Place) error {
	if line, _ := f.Line(); p == faults.InTransport && line != "" {
		return faults.NoMeaning("close " + line)
	}
	return nil
}

// Inject closes the connection, or resets the stream over HTTP/2 and HTTP/3.
func (f *Close) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if f.graceful() {
		return closeAfter(hit, w, r, next)
	}
	switch {
	case r.ProtoMajor == 1:
		if f.Code != nil {
			hit.Pass(passNoCode)
		}
		// If a socket is closed while it has unread bytes, the kernel sends a RST. The
		// fault would then be a reset.
		wire.CloseInOrder(w, r)
	case f.Code != nil && !wire.GoAway(r, http2.ErrCode(*f.Code)), f.Connection && !wire.CloseAll(r):
		hit.Pass(passNoConnection)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip fails the attempt after the request has been sent, like an upstream that
// closes the connection without a reply.
func (*Close) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, io.EOF)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	close [goaway [<code>]|connection]
func (f *Close) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	rest := d.RemainingArgs()
	if len(rest) > 0 {
		f.GoAway, f.Connection = rest[0] == goAway, rest[0] == endConnection
		if !f.GoAway && !f.Connection {
			return unknownEnd(d, rest[0])
		}
		rest = rest[1:]
	}
	if f.GoAway && len(rest) > 0 {
		code, err := http2CodeArg(d, "close goaway ", rest[0])
		if err != nil {
			return err
		}
		f.Code, rest = code, rest[1:]
	}
	if len(rest) > 0 {
		return args.Unexpected(d, "close", rest[0])
	}
	return args.NoBlock(d, "close")
}

// unknownEnd returns the error for an unknown word after close.
func unknownEnd(d *caddyfile.Dispenser, word string) error {
	lines := words.Near(word, []string{goAway, endConnection})
	for i, end := range lines {
		lines[i] = "close " + end
	}
	if _, ok := http2CodeOf(word); ok {
		lines = []string{"close goaway " + word, "reset " + word}
	}
	if len(lines) == 0 {
		return args.Unexpected(d, "close", word)
	}
	return args.Advise(d, words.Suggest(lines), "unexpected argument '%s' of close", word)
}

// Line returns how the connection ends, if that is set.
func (f *Close) Line() (line string, ok bool) {
	switch {
	case f.Connection:
		return endConnection, true
	case f.Code != nil:
		return goAway + " " + f.Code.String(), true
	case f.GoAway:
		return goAway, true
	}
	return "", true
}

// Interface guards
var (
	_ faults.Fault          = (*Close)(nil)
	_ faults.Replier        = (*Close)(nil)
	_ faults.RoundTripper   = (*Close)(nil)
	_ faults.Ender          = (*Close)(nil)
	_ faults.Terminal       = (*Close)(nil)
	_ faults.Untrusted      = (*Close)(nil)
	_ faults.Liner          = (*Close)(nil)
	_ faults.Placed         = (*Close)(nil)
	_ faults.Conditional    = (*Close)(nil)
	_ faults.Hinter         = (*Close)(nil)
	_ caddy.Provisioner     = (*Close)(nil)
	_ caddy.Validator       = (*Close)(nil)
	_ caddyfile.Unmarshaler = (*Close)(nil)
)
