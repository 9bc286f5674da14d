// Package api is the admin API under /fault/: state, switch, experiments, journal,
// verification and explanation. openapi.json describes the API, and a test compares the
// two.
//
// The views are the wire format, which the command line reads. The package depends on
// injection points and on the control. It must not depend on what serves it: Caddy's
// admin endpoint and the console both do.
package api
