package inject

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// Next gets the changes of a fault in the original request, which is restored when next
// has returned.
func TestOriginal(t *testing.T) {
	type key struct{}
	w := httptest.NewRecorder()
	r := testkit.Request(http.MethodGet, "/", w)
	o := &original{r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, got *http.Request) error {
		body, err := io.ReadAll(got.Body)
		if got != r || got.Header.Get("X-Changed") != "yes" || string(body) != "yes" || got.ContentLength != 3 || got.Context().Value(key{}) != "yes" {
			t.Errorf("itself: %v, header %v, body %q", got == r, got.Header, body)
		}
		return err
	})}
	changed := r.Clone(context.WithValue(r.Context(), key{}, "yes"))
	changed.Header.Set("X-Changed", "yes")
	changed.ContentLength = 3
	changed.Body = io.NopCloser(strings.NewReader("yes"))
	if err := o.ServeHTTP(w, changed); err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(r.Body); r.Header.Get("X-Changed") != "" || r.Context().Value(key{}) != nil || len(body) > 0 || r.ContentLength != 0 {
		t.Errorf("left in the request: header %v, body %q", r.Header, body)
	}
}
