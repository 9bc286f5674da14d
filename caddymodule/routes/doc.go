// Package routes walks the routes of a running configuration: all of them, in the
// order in which they are written, with the place of each module.
//
// It knows Caddy's http app and Caddy's handlers. It must not know faults, rules or
// injection points: whoever walks recognizes them.
package routes
