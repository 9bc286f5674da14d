package private

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// A value is available by its name, and cannot be printed.
func TestSlot(t *testing.T) {
	const secrets Slot[[]*string] = "secrets"
	repl, secret := caddy.NewReplacer(), "0123456789abcdef"
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
	if got := secrets.Get(r); got != nil {
		t.Errorf("before: got %v", got)
	}
	secrets.Set(r, []*string{&secret})
	if got := secrets.Get(r); len(got) != 1 || *got[0] != secret {
		t.Errorf("got %v", got)
	}
	if got := repl.ReplaceAll("{http.fault.secrets}", "empty"); got != "" && got != "empty" {
		t.Errorf("the placeholder shows %q", got)
	}
	value, _ := repl.Get("http.fault.secrets")
	if text, err := json.Marshal(value); err != nil || string(text) != "{}" {
		t.Errorf("as JSON: got %s, %v", text, err)
	}
}
