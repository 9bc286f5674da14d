package routes

import (
	"cmp"
	"iter"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Wrapper is a transport of reverse_proxy that contains another transport.
type Wrapper interface {
	Inner() http.RoundTripper
}

// Walk yields each handler of a provisioned app, and each transport of a proxy, with
// its place. Servers are sorted by name; routes are in the order written. Error routes
// follow the others. A named route is at the places that invoke it, once for each site.
// A named route that is never invoked is at the end of its server.
func Walk(app *caddyhttp.App) iter.Seq2[any, Place] {
	return func(yield func(any, Place) bool) {
		for _, name := range serversOf(app) {
			for module, at := range WalkServer(name, app.Servers[name]) {
				if !yield(module, at) {
					return
				}
			}
		}
	}
}

// WalkServer walks one server. If server is nil, it yields nothing.
func WalkServer(name string, srv *caddyhttp.Server) iter.Seq2[any, Place] {
	return func(yield func(any, Place) bool) {
		if srv == nil {
			return
		}
		w := walker{yield: yield, named: srv.NamedRoutes, walked: make(map[string]bool), invoked: make(map[string]bool)}
		at := Place{Server: name, Listen: srv.Listen}
		_ = w.routes(srv.Routes, at) && w.errors(srv.Errors, at) && w.neverInvoked(at)
	}
}

// serversOf returns the names of the servers in order: srv2 comes before srv10.
func serversOf(app *caddyhttp.App) []string {
	return slices.SortedFunc(maps.Keys(app.Servers), func(a, b string) int {
		textA, numberA := cutNumber(a)
		textB, numberB := cutNumber(b)
		return cmp.Or(cmp.Compare(textA, textB), cmp.Compare(numberA, numberB), cmp.Compare(a, b))
	})
}

// cutNumber splits the number off the end of a name.
func cutNumber(name string) (text string, number int) {
	text = strings.TrimRight(name, "0123456789")
	number, _ = strconv.Atoi(name[len(text):])
	return text, number
}

// maxDepth limits handlers within handlers, because a handler of another module may
// contain itself.
const maxDepth = 100

// walker walks one server. Its methods report whether to continue.
type walker struct {
	yield   func(any, Place) bool
	named   map[string]*caddyhttp.Route
	walked  map[string]bool // named routes with the site that invokes them
	invoked map[string]bool // named routes
	depth   int
}

func (w *walker) routes(list caddyhttp.RouteList, at Place) bool {
	for i := range list {
		if !w.route(&list[i], at) {
			return false
		}
	}
	return true
}

func (w *walker) route(route *caddyhttp.Route, at Place) bool {
	at = at.within(route)
	for _, handler := range route.Handlers {
		if !w.module(handler, at) {
			return false
		}
	}
	return true
}

func (w *walker) errors(config *caddyhttp.HTTPErrorConfig, at Place) bool {
	if config == nil {
		return true
	}
	at.Errors = true
	return w.routes(config.Routes, at)
}

// invoke walks a named route, which may invoke itself.
func (w *walker) invoke(name string, at Place) bool {
	route := w.named[name]
	at.Named = name
	key := strings.Join(append([]string{name, strconv.FormatBool(at.Errors)}, at.Hosts...), "\x00")
	if route == nil || w.walked[key] {
		return true
	}
	w.walked[key], w.invoked[name] = true, true
	return w.route(route, at)
}

func (w *walker) neverInvoked(at Place) bool {
	for _, name := range slices.Sorted(maps.Keys(w.named)) {
		if !w.invoked[name] && !w.invoke(name, at) {
			return false
		}
	}
	return true
}

// module yields a handler or a transport, and then its content.
func (w *walker) module(module any, at Place) bool {
	if w.depth++; w.depth > maxDepth {
		w.depth--
		return true
	}
	defer func() { w.depth-- }()
	if !w.yield(module, at) {
		return false
	}
	switch module := module.(type) {
	case *caddyhttp.Invoke:
		return w.invoke(module.Name, at)
	case Wrapper:
		return w.within(module.Inner(), at)
	}
	for _, field := range fieldsOf(module) {
		if !w.field(field, at) {
			return false
		}
	}
	return true
}

// within walks the transport in a proxy, or in another transport.
func (w *walker) within(transport http.RoundTripper, at Place) bool {
	return transport == nil || w.module(transport, at)
}

// field walks the routes or the transport in a field of a handler, such as handle,
// route, intercept and reverse_proxy.
func (w *walker) field(field any, at Place) bool {
	switch field := field.(type) {
	case *http.RoundTripper:
		return w.within(*field, at)
	case caddyhttp.RouteList:
		return w.routes(field, at)
	case *caddyhttp.Subroute:
		return field == nil || w.module(field, at)
	case *caddyhttp.HTTPErrorConfig:
		return w.errors(field, at)
	case []caddyhttp.ResponseHandler:
		for i := range field {
			if !w.routes(field[i].Routes, at) {
				return false
			}
		}
	}
	return true
}

// fieldTypes are the types that field reads, except for transports.
var fieldTypes = []reflect.Type{
	reflect.TypeFor[caddyhttp.RouteList](),
	reflect.TypeFor[*caddyhttp.Subroute](),
	reflect.TypeFor[*caddyhttp.HTTPErrorConfig](),
	reflect.TypeFor[[]caddyhttp.ResponseHandler](),
}

// fieldsOf returns the values of those exported fields of a module that field reads. It
// copies no other field, because a reload may change it at the same time. A transport,
// as a pointer, comes first, because a proxy sends the request before it handles the
// reply.
func fieldsOf(module any) []any {
	v := reflect.Indirect(reflect.ValueOf(module))
	if v.Kind() != reflect.Struct {
		return nil
	}
	var fields []any
	for field, value := range v.Fields() {
		switch {
		case !field.IsExported():
		case field.Type == reflect.TypeFor[http.RoundTripper]():
			transport, _ := reflect.TypeAssert[http.RoundTripper](value)
			fields = slices.Insert(fields, 0, any(&transport))
		case slices.Contains(fieldTypes, field.Type):
			fields = append(fields, value.Interface())
		}
	}
	return fields
}
