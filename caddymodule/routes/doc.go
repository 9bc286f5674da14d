// Package routes walks the routes of a running configuration, in the order in which
// they are written, and follows a request through them.
//
// It knows Caddy's http app and Caddy's handlers. It must not know faults, rules or
// injection points: its callers recognize them.
package routes
