package caddymodule

import (
	"context"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App is what all injection points of a configuration have in common. It need
// not be configured.
type App struct {
	// The header field that tells a client which rule has hit it; `off` sends
	// none. Default: `X-Fault-Injected`.
	Disclose string `json:"disclose,omitempty"`

	points rules.Group
}

const (
	defaultDisclose = "X-Fault-Injected"
	discloseOff     = "off"
)

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "fault",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision fills in the defaults.
func (a *App) Provision(caddy.Context) error {
	if a.Disclose == "" {
		a.Disclose = defaultDisclose
	}
	return nil
}

// Validate checks the name of the header field.
func (a *App) Validate() error {
	if !httpguts.ValidHeaderFieldName(a.Disclose) {
		return fmt.Errorf("bad disclose '%s': want the name of a header field, or off", a.Disclose)
	}
	return nil
}

// discloseField is the name of that field, "" for none.
func (a *App) discloseField() string {
	if a.Disclose == discloseOff {
		return ""
	}
	return http.CanonicalHeaderKey(a.Disclose)
}

// Start does nothing: the handlers do the work.
func (*App) Start() error { return nil }

// Stop does nothing.
func (*App) Stop() error { return nil }

// exit is done when the process begins to exit, for what still waits then:
// Caddy's grace period has no end by default, so a held request would keep the
// process alive. It belongs to the process, not to a configuration.
var exit, beginExit = context.WithCancel(context.Background())

// releaseOnExit is called whenever a server shuts down, which it does for
// every new configuration, too.
func releaseOnExit() {
	if caddy.Exiting() {
		beginExit()
	}
}

// Interface guards
var (
	_ caddy.App         = (*App)(nil)
	_ caddy.Provisioner = (*App)(nil)
	_ caddy.Validator   = (*App)(nil)
)
