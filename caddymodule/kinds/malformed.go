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

// Malformed begins a reply as it should be, with the configured status, and
// breaks in the body: a client that looks at the status only believes that all
// is well.
//
// What the client sees: over HTTP/1.1, plain and TLS, a whole head with
// `Transfer-Encoding: chunked`, then a chunk whose length is no number, then
// the end of the connection (Go: invalid byte in chunk length; curl: 56). Over
// HTTP/1.0, which has no chunks, a body that is shorter than its
// Content-Length. To HEAD the head alone, and the end of the connection. Over
// HTTP/2 and HTTP/3 the head, then this stream is reset, with INTERNAL_ERROR
// and H3_INTERNAL_ERROR, and the other streams of the connection live on; some
// HTTP/3 clients forget the head when the reset comes.
//
// In a transport the attempt succeeds with that head, and the body fails when
// the proxy reads it: too late to try again.
//
// In phase response the upstream's header fields stay, but for those that
// describe its body. Over HTTP/1.1 a status that Go has no phrase for carries
// its phrase where the site has the listener wrapper `fault`.
type Malformed struct {
	// The status, from 200 to 999 and not one that has no body (204, 205,
	// 304). Default: 200.
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

// withBody refuses a status that a fault cannot use because it has no body.
func withBody(kind string, code int) error {
	if err := sendable(code); err != nil {
		return err
	}
	if !(status.Code{Code: code}).BodyAllowed() {
		return fmt.Errorf("bad status '%d': a reply with it has no body, which the %s fault is about", code, kind)
	}
	return nil
}

// Terminal reports that nothing comes after a malformed reply.
func (*Malformed) Terminal() bool { return true }

// Reply says that there is a head and no body.
func (f *Malformed) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoBody, From: f}, nil
}

// brokenLength is what a reply to HTTP/1.0 declares and does not have.
const brokenLength = "1024"

// Untrusted allows it to everybody.
func (*Malformed) Untrusted(*faults.Limits) error { return nil }

// Inject writes the head and breaks off.
func (f *Malformed) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	f.line.Arm(r)
	wire.CloseIfExpected(w, r)
	h := w.Header()
	uncache(h)
	h.Set("Content-Type", "application/json") // for clients that look at it before they read on
	h.Del("Content-Length")
	if !r.ProtoAtLeast(1, 1) {
		h.Set("Content-Length", brokenLength)
	}
	w.WriteHeader(f.StatusCode)
	if err := letOut(w, false); errors.Is(err, http.ErrNotSupported) {
		_, _ = w.Write(nil) // at least the head
	}
	if r.ProtoMajor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			if r.Method != http.MethodHead {
				_, _ = io.WriteString(conn, brokenChunk)
			}
			wire.LingerAfter(conn, r)
		}
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip replies with a body that cannot be read.
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

// failingReader has nothing to read but an error.
type failingReader struct{ err error }

func (f failingReader) Read([]byte) (int, error) { return 0, f.err }

// brokenChunk stands where the length of a chunk should be.
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

// Line writes the status, if there is one.
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
