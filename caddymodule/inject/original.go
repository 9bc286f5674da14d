package inject

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// original calls the next handler with the request that the directive was given,
// as a copy of it has become on the way through the faults. Caddy's placeholders
// `{http.request.*}` are those of the request itself: with a copy they would not
// see what handlers after the directive change, such as its method.
type original struct {
	request *http.Request
	next    caddyhttp.Handler
}

// ServeHTTP hands on what a fault may change for next: the context, the body and
// the header.
func (o *original) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if r != o.request {
		own := o.request.Header
		defer swap(r.Context(), o.request, r.Body)()
		defer func() { o.request.Header = own }()
		o.request.Header = r.Header
	}
	return o.next.ServeHTTP(w, o.request)
}

// swap gives r another context and body. The caller calls back to give r its own:
// the request may go on to error routes.
func swap(ctx context.Context, r *http.Request, body io.ReadCloser) (back func()) {
	borrowed := &borrowedContext{Context: ctx, own: r.Context()}
	own := r.Body
	*r = *withBody(r.WithContext(borrowed), body)
	return func() {
		borrowed.back.Store(true)
		r.Body = own
	}
}

// withBody gives a copy of a request another body.
func withBody(r *http.Request, body io.ReadCloser) *http.Request {
	r.Body = body
	return r
}

// A borrowedContext is another one than the request's own until that is given
// back. It stays in the request, for goroutines of a proxy may still be reading
// there.
type borrowedContext struct {
	context.Context
	own  context.Context
	back atomic.Bool
}

func (c *borrowedContext) now() context.Context {
	if c.back.Load() {
		return c.own
	}
	return c.Context
}

// Done is closed when the context that counts now has ended.
func (c *borrowedContext) Done() <-chan struct{} { return c.now().Done() }

// Err tells why it has.
func (c *borrowedContext) Err() error { return c.now().Err() }

// Value is that of it, too; while it is another one it has what the faults add.
func (c *borrowedContext) Value(key any) any { return c.now().Value(key) }

// Interface guards
var (
	_ caddyhttp.Handler = (*original)(nil)
	_ context.Context   = (*borrowedContext)(nil)
)
