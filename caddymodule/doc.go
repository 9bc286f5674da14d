// Package caddymodule breaks HTTP traffic on purpose: a set of Caddy modules
// that intercept proxied requests and make their replies fail in a configured
// way.
//
// The smallest Caddyfile:
//
//	example.com {
//		fault /mail/* 551
//		reverse_proxy app:8080
//	}
//
// A request to /mail/ then gets
//
//	HTTP/1.1 551 User Not Local
//	Cache-Control: no-store
//	Content-Type: application/json
//
//	{"error": "server_error", "message": "User Not Local"}
//
// # The path of a request
//
// A handler of package inject is an injection point. Unless everything is halted,
// it looks for what the request asks for itself (package trigger). Then it asks
// package rules which rule fires: first of the experiments that package experiments
// has, then of its own. It labels the request (header, log, metrics, journal: all in
// one place) and runs the rule's chain of faults, each of them a module of package
// kinds, with the rest of the site as the next handler.
//
// In phase request that is all; the response writer is not touched. In phase
// response the upstream is asked first. Its reply is held at the head, and the same
// chain runs, as a coroutine of the request, with the reply as the next handler.
//
// A transport of package inject is the same between reverse_proxy and its upstreams.
// It decides on each attempt of the proxy, and the kinds of fault that have a
// meaning for a round trip make it fail.
//
// The reason phrase, which Go's server does not let anybody choose, is written by
// the listener wrapper of package wire or, without one, by the faults themselves.
//
// Package console shows all this to people, by the API that package api has for
// programs, and package command for terminals.
//
// # What others may import
//
// Importing this package plugs everything in. Package faults is the contract for
// kinds of fault of other modules, and package status the catalogue of codes. The
// structs of modules, such as inject.Handler, are public for their comments, which
// are the manual. Other packages promise nothing.
package caddymodule
