package routes

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/standard" // all handlers and transports of Caddy

	_ "github.com/caddyfault/caddyfault/caddymodule/match"
)

// No handler of Caddy has routes in a field that the walk does not visit.
func TestPlacesOfRoutes(t *testing.T) {
	found := 0
	for _, info := range caddy.GetModules("http.handlers") {
		handler := reflect.TypeOf(info.New()).Elem()
		if handler.Kind() != reflect.Struct {
			continue
		}
		for f := range handler.Fields() {
			switch {
			case slices.Contains(fieldTypes, f.Type):
				found++
			case f.IsExported() && hasRoutes(f.Type, nil):
				t.Errorf("%s: the walk does not look for routes in %s, a %s", info.ID, f.Name, f.Type)
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d places have been found", found)
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[caddyhttp.Server]()) {
		if known := []string{"Routes", "Errors", "NamedRoutes"}; f.IsExported() && slices.Contains(known, f.Name) != hasRoutes(f.Type, nil) {
			t.Errorf("the server's %s, a %s: it has routes: %t", f.Name, f.Type, hasRoutes(f.Type, nil))
		}
	}
}

// hasRoutes reports whether a value of the type may contain routes.
func hasRoutes(t reflect.Type, above []reflect.Type) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t == reflect.TypeFor[caddyhttp.Route]() || t.Kind() != reflect.Struct || slices.Contains(above, t) {
		return t == reflect.TypeFor[caddyhttp.Route]()
	}
	return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool {
		return f.IsExported() && hasRoutes(f.Type, append(above, t))
	})
}

// The table says what each handler of Caddy does with a request. The missing handler is
// unknown on purpose: acme_server handles only some paths, and issues certificates.
func TestHandlersAreKnown(t *testing.T) {
	for _, info := range caddy.GetModules("http.handlers") {
		name := info.ID.Name()
		if own := strings.HasPrefix(reflect.TypeOf(info.New()).Elem().PkgPath(), "github.com/caddyserver/"); !own || name == "acme_server" {
			if handlers[name] != 0 {
				t.Errorf("%s is known", name)
			}
		} else if handlers[name] == 0 {
			t.Errorf("the table does not say what %s does", name)
		}
	}
	for name := range handlers {
		if _, err := caddy.GetModule("http.handlers." + name); err != nil {
			t.Error(err)
		}
	}
}

// The table says what each matcher of Caddy and of this module reads.
func TestMatchersAreKnown(t *testing.T) {
	for _, info := range caddy.GetModules("http.matchers") {
		name := info.ID.Name()
		own := strings.HasPrefix(reflect.TypeOf(info.New()).Elem().PkgPath(), "github.com/caddyserver/") || name == "json_body"
		if _, known := matchers[name]; known != own {
			t.Errorf("%s: known is %v, Caddy's own %v", name, known, own)
		}
	}
	for name := range matchers {
		if _, err := caddy.GetModule("http.matchers." + name); err != nil {
			t.Error(err)
		}
	}
}

// No handler and no transport of Caddy has a transport in a field that the walk does
// not visit.
func TestPlacesOfTransports(t *testing.T) {
	found := 0
	for _, info := range slices.Concat(caddy.GetModules("http.handlers"), caddy.GetModules("http.reverse_proxy.transport")) {
		module := reflect.TypeOf(info.New()).Elem()
		if module.Kind() != reflect.Struct {
			continue
		}
		for f := range module.Fields() {
			switch {
			case f.IsExported() && f.Type == reflect.TypeFor[http.RoundTripper]():
				found++
			case f.Type.Kind() == reflect.Interface && f.Type.Implements(reflect.TypeFor[http.RoundTripper]()):
				t.Errorf("%s: the walk does not look for a transport in %s", info.ID, f.Name)
			}
		}
	}
	if found != 1 {
		t.Errorf("%d places have been found, want that of reverse_proxy", found)
	}
}
