package inject

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// original calls the next handler with the original request, after applying what the
// faults changed in their copy. Caddy's placeholders `{http.request.*}` refer to the
// original. With a copy, they would not see what later handlers change, such as the
// method.
type original struct {
	request *http.Request
	next    caddyhttp.Handler
}

// ServeHTTP applies what a fault may change for next: the context, the body with its
// length, and the header.
func (o *original) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	if r != o.request {
		own, length := o.request.Header, o.request.ContentLength
		defer swap(r.Context(), o.request, r.Body)()
		defer func() { o.request.Header, o.request.ContentLength = own, length }()
		o.request.Header, o.request.ContentLength = r.Header, r.ContentLength
	}
	return o.next.ServeHTTP(w, o.request)
}

// swap replaces the context and the body of r. The caller must call back to restore
// them, because the request may go on to error routes.
func swap(ctx context.Context, r *http.Request, body io.ReadCloser) (back func()) {
	borrowed := &borrowedContext{Context: ctx, own: r.Context()}
	own := r.Body
	*r = *withBody(r.WithContext(borrowed), body)
	return func() {
		borrowed.back.Store(true)
		r.Body = own
	}
}

// withBody sets the body of a copy of a request and returns the copy.
func withBody(r *http.Request, body io.ReadCloser) *http.Request {
	r.Body = body
	return r
}

// A borrowedContext is a temporary context of a request. It stays in the request after
// back is set, because goroutines of a proxy may still read it. It then behaves like
// the original context.
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

// Done returns the channel of the current context.
func (c *borrowedContext) Done() <-chan struct{} { return c.now().Done() }

// Err returns the error of the current context.
func (c *borrowedContext) Err() error { return c.now().Err() }

// Value returns a value of the current context. Before back is set, this includes
// values that the faults add.
func (c *borrowedContext) Value(key any) any { return c.now().Value(key) }

// Interface guards
var (
	_ caddyhttp.Handler = (*original)(nil)
	_ context.Context   = (*borrowedContext)(nil)
)
