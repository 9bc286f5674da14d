package trigger

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// A request is counted as inside a point from enter to leave, if it has any of
// the fields.
func TestFieldsInside(t *testing.T) {
	f := newFields()
	f.Join([]*Trigger{{hidden: []string{"X-Fault"}}})
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
