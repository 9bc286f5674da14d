// Package wire does to HTTP/1 connections what net/http does not allow its handlers to
// do. It writes a reason phrase, takes a connection over and hands it back, closes it
// gracefully or resets it, and lends the body of a request to an upstream. Its
// HeadWriter is for response writers that act on the head of a reply.
//
// The head of a reply is its status line and its header. An interim head has a status
// of 1xx other than 101; the final head follows it.
//
// The package depends on net/http and on how Caddy wraps connections and replies. It
// has no notion of faults or rules.
//
// caddymodule/docs/undocumented.md lists the undocumented behavior that the package
// relies on, and the tests that fail when that behavior changes.
package wire
