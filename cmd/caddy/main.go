// Command caddy is Caddy as its authors ship it, with the fault injector
// compiled in: the same command line, the same standard modules, and the
// directive fault. Build it with
//
//	go build ./cmd/caddy
//
// or, with a Caddy version or further modules of your own choice, through
// cmd/build or xcaddy.
package main

import (
	_ "time/tzdata" // time zones, as in Caddy's own main: logs and templates name them where the system has no zone files

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // Caddy's standard modules: HTTP, TLS, the Caddyfile …

	_ "github.com/caddyfault/caddyfault/caddymodule" // the fault injector
)

func main() {
	caddycmd.Main()
}
