package kinds

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Malformed{})
}

// Malformed begins a valid reply with the configured status, then breaks it off in the
// body. A client that looks only at the status believes that the request succeeded.
//
// What the client sees: over HTTP/1.1, with and without TLS, a chunked reply whose
// first chunk has no valid length, then the end (curl: 56). Over HTTP/1.0, a body that
// is shorter than its Content-Length. Over HTTP/2 and HTTP/3, the head, then the stream
// is reset with `INTERNAL_ERROR` or `H3_INTERNAL_ERROR`. Other streams continue. Some
// HTTP/3 clients forget the head when the reset comes. A HEAD request gets the head
// alone.
//
// In a transport, the attempt succeeds with the head, then the body fails. The proxy
// cannot try again, because the head has already been sent.
//
// In phase `response`, the upstream's header fields stay, except those about its body.
// Over HTTP/1.1, the exact reason phrase needs the listener wrapper `fault`.
type Malformed struct {
	// The status, from 200 to 999, except 204, 205 and 304, which have no body.
	// Default: 200.
	StatusCode int `json:"status_code,omitempty" zero:"default"`

	line *wire.StatusLine
}

// CaddyModule returns the Caddy module information.
func (Malformed) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".malformed",
		New: func() caddy.Module { return new(Malformed) },
	}
}

// Provision fills in the default.
func (f *Malformed) Provision(caddy.Context) error {
	if f.StatusCode == 0 {
		f.StatusCode = http.StatusOK
	}
	code, _ := status.Find("", f.StatusCode)
	f.line = wire.NewStatusLine(f.StatusCode, code.Name)
	return nil
}

// Validate checks the status.
func (f *Malformed) Validate() error {
	if f.StatusCode == 0 {
		return nil // the default
	}
	return withBody("malformed", f.StatusCode)
}

// withBody refuses a status without a body.
func withBody(kind string, code int) error {
	if err := sendable(code); err != nil {
		return err
	}
	if !(status.Code{Code: code}).BodyAllowed() {
		return fmt.Errorf("bad status '%d': a reply with this status has no body, and the fault %s needs one", code, kind)
	}
	return nil
}

// Terminal reports true: nothing runs after a malformed reply.
func (*Malformed) Terminal() bool { return true }

// Reply reports that the reply is a head without a body.
func (f *Malformed) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoBody, From: f}, nil
}

// brokenLength is the Content-Length over HTTP/1.0. The body is shorter.
const brokenLength = "1024"

// Untrusted allows malformed in every trigger.
func (*Malformed) Untrusted(*faults.Limits) error { return nil }

// Inject writes the head and breaks the reply off.
func (f *Malformed) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	f.line.Arm(r)
	wire.CloseIfExpected(w, r)
	h := w.Header()
	uncache(h)
	h.Set("Content-Type", "application/json") // some clients check it before they read the body
	h.Del("Content-Length")
	if !r.ProtoAtLeast(1, 1) {
		h.Set("Content-Length", brokenLength)
	}
	w.WriteHeader(f.StatusCode)
	if err := letOut(w, false); errors.Is(err, http.ErrNotSupported) {
		_, _ = w.Write(nil) // sends at least the head
	}
	if r.ProtoMajor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if !wire.SentHead(r) {
				_, _ = io.WriteString(conn, brokenChunk)
			}
			wire.LingerAfter(conn, r)
		}
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip returns a reply whose body cannot be read.
func (f *Malformed) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	code, _ := status.Find("", f.StatusCode)
	header := http.Header{"Content-Type": {"application/json"}}
	uncache(header)
	resp := newHead(r, f.StatusCode, code.Name, header)
	resp.ContentLength = -1
	if r.Method != http.MethodHead {
		resp.Body = io.NopCloser(failingReader{errBrokenChunk})
	}
	return resp, nil
}

var errBrokenChunk = injected(errors.New("invalid byte in chunk length"))

// failingReader returns an error and no data.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// brokenChunk is sent where the length of a chunk should be.
const brokenChunk = "!malformed!\r\n"

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	malformed [<status>]
func (f *Malformed) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		code, err := parseStatus(d.Val())
		if err != nil {
			return d.WrapErr(err)
		}
		if code.family != "" {
			return d.Errf("bad status '%s': the malformed fault takes a code without a family", code)
		}
		f.StatusCode = code.code
	}
	if d.NextArg() {
		return args.Unexpected(d, "malformed", d.Val())
	}
	return args.NoBlock(d, "malformed")
}

// Line returns the status, if one is set.
func (f *Malformed) Line() (line string, ok bool) { return statusArg{code: f.StatusCode}.line(nil) }

// Interface guards
var (
	_ faults.Fault          = (*Malformed)(nil)
	_ faults.Replier        = (*Malformed)(nil)
	_ faults.RoundTripper   = (*Malformed)(nil)
	_ faults.Terminal       = (*Malformed)(nil)
	_ caddy.Provisioner     = (*Malformed)(nil)
	_ caddy.Validator       = (*Malformed)(nil)
	_ faults.Untrusted      = (*Malformed)(nil)
	_ faults.Liner          = (*Malformed)(nil)
	_ caddyfile.Unmarshaler = (*Malformed)(nil)
)
