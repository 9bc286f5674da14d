// Package wire does to connections what net/http does not allow its handlers to do.
// Over HTTP/1, it writes a reason phrase, takes a connection over and hands it back,
// closes it gracefully or resets it, and lends the body of a request to an upstream.
// Over HTTP/2 and HTTP/3, it resets a stream with a chosen code, and it ends an HTTP/2
// connection. Its HeadWriter is for response writers that act on the head of a reply.
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
