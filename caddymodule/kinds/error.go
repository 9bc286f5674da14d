package kinds

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Error{})
}

// Error fails the request inside Caddy, as a dead upstream does. The site's
// `handle_errors` routes write the reply.
//
// What the client sees: over every protocol, the reply of the error routes. Without
// error routes, Caddy sends the bare status. An error is logged. The reply has
// `Cache-Control: no-store`, unless the error routes set that field. Over HTTP/1.1, the
// reply has the exact reason phrase if the site has the listener wrapper `fault`.
//
// In a transport, the attempt fails after the request has been sent. Caddy then tries
// GET again, or the requests that `lb_retry_match` names. The last failure goes to the
// error routes.
type Error struct {
	// The status for the error routes, from 200 to 999. Error routes read it as
	// `{http.error.status_code}`. Default: 502.
	StatusCode int `json:"status_code,omitempty" zero:"default"`

	// The text for `{http.error.message}` and the error log. It can have placeholders.
	// Default: the name of the status, such as `Bad Gateway`.
	Message string `json:"message,omitempty"`

	message text.Text
	line    *wire.StatusLine
}

// CaddyModule returns the Caddy module information.
func (Error) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".error",
		New: func() caddy.Module { return new(Error) },
	}
}

// Provision fills in the defaults.
func (f *Error) Provision(caddy.Context) error {
	if f.StatusCode == 0 {
		f.StatusCode = http.StatusBadGateway
	}
	code, _ := status.Find("", f.StatusCode)
	if f.Message == "" {
		f.Message = code.Name
	}
	f.message = text.New(f.Message, text.EscapeNone)
	f.line = wire.NewStatusLine(f.StatusCode, code.Name)
	return nil
}

// Validate checks the status.
func (f *Error) Validate() error {
	if f.StatusCode == 0 {
		return nil // the default
	}
	return sendable(f.StatusCode)
}

// Terminal reports true: nothing runs after an error.
func (*Error) Terminal() bool { return true }

// EndsWith returns the status of the error.
func (f *Error) EndsWith(faults.Place) faults.Ending {
	return faults.Ending{Status: f.StatusCode, Error: true}
}

// Reply reports that no reply passes the chain: the error routes write their reply
// outside of it.
func (f *Error) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows a status only. The site decides what its error routes do with a
// message.
func (f *Error) Untrusted(*faults.Limits) error {
	if f.Message != "" {
		return fmt.Errorf("message '%s' is not allowed in a trigger; write error with a status only, such as error 502", f.Message)
	}
	return nil
}

// Inject returns the error.
func (f *Error) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	f.line.Arm(r) // for the handler that writes the status
	wire.CloseIfExpected(w, r)
	uncache(w.Header()) // the error routes can set the field
	return f.handlerError(r)
}

// RoundTrip fails the attempt after the request has been sent.
func (f *Error) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	if err := readBody(r); err != nil {
		return nil, err
	}
	return nil, f.handlerError(r)
}

func (f *Error) handlerError(r *http.Request) error {
	return caddyhttp.Error(f.StatusCode, errors.New(f.message.Fill(text.Replacer(r))))
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	error [<status>] [<message>]
func (f *Error) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 2 {
		return args.Unexpected(d, "error", words[2])
	}
	code, message, err := statusAndText(words)
	if err != nil {
		return d.WrapErr(err)
	}
	if code.family != "" {
		return d.Errf("bad status '%s': the error fault takes a code without a family", code)
	}
	f.StatusCode = code.code
	if message != nil {
		f.Message = *message
	}
	return args.NoBlock(d, "error")
}

// Line returns the status and the message, as far as they are set.
func (f *Error) Line() (line string, ok bool) {
	var message *string
	if f.Message != "" {
		message = &f.Message
	}
	return statusArg{code: f.StatusCode}.line(message)
}

// Interface guards
var (
	_ faults.Fault          = (*Error)(nil)
	_ faults.Replier        = (*Error)(nil)
	_ faults.RoundTripper   = (*Error)(nil)
	_ faults.Ender          = (*Error)(nil)
	_ faults.Terminal       = (*Error)(nil)
	_ caddy.Provisioner     = (*Error)(nil)
	_ caddy.Validator       = (*Error)(nil)
	_ faults.Untrusted      = (*Error)(nil)
	_ faults.Liner          = (*Error)(nil)
	_ caddyfile.Unmarshaler = (*Error)(nil)
)
