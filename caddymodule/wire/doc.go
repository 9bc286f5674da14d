// Package wire does to an HTTP/1 connection what net/http keeps from handlers: it
// writes the reason phrase, takes the connection over and hands it back, closes it
// in order or resets it, and lends out the body of a request. Writers that decide by
// the head of a reply embed its HeadWriter.
//
// It knows net/http, and how Caddy wraps connections and replies. It knows no fault
// and no rule.
//
// What it rests on that nobody documents is in caddymodule/docs/undocumented.md, with
// the tests that fail when it changes.
package wire
