package inject

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/routes"
)

// templatesID is the module that executes replies as templates.
const templatesID = "http.handlers.templates"

// executedTypes are the media types that the templates directives of a server
// execute. A transport has no hold of the writer that its reply goes to, so it
// takes each of them for one that sees the reply.
type executedTypes []string

// findExecutedTypes looks at all routes of a server that has been provisioned.
func findExecutedTypes(srv *caddyhttp.Server) (found executedTypes) {
	for handler := range routes.WalkServer("", srv) {
		if module, ok := handler.(caddy.Module); ok && module.CaddyModule().ID == templatesID {
			found = append(found, typesOf(handler)...)
		}
	}
	return found
}

// typesOf are the types of one templates directive. If it does not show them, it
// may execute all.
func typesOf(directive any) []string {
	v := reflect.Indirect(reflect.ValueOf(directive))
	if v.Kind() != reflect.Struct {
		return []string{""}
	}
	if field := v.FieldByName("MIMETypes"); field.IsValid() {
		if types, ok := reflect.TypeAssert[[]string](field); ok {
			return types
		}
	}
	return []string{""}
}

// executes reports whether a reply of this type is executed, as templates decides
// it: the case of letters matters.
func (e executedTypes) executes(contentType string) bool {
	return slices.ContainsFunc(e, func(executed string) bool { return strings.Contains(contentType, executed) })
}

// includeField is what httpInclude of templates puts into its requests. It executes
// the reply whatever its type.
const includeField = "Caddy-Templates-Include"

// keepFrom keeps the reply of a fault to r from being executed. A media type in capitals
// is the same one (RFC 9110 section 8.3.1), and templates does not know it. A reply
// that would be executed in any case loses its body.
func (e executedTypes) keepFrom(r *http.Request, resp *http.Response) {
	contentType := resp.Header.Get("Content-Type")
	included := len(e) > 0 && r.Header[includeField] != nil
	if !included && !e.executes(contentType) {
		return
	}
	mediaType, _, _ := strings.Cut(contentType, ";")
	if capitals := strings.ToUpper(mediaType) + contentType[len(mediaType):]; !included && !e.executes(capitals) {
		resp.Header.Set("Content-Type", capitals)
		return
	}
	_ = resp.Body.Close()
	resp.Body, resp.ContentLength = http.NoBody, 0
	resp.Header.Del("Content-Length")
}
