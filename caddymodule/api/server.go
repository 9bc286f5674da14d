package api

import (
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/version"
)

// serverView is the Caddy that answers, for those who have several.
type serverView struct {
	// Version is the version of Caddy, such as `v2.11.4`. Empty: the build has none.
	Version string `json:"version,omitempty"`

	// Faults is the version of the fault injector, such as `0.1.0`.
	Faults string `json:"faults"`

	// Node is the name of the machine. Empty: the machine has none.
	Node string `json:"node,omitempty"`

	// Started is when the process started.
	Started time.Time `json:"started"`

	// Uptime is the number of seconds since then. A client on another machine may have
	// another clock.
	Uptime float64 `json:"uptime"`
}

func newServerView(ctl *control.Control) serverView {
	caddyVersion, _ := caddy.Version()
	if caddyVersion == "unknown" {
		caddyVersion = ""
	}
	node, _ := os.Hostname() // a machine without a name is not an error
	return serverView{
		Version: caddyVersion, Faults: version.Version, Node: node,
		Started: ctl.Started.UTC(), Uptime: time.Since(ctl.Started).Round(time.Millisecond).Seconds(),
	}
}
