// Package e2e tests the fault injector from outside: real listeners and
// upstreams on ports of the kernel's choice, over HTTP/1.1 plain and TLS,
// HTTP/2 and HTTP/3, and where it matters the bytes on the wire.
//
// A process has one running Caddy, so the tests of this package do not run in
// parallel.
package e2e
