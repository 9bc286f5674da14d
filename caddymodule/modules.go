package caddymodule

import (
	_ "github.com/caddyfault/caddyfault/caddymodule/api"     // the admin API
	_ "github.com/caddyfault/caddyfault/caddymodule/command" // the command caddy fault
	_ "github.com/caddyfault/caddyfault/caddymodule/console" // the console and its directive
	_ "github.com/caddyfault/caddyfault/caddymodule/control" // the app and the global option
	_ "github.com/caddyfault/caddyfault/caddymodule/inject"  // the handler, its directive and the transport
	"github.com/caddyfault/caddyfault/caddymodule/internal/version"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // every kind of fault
	_ "github.com/caddyfault/caddyfault/caddymodule/match" // the matcher of JSON bodies
	_ "github.com/caddyfault/caddyfault/caddymodule/wire"  // the listener wrapper
)

// Version is the version of the fault injector, as in docs/changelog.md. `caddy fault
// status` and GET /fault/ show it.
const Version = version.Version
