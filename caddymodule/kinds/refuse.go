package kinds

import (
	"errors"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

func init() {
	caddy.RegisterModule(Refuse{})
}

// Refuse fails an attempt like an upstream that is down: the connection is not
// accepted, and nothing of the request has been sent. It works in a transport only.
//
// What the client sees: what the proxy makes of it, over every protocol. With
// `lb_retries` or `lb_try_duration`, Caddy tries again whatever the method is.
// Otherwise, or if all attempts fail, `handle_errors` gets the status 502. Passive
// health checks count a failure.
type Refuse struct{}

// CaddyModule returns the Caddy module information.
func (Refuse) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".refuse",
		New: func() caddy.Module { return new(Refuse) },
	}
}

// Terminal reports true: nothing runs after a refusal.
func (Refuse) Terminal() bool { return true }

// EndsWith reports that the connection to the upstream is lost.
func (Refuse) EndsWith(faults.Place) faults.Ending { return faults.Lost(faults.InTransport) }

// CheckPlace refuses every place except a transport.
func (Refuse) CheckPlace(p faults.Place) error {
	if p != faults.InTransport {
		return errors.New("refuse is only allowed in a transport: reverse_proxy { transport fault { refuse } }; in a directive, use close or error")
	}
	return nil
}

// errRefused is an error that Caddy recognizes as a failed dial.
var errRefused = reverseproxy.NewDialError(injected(&net.OpError{
	Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED),
}))

// RoundTrip fails the attempt.
func (Refuse) RoundTrip(*faults.Hit, *http.Request, http.RoundTripper) (*http.Response, error) {
	return nil, errRefused
}

// Inject is never called, because CheckPlace refuses handlers. The interface requires
// it.
func (Refuse) Inject(*faults.Hit, http.ResponseWriter, *http.Request, caddyhttp.Handler) error {
	return caddyhttp.Error(http.StatusBadGateway, errRefused)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	refuse
func (*Refuse) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return args.WordOnly(d)
}

// Line returns nothing: the kind has no options.
func (Refuse) Line() (line string, ok bool) { return "", true }

// Interface guards
var (
	_ faults.Fault          = (*Refuse)(nil)
	_ faults.Ender          = (*Refuse)(nil)
	_ faults.Terminal       = (*Refuse)(nil)
	_ faults.Placed         = (*Refuse)(nil)
	_ faults.RoundTripper   = (*Refuse)(nil)
	_ faults.Liner          = (*Refuse)(nil)
	_ caddyfile.Unmarshaler = (*Refuse)(nil)
)
