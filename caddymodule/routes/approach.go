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

// Approach is how requests come to a module.
type Approach struct {
	Place

	// Ended is the name of a handler that ends every request before, empty if
	// there is none.
	Ended string

	// Within are the matchers of the routes around it, as far as they look at the
	// request as it is here: no handler between has rewritten it.
	Within []caddyhttp.MatcherSets

	// All are the matchers of all routes around it.
	All []caddyhttp.MatcherSets

	// Stripped is the prefix that has been taken off the path of every request,
	// empty if there is none, or if the path has been rewritten since.
	Stripped string

	// Before are the handlers that each request passes before.
	Before []caddyhttp.MiddlewareHandler

	// Sorted are the matchers of routes that sort requests out before.
	Sorted []caddyhttp.MatcherSets

	rewrites int
}

// Approached is a handler or a transport with all ways to it.
type Approached struct {
	Module any
	Ways   []Approach
}

// Approaches are the handlers and transports of a provisioned app with all ways to
// them. What stands in a named route has a way for each invocation. What another
// module's handler has inside is left out: nobody knows how it gets there.
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

// guide goes the ways of requests through a server.
type guide struct {
	named   map[string]*caddyhttp.Route
	meet    func(module any, way Approach)
	invoked []string // the named routes it is in
}

// routes goes through a list, and returns the way on behind it. Of the routes of a
// group, a request takes one.
func (g *guide) routes(list caddyhttp.RouteList, way Approach) Approach {
	groups := make(map[string]Approach)
	for i := range list {
		route := &list[i]
		at, again := groups[route.Group]
		if route.Group == "" || !again {
			at = way
			groups[route.Group] = way
		}
		way = behind(route, way, at, g.inside(route, at))
	}
	return way
}

// inside goes through one route, and returns the way of the requests that it is
// for.
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

// behind is the way on behind a route, from where the way in began and where it
// ended. Only what the route does to every request is for certain.
func behind(route *caddyhttp.Route, way, in, out Approach) Approach {
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

// rewritten is the way on with another path or host.
func (a Approach) rewritten() Approach {
	a.rewrites++
	a.Within, a.Stripped = nil, ""
	return a
}

// handler goes through a handler, and returns the way on to the next.
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
		g.transport(h.Transport, way.rewritten()) // by the proxy itself, for all we know
		g.responses(h.HandleResponse, way)
	default:
		if !Known(h) {
			way = way.rewritten() // for all we know
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
		way = way.rewritten() // before the error came, for all we know
		way.Errors = true
		g.routes(config.Routes, way)
	}
}

func (g *guide) responses(handlers []caddyhttp.ResponseHandler, way Approach) {
	for _, handler := range handlers {
		g.routes(handler.Routes, way)
	}
}

// transport goes through transports within transports.
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

// invoke goes through a named route, which may invoke itself.
func (g *guide) invoke(name string, way Approach) Approach {
	route := g.named[name]
	if route == nil || slices.Contains(g.invoked, name) {
		return way
	}
	g.invoked = append(g.invoked, name)
	defer func() { g.invoked = g.invoked[:len(g.invoked)-1] }()
	outer := way.Named
	way.Named = name
	way = behind(route, way, way, g.inside(route, way))
	way.Named = outer
	return way
}

// endsAll reports whether a handler of Caddy's ends every request that comes to it.
func endsAll(h caddyhttp.MiddlewareHandler) bool {
	switch h := h.(type) {
	case *caddyhttp.StaticResponse, caddyhttp.StaticResponse, *caddyhttp.StaticError, caddyhttp.StaticError:
		return true
	case *fileserver.FileServer:
		return !h.PassThru
	case *reverseproxy.Handler:
		return len(h.HandleResponse) == 0 // whose routes may go on
	}
	return false
}

// Known reports whether a handler is of Caddy or of this repository, none of which
// rewrites a request without being asked above.
func Known(h caddyhttp.MiddlewareHandler) bool {
	pkg := reflect.Indirect(reflect.ValueOf(h)).Type().PkgPath()
	own, _ := strings.CutSuffix(reflect.TypeFor[guide]().PkgPath(), "routes")
	return strings.HasPrefix(pkg, "github.com/caddyserver/caddy/v2/") || strings.HasPrefix(pkg, own)
}
