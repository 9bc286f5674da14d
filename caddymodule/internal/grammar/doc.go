// Package grammar parses and writes the words of a rule: lines of a Caddyfile, the same
// lines joined by semicolons in one line, and a rule formatted as such a line. It finds
// the kinds of fault in Caddy's registry and depends on none of them. It does not know
// where a point is.
package grammar
