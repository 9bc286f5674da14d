package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// Over HTTP/2 a write deadline that passes ends the reply, even if nothing is written.
// A silent feed therefore sets a distant deadline. See
// caddymodule/docs/undocumented.md.
func TestDeadlineOverHTTP2(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun\n")
		rc := http.NewResponseController(w)
		if err := rc.Flush(); err != nil {
			t.Error(err)
		}
		if err := rc.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
			t.Error(err)
		}
		<-r.Context().Done()
	}))
	srv.EnableHTTP2 = true
	if err := http2.ConfigureServer(srv.Config, nil); err != nil { //nolint:staticcheck // called by Caddy
		t.Fatal(err)
	}
	srv.StartTLS()
	defer srv.Close()
	ctx, leave := context.WithTimeout(t.Context(), 20*time.Second)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, srv.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if string(body) != "begun\n" || err == nil || !strings.Contains(err.Error(), "INTERNAL_ERROR") {
		t.Errorf("got %q, error %v", body, err)
	}
}
