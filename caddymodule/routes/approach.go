package routes

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/fileserver"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// Approach describes one way of requests to a module.
type Approach struct {
	Place

	// Ended is the name of a handler that ends every request before the module, or "".
	Ended string

	// Within are the matchers of the enclosing routes that see the request as the
	// module sees it, because no handler between them rewrites it.
	Within []caddyhttp.MatcherSets

	// All are the matchers of all enclosing routes.
	All []caddyhttp.MatcherSets

	// Stripped is the prefix that has been removed from every request's path. It is ""
	// if no prefix has been removed, or if the path has been rewritten since.
	Stripped string

	// Before are the handlers that each request passes first.
	Before []caddyhttp.MiddlewareHandler

	// Sorted are the matchers of earlier routes that divert requests.
	Sorted []caddyhttp.MatcherSets

	rewrites int
}

// Approached is a handler or a transport with all ways to it.
type Approached struct {
	Module any
	Ways   []Approach
}

// Approaches returns the handlers and transports of a provisioned app with all ways to
// them. A module in a named route has a way for each invocation. Modules inside the
// handlers of other modules are left out, because the ways to them are unknown.
func Approaches(app *caddyhttp.App) []*Approached {
	var all []*Approached
	found := make(map[any]*Approached)
	meet := func(module any, way Approach) {
		if reflect.TypeOf(module).Kind() != reflect.Pointer {
			return // it may not be comparable
		}
		if found[module] == nil {
			found[module] = &Approached{Module: module}
			all = append(all, found[module])
		}
		found[module].Ways = append(found[module].Ways, way)
	}
	for _, name := range serversOf(app) {
		srv := app.Servers[name]
		at := Approach{Place: Place{Server: name, Listen: srv.Listen}}
		g := guide{named: srv.NamedRoutes, meet: meet}
		g.routes(srv.Routes, at)
		g.errors(srv.Errors, at)
	}
	return all
}

// guide follows the ways of requests through a server.
type guide struct {
	named   map[string]*caddyhttp.Route
	meet    func(module any, way Approach)
	invoked []string // the named routes it is in
}

// routes follows a list of routes, and returns the way that continues after it. A
// request takes at most one route of a group.
func (g *guide) routes(list caddyhttp.RouteList, way Approach) Approach {
	groups := make(map[string]Approach)
	for i := range list {
		route := &list[i]
		at, again := groups[route.Group]
		if route.Group == "" || !again {
			at = way
			groups[route.Group] = way
		}
		way = after(route, way, at, g.inside(route, at))
	}
	return way
}

// inside follows one route, and returns the way of the requests that it matches.
func (g *guide) inside(route *caddyhttp.Route, way Approach) Approach {
	way.Place = way.within(route)
	if len(route.MatcherSets) > 0 {
		way.Within = append(slices.Clip(way.Within), route.MatcherSets)
		way.All = append(slices.Clip(way.All), route.MatcherSets)
	}
	for _, h := range route.Handlers {
		way = g.handler(h, way)
	}
	return way
}

// after returns the way that continues after a route, given where the way into the
// route began and ended. It keeps only what the route does to every request.
func after(route *caddyhttp.Route, way, in, out Approach) Approach {
	if out.rewrites != in.rewrites {
		way = way.rewritten()
	}
	switch {
	case len(route.MatcherSets) == 0 && route.Group == "":
		way.Ended, way.Stripped, way.Before, way.Sorted = out.Ended, out.Stripped, out.Before, out.Sorted
	case out.Ended != "":
		way.Sorted = append(slices.Clip(way.Sorted), route.MatcherSets)
	}
	return way
}

// rewritten returns the way with another path or host.
func (a Approach) rewritten() Approach {
	a.rewrites++
	a.Within, a.Stripped = nil, ""
	return a
}

// handler follows a handler, and returns the way to the next.
func (g *guide) handler(h caddyhttp.MiddlewareHandler, way Approach) Approach {
	g.meet(h, way)
	switch h := h.(type) {
	case *caddyhttp.Subroute:
		g.errors(h.Errors, way)
		way = g.routes(h.Routes, way)
	case *caddyhttp.Invoke:
		way = g.invoke(h.Name, way)
	case *rewrite.Rewrite:
		way = way.rewritten()
		if h.URI == "" {
			way.Stripped = h.StripPathPrefix
		}
	case *headers.Handler:
		if h.Request != nil && h.Request.Set.Get("Host") != "" {
			way = way.rewritten()
		}
	case *intercept.Intercept:
		g.responses(h.HandleResponse, way)
	case *reverseproxy.Handler:
		g.transport(h.Transport, way.rewritten()) // possibly by the proxy
		g.responses(h.HandleResponse, way)
	default:
		if !Known(h) {
			way = way.rewritten() // possibly
		}
	}
	if way.Ended == "" && endsAll(h) {
		way.Ended = h.(caddy.Module).CaddyModule().ID.Name()
	}
	way.Before = append(slices.Clip(way.Before), h)
	return way
}

func (g *guide) errors(config *caddyhttp.HTTPErrorConfig, way Approach) {
	if config != nil {
		way = way.rewritten() // possibly before the error occurred
		way.Errors = true
		g.routes(config.Routes, way)
	}
}

func (g *guide) responses(handlers []caddyhttp.ResponseHandler, way Approach) {
	for _, handler := range handlers {
		g.routes(handler.Routes, way)
	}
}

// transport follows transports within transports.
func (g *guide) transport(transport http.RoundTripper, way Approach) {
	for range maxDepth {
		if transport == nil {
			return
		}
		g.meet(transport, way)
		outer, ok := transport.(Wrapper)
		if !ok {
			return
		}
		transport = outer.Inner()
	}
}

// invoke follows a named route, which may invoke itself.
func (g *guide) invoke(name string, way Approach) Approach {
	route := g.named[name]
	if route == nil || slices.Contains(g.invoked, name) {
		return way
	}
	g.invoked = append(g.invoked, name)
	defer func() { g.invoked = g.invoked[:len(g.invoked)-1] }()
	outer := way.Named
	way.Named = name
	way = after(route, way, way, g.inside(route, way))
	way.Named = outer
	return way
}

// endsAll reports whether a handler of Caddy ends every request that reaches it.
func endsAll(h caddyhttp.MiddlewareHandler) bool {
	switch h := h.(type) {
	case *caddyhttp.StaticResponse, caddyhttp.StaticResponse, *caddyhttp.StaticError, caddyhttp.StaticError:
		return true
	case *fileserver.FileServer:
		return !h.PassThru
	case *reverseproxy.Handler:
		return len(h.HandleResponse) == 0 // whose routes may continue
	}
	return false
}

// Known reports whether a handler is part of Caddy or of this repository. Such handlers
// rewrite requests only as modeled above.
func Known(h caddyhttp.MiddlewareHandler) bool {
	pkg := reflect.Indirect(reflect.ValueOf(h)).Type().PkgPath()
	own, _ := strings.CutSuffix(reflect.TypeFor[guide]().PkgPath(), "routes")
	return strings.HasPrefix(pkg, "github.com/caddyserver/caddy/v2/") || strings.HasPrefix(pkg, own)
}
