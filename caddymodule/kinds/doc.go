// Package kinds has the kinds of fault, one file for each. It uses the contract of
// package faults and the connection tools of package wire. It does not know who decides
// that a request is hit. Only the root package of the module imports it.
//
// # Adding a kind
//
// Write one file with the registration, a struct whose field comments are the manual,
// Validate, UnmarshalCaddyfile, Inject and the interface guards. Add a test next to it,
// and two golden files: samples in testdata/kind_<name>.caddyfiletest, and refused
// configurations in testdata/kind_<name>.refusals.txtar. The parser, the injection points,
// the metrics and the conformance test find the kind in Caddy's registry.
//
// The conformance test of package inject checks what every kind must do in both phases.
package kinds
