// Package kinds is the kinds of fault, one file for each. It knows the contract in
// package faults, and what package wire can do to a connection. It does not know who
// decides that a request is hit. Only the plug board of the module imports it.
//
// # Adding a kind
//
// Write one file: registration, a struct whose field comments are its manual,
// Validate, UnmarshalCaddyfile, ServeHTTP, guards. Add its test beside it and its
// golden files: samples in testdata/kind_<name>.caddyfiletest, and what it refuses in
// testdata/kind_<name>.refusals.txtar. The parser, the points, the metrics and the
// conformance test find it by Caddy's registry.
//
// What a kind promises, in both phases, is held by the conformance test of package
// inject.
package kinds
