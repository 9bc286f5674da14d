package faults

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// ordinary is a handler that does not know this package.
type ordinary struct{}

func (ordinary) CaddyModule() caddy.ModuleInfo { return caddy.ModuleInfo{ID: Namespace + ".ordinary"} }

func (ordinary) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	w.Header().Set("X-Ordinary", "1")
	return next.ServeHTTP(w, r)
}

// An ordinary handler is a kind of fault. Other modules are not.
func TestOrdinaryHandler(t *testing.T) {
	chain, err := NewChain([]any{ordinary{}})
	if err != nil {
		t.Fatal(err)
	}
	if got := Kind(chain[0]); got != "ordinary" {
		t.Errorf("kind: got %q", got)
	}
	w, asked := httptest.NewRecorder(), false
	err = chain.Inject(new(Hit), w, httptest.NewRequest(http.MethodGet, "/", nil), caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		asked = true
		return nil
	}))
	if err != nil || !asked || w.Header().Get("X-Ordinary") != "1" {
		t.Errorf("got %v, next called: %v, header %v", err, asked, w.Header())
	}
	if _, err := NewChain([]any{struct{ caddy.Module }{ordinary{}}}); err == nil || !strings.Contains(err.Error(), "is not a fault") {
		t.Errorf("a module that is not a handler: got %v", err)
	}
}
