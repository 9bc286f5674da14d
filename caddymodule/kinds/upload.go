package kinds

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// cutRequest calls next with a request whose body ends early.
func (f *Truncate) cutRequest(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	length := r.ContentLength
	if r.Body == nil || r.Body == http.NoBody {
		length = 0
	}
	limit := f.limit(length)
	if reason := f.unfitRequest(length, limit); reason != "" {
		hit.Pass(reason)
		return next.ServeHTTP(w, r)
	}
	hit.Confirm()
	body := &cutBody{ReadCloser: r.Body, hit: hit, left: limit, clean: f.End == endClean, known: length >= 0}
	r = r.WithContext(r.Context()) // a copy
	r.Body = body
	if body.known && body.clean {
		r.ContentLength, r.Header = limit, r.Header.Clone()
		r.Header.Set("Content-Length", strconv.FormatInt(limit, 10))
	}
	err := next.ServeHTTP(w, r)
	if !body.cut.Load() && !hit.HasEnded() {
		hit.Pass(passShort)
	}
	return err
}

// unfitRequest returns why the body of a request is not cut, or "" if it is cut.
func (f *Truncate) unfitRequest(length, limit int64) string {
	switch {
	case length == 0:
		return passNoBody
	case f.Percent != nil && length < 0:
		return passNoLength
	case limit < 0:
		return passShort
	}
	return ""
}

// checkRequest returns an error for settings that apply only to a reply.
func (f *Truncate) checkRequest() error {
	switch f.Direction {
	case "", directionResponse:
		return nil
	case directionRequest:
	default:
		return fmt.Errorf("bad truncate direction '%s': want response or request", f.Direction)
	}
	switch {
	case f.After > 0:
		return errors.New("truncate has both after and request; write a size or a percentage instead of after")
	case f.End == endReset:
		return errors.New("truncate has both reset and request; Caddy closes the connection to the upstream: write close or clean")
	}
	return nil
}

// CheckPlace refuses request in phase response.
func (f *Truncate) CheckPlace(p faults.Place) error {
	if p == faults.AfterReply && f.Direction == directionRequest {
		return errors.New("truncate with request cannot be used in phase response, in which the upstream has the request already; write phase request")
	}
	return nil
}

// A cutBody is the body of a request that ends early.
type cutBody struct {
	io.ReadCloser // from the client
	hit           *faults.Hit
	left          int64 // how much is still passed on
	clean         bool  // the end looks like that of a whole body
	known         bool  // the length of the whole body is known, and is larger
	cut           atomic.Bool
}

// Read returns a part of the body, and an end or an error after the cut. The error makes
// a proxy abort the request.
func (b *cutBody) Read(p []byte) (int, error) {
	if b.hit.HasEnded() && (!b.known || !b.clean) { // else the new length has been announced
		return b.ReadCloser.Read(p)
	}
	if b.left == 0 && !b.known {
		if n, err := b.ReadCloser.Read(make([]byte, 1)); n == 0 {
			return 0, err // the body is not longer
		}
	}
	if b.left == 0 {
		b.cut.Store(true)
		if b.clean {
			return 0, io.EOF
		}
		return 0, injected(io.ErrUnexpectedEOF)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// Interface guards
var _ faults.Placed = (*Truncate)(nil)
