// Package command is `caddy fault`, a client of package api over HTTP. It knows
// the API's views and the grammar of a line. It must not know the control or a
// point: it may run on another machine.
package command
