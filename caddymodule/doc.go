// Package caddymodule injects faults into HTTP traffic, to test how clients and
// services cope with failures. It is a set of modules for the Caddy web server. The
// faults are error replies, delays, broken connections and damaged bodies, for the
// requests and the percentage that a configuration names.
//
// This Caddyfile fails every request below /mail/, which never reaches the upstream:
//
//	example.com {
//		fault /mail/* 551
//		reverse_proxy app:8080
//	}
//
// The client gets
//
//	HTTP/1.1 551 User Not Local
//	Cache-Control: no-store
//	Content-Type: application/json
//
//	{"error": "server_error", "message": "User Not Local"}
//
// To use the modules, import this package into a build of Caddy. The manual is in the
// folder docs.
//
// # Terms
//
//   - A fault is one failure, such as a delay or a status. Its kind is a module.
//   - A rule has conditions and a chain of faults.
//   - An injection point, or point, is a place in the configuration with rules: a
//     directive fault, or a transport fault.
//   - An experiment is a rule for several points that starts and ends while Caddy runs.
//   - A trigger lets a request ask for a fault, for example in a header field.
//   - A hit is a request into which a fault was injected.
//   - The phase of a rule is request (before the upstream) or response (after it).
//   - The switch halts all faults and resumes them.
//
// # The path of a request
//
// An injection point is a handler of package inject. It does nothing while faults are
// halted. Otherwise it first looks for a trigger in the request (package trigger).
// Then package rules decides whether a rule hits: first the experiments of package
// experiments, then the rules of the point. The point reports the hit in header, log,
// metrics and journal. Then it runs the faults of the rule, which are modules of
// package kinds. The next handler of the last fault is the rest of the site.
//
// In phase request, the point does not wrap the response writer. In phase response,
// the upstream gets the request first. The point holds the reply at its header, and
// runs the faults in a coroutine of the request. The next handler of the last fault is
// then the reply.
//
// The transport of package inject does the same between reverse_proxy and its
// upstreams. It decides for each attempt of the proxy. It accepts only the kinds of
// fault that make sense for a round trip.
//
// Go's server does not support custom reason phrases. The listener wrapper of package
// wire writes them. Without the wrapper, the faults write them.
//
// Package api is the admin API for programs. Package console is the web page, and
// package command is the command line. Both use the API.
//
// # Stability
//
// Other modules may import package faults, the contract for new kinds of fault, package
// status, the catalog of status codes, and in tests package faulttest. The structs of
// modules, such as inject.Handler, are exported for their comments, which document the
// JSON configuration. All other packages may change at any time.
//
// # Where to read on
//
// To configure faults, start with the struct inject.Handler, then read rules.Rule and the
// kinds in package kinds. To change the code, start with docs/contributing.md, which lists
// the packages. Then follow inject.Handler.ServeHTTP.
package caddymodule
