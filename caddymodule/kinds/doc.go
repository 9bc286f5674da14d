// Package kinds has the kinds of fault, one file for each. It uses the contract of
// package faults and the connection tools of package wire. It does not know who decides
// that a request is hit. Only the root package of the module imports it.
//
// Start reading with malformed.go, a short kind that does most of what a kind can do. The
// section "Add a kind of fault" of caddymodule/docs/contributing.md lists the files of a
// kind. The conformance test of package inject checks what every kind must do in both
// phases.
package kinds
