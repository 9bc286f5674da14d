package faults

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Of returns a module that Caddy has loaded as a fault. An ordinary handler becomes a
// fault that ignores its [Hit]. Such a handler need not know this package.
func Of(loaded any) (Fault, error) {
	if fault, ok := loaded.(Fault); ok {
		return fault, nil
	}
	handler, isHandler := loaded.(caddyhttp.MiddlewareHandler)
	module, isModule := loaded.(caddy.Module)
	if !isHandler || !isModule {
		return nil, fmt.Errorf("module %T is not a fault: it has neither Inject nor ServeHTTP", loaded)
	}
	return plain{module, handler}, nil
}

// plain is an ordinary handler as a kind of fault.
type plain struct {
	caddy.Module
	handler caddyhttp.MiddlewareHandler
}

// Inject runs the handler.
func (p plain) Inject(_ *Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return p.handler.ServeHTTP(w, r, next)
}
