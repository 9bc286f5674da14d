// Package command implements `caddy fault`, a client of package api over HTTP. The
// package knows the API's views and the grammar of a line. It must not import the
// control or an injection point, because Caddy may run on another machine. `caddy fault
// try` runs a Caddy in the same process, and configures its modules through JSON only.
package command
