package control

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// checkExempt refuses matchers that match no request, and sets that match every request.
func checkExempt(sets caddyhttp.RawMatcherSets) error {
	for _, set := range sets {
		if len(set) == 0 {
			return errors.New("exempt: an empty set would exempt every request; remove it, or write halted")
		}
		if err := rules.CheckMatchers(set); err != nil {
			return fmt.Errorf("exempt: %w", err)
		}
	}
	return nil
}

// Exempts reports whether the configuration says that nothing ever hits a request.
func (a *App) Exempts(r *http.Request) bool {
	return len(a.exempt) > 0 && matchesAny(a.exempt, asReceived(r))
}

// Exempt returns the matchers of exempt requests, as configured.
func (a *App) Exempt() caddyhttp.RawMatcherSets { return a.shown }

// asReceived returns r with the method and the URL that the client has sent. Directives
// such as handle_path change them before a request reaches a point.
func asReceived(r *http.Request) *http.Request {
	came, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || came.Method == r.Method && came.URL.Path == r.URL.Path && came.URL.RawPath == r.URL.RawPath && came.URL.RawQuery == r.URL.RawQuery {
		return r
	}
	r = r.WithContext(r.Context())
	r.Method, r.URL, r.RequestURI = came.Method, came.URL, came.RequestURI
	return r
}
