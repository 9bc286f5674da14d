// Command caddy is standard Caddy with the fault injector compiled in: the same command
// line, the same standard modules, and the directive fault. Build it with
//
//	go build ./cmd/caddy
//
// To select a Caddy version or to add other modules, use cmd/build or xcaddy.
package main

import (
	_ "time/tzdata" // the time zone database, as in Caddy's main: logs and templates use it if the system has no zone files

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's standard modules: HTTP, TLS, the Caddyfile …

	_ "github.com/caddyfault/caddyfault/caddymodule" // the fault injector
)

func main() {
	caddycmd.Main()
}
