package caddymodule

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// itself calls the next handler with the request that the directive was given, as
// a copy of it has become on the way through the faults. Caddy's placeholders
// `{http.request.*}` are those of the request itself: with a copy they would not
// see what handlers behind the directive change, such as its method.
type itself struct {
	request *http.Request
	next    caddyhttp.Handler
}

// behind is what the faults call for next.
func behind(chain faults.Chain, r *http.Request, next caddyhttp.Handler) caddyhttp.Handler {
	if chain.Fixed() && chain.Ends() {
		return next // which is not called, or with r
	}
	return itself{r, next}
}

func (i itself) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if r != i.request {
		defer become(i.request, r)()
	}
	return i.next.ServeHTTP(w, i.request)
}

// become makes r what a copy of it is, and returns what gives r its own context
// and body back. What else has been changed of it meanwhile stays.
func become(r, changed *http.Request) (back func()) {
	ctx, body := r.Context(), r.Body
	*r = *changed
	return func() { *r = *withBody(r.WithContext(ctx), body) }
}

// withBody gives a copy of a request another body.
func withBody(r *http.Request, body io.ReadCloser) *http.Request {
	r.Body = body
	return r
}

// Interface guards
var _ caddyhttp.Handler = itself{}
