// Package importer turns rules for other fault injectors into lines of a Caddyfile. It
// reports what it cannot say, and never makes a rule hit more than it did. It knows the
// formats of the sources and the words of the Caddyfile. It must not know the kinds of
// fault, or a running Caddy.
package importer
