package trigger

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A request counts as inside a point from Enter to Leave, if it has any of the fields.
func TestFieldsInside(t *testing.T) {
	f := newFields()
	f.Join([]*Trigger{{hidden: hidden{fields: []string{"X-Fault"}}}})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if f.Enter(r) {
		t.Error("a request without the field has entered")
	}
	r.Header.Set("X-Fault", "551")
	if !f.Enter(r) {
		t.Error("a request with the field has not entered")
	}
	if got := f.inside.Load(); got != 1 {
		t.Errorf("inside: got %d, want 1", got)
	}
	f.Leave()
	if got := f.inside.Load(); got != 0 {
		t.Errorf("inside after leave: got %d, want 0", got)
	}
}

// Foresee shows what a point would see, and leaves what it would leave: a removed field
// is restored, and what Ask removes is restored for the next trigger.
func TestFieldsForesee(t *testing.T) {
	f := newFields()
	for range 2 { // two points
		f.Join([]*Trigger{{hidden: hidden{fields: []string{"X-Fault"}}}})
	}
	r := caddyhttp.PrepareRequest(httptest.NewRequest(http.MethodGet, "/", nil), caddy.NewReplacer(), nil, nil)
	r.Header.Set("X-Fault", "551")
	r.Header.Set("X-Other", "1")
	for point := range 3 {
		f.Foresee(r, func() {
			if got := r.Header.Get("X-Fault"); got != "551" {
				t.Errorf("point %d sees %q", point, got)
			}
			r.Header.Del("X-Fault")
		})
		if len(r.Header) != 1 || r.Header.Get("X-Other") != "1" {
			t.Errorf("point %d leaves %v", point, r.Header)
		}
	}
	if got := f.inside.Load(); got != 0 {
		t.Errorf("%d requests are inside", got)
	}
}
