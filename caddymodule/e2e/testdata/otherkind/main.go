// Command otherkind is a Caddy with two kinds of fault from outside this
// module: one by the contract in package faults, and an ordinary handler.
package main

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddyfault/caddyfault/caddymodule"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

func main() { caddycmd.Main() }

func init() {
	caddy.RegisterModule(Brew{})
	caddy.RegisterModule(Polite{})
}

// Brew replies that it is a teapot, with the number of the hit of its rule.
type Brew struct {
	// The origin of the tea. Default: unknown.
	Tea string `json:"tea,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Brew) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: faults.Namespace + ".brew", New: func() caddy.Module { return new(Brew) }}
}

// Terminal reports that next is never called.
func (*Brew) Terminal() bool { return true }

// Inject sends the reply.
func (b *Brew) Inject(hit *faults.Hit, w http.ResponseWriter, _ *http.Request, _ caddyhttp.Handler) error {
	w.WriteHeader(http.StatusTeapot)
	_, err := fmt.Fprintf(w, "pot %d of %s", hit.N, b.Tea)
	return err
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	brew <tea>
func (b *Brew) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if !d.AllArgs(&b.Tea) {
		return d.ArgErr()
	}
	return nil
}

// Polite says please. It is an ordinary handler, and knows nothing of faults.
type Polite struct{}

// CaddyModule returns the Caddy module information.
func (Polite) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.faults.polite", New: func() caddy.Module { return new(Polite) }}
}

// ServeHTTP adds a field and calls next.
func (Polite) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	w.Header().Set("X-Please", "thanks")
	return next.ServeHTTP(w, r)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	polite
func (*Polite) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// Interface guards
var (
	_ faults.Fault                = (*Brew)(nil)
	_ faults.Terminal             = (*Brew)(nil)
	_ caddyhttp.MiddlewareHandler = (*Polite)(nil)
	_ caddyfile.Unmarshaler       = (*Brew)(nil)
	_ caddyfile.Unmarshaler       = (*Polite)(nil)
)
