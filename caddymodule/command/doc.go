// Package command is `caddy fault`, a client of package api over HTTP. It knows
// the API's views and the grammar of a line. It must not know the control or a
// point: it may run on another machine. `caddy fault try` runs a Caddy in its own
// process, and knows the modules of that Caddy only by their JSON.
package command
