package api

import (
	"os"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// serverView is the Caddy that answers, for those who have several.
type serverView struct {
	// Version is the version of Caddy, such as `v2.11.4`. Empty: the build has none.
	Version string `json:"version,omitempty"`

	// Node is the name of the machine. Empty: the machine has none.
	Node string `json:"node,omitempty"`

	// Started is when the process started.
	Started time.Time `json:"started"`

	// Uptime is the number of seconds since then. A client on another machine may have
	// another clock.
	Uptime float64 `json:"uptime"`
}

func newServerView(ctl *control.Control) serverView {
	version, _ := caddy.Version()
	if version == "unknown" {
		version = ""
	}
	node, _ := os.Hostname() // a machine without a name is not an error
	return serverView{
		Version: version, Node: node,
		Started: ctl.Started.UTC(), Uptime: time.Since(ctl.Started).Round(time.Millisecond).Seconds(),
	}
}
