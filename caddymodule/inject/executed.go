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

// templatesID is the ID of the module that executes replies as templates.
const templatesID = "http.handlers.templates"

// executedTypes are the media types that the templates directives of a server execute.
// A transport does not know the writer of its reply, so it assumes that each of these
// directives sees the reply.
type executedTypes []string

// findExecutedTypes searches all routes of a provisioned server.
func findExecutedTypes(srv *caddyhttp.Server) (found executedTypes) {
	for handler := range routes.WalkServer("", srv) {
		if module, ok := handler.(caddy.Module); ok && module.CaddyModule().ID == templatesID {
			found = append(found, typesOf(handler)...)
		}
	}
	return found
}

// typesOf returns the types of one templates directive. If they cannot be read, the
// directive may execute all types.
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

// executes reports whether templates executes a reply of this type. Like templates, it
// is case-sensitive.
func (e executedTypes) executes(contentType string) bool {
	return slices.ContainsFunc(e, func(executed string) bool { return strings.Contains(contentType, executed) })
}

// includeField is set by httpInclude of templates in its requests. Their replies are
// executed whatever their type.
const includeField = "Caddy-Templates-Include"

// keepFrom keeps templates from executing the reply of a fault. It writes the media
// type in capitals, which means the same (RFC 9110, section 8.3.1), but templates does
// not recognize it. If the reply would still be executed, keepFrom removes its body.
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
