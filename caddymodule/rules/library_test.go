package rules

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// A key that is one header field equals the value of Caddy's placeholder for the field.
// See caddymodule/docs/undocumented.md.
func TestKeyIsPlaceholder(t *testing.T) {
	for _, values := range [][]string{nil, {""}, {"a"}, {"a", "b"}, {"a,b", "", "c"}} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["X-User-Id"] = values
		r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), httptest.NewRecorder(), nil)
		for _, text := range []string{"{http.request.header.X-User-Id}", "{http.request.header.x-USER-id}"} {
			short, long := newKeyText(text, faults.InHandler), keyText{text: text}
			if short.header == "" || short.of(r) != long.of(r) {
				t.Errorf("%s with %q: got %q from the field %q, Caddy returns %q", text, values, short.of(r), short.header, long.of(r))
			}
		}
	}
}
