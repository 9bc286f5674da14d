// Package grammar is the words of a rule: the lines of a Caddyfile, the same lines in
// one with semicolons between, and a rule written out as such a line. It finds the
// kinds of fault by Caddy's registry, and knows none of them, nor where a point
// stands.
package grammar
