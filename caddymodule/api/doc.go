// Package api is the admin API under /fault/: state, switch, experiments, the
// journal, verification, explanation. openapi.json describes it, and a test
// compares the two.
//
// Its views are the wire format, which the command line reads. It knows points
// and the control. It must not know who serves it: Caddy's admin endpoint and the
// console both do.
package api
