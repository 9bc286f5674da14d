// Package e2e tests the fault injector from outside. It uses real listeners and
// upstreams on free ports, over HTTP/1.1 with and without TLS, HTTP/2 and HTTP/3. Where
// necessary, it checks the bytes on the wire.
//
// A process has one running Caddy, so the tests of this package do not run in parallel.
package e2e
