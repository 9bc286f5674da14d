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

// cutRequest calls next with a request whose body ends early. If stall is not nil, the
// body stalls at the cut, and ends there only if stall returns an error.
func (f *Truncate) cutRequest(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, stall func() error) error {
	length := uploadLength(r)
	limit := f.limit(length)
	if reason := f.unfit(length, limit); reason != "" {
		hit.Pass(reason)
		return next.ServeHTTP(w, r)
	}
	hit.Confirm()
	body := &cutBody{ReadCloser: r.Body, hit: hit, left: limit, known: length >= 0, stop: stall}
	if stall == nil {
		body.stop = f.endRequest
	}
	r = r.WithContext(r.Context()) // a copy
	r.Body = body
	if body.known && f.End == endClean {
		body.announced = true
		r.ContentLength, r.Header = limit, r.Header.Clone()
		r.Header.Set("Content-Length", strconv.FormatInt(limit, 10))
	}
	err := next.ServeHTTP(w, r)
	if !body.cut.Load() && !hit.HasEnded() {
		hit.Pass(passShort)
	}
	return err
}

// uploadLength returns the length of the body of r, or -1 if it is unknown. Caddy wraps
// each body, also an empty one.
func uploadLength(r *http.Request) int64 {
	if r.Body == nil || r.Body == http.NoBody {
		return 0
	}
	return r.ContentLength
}

// endRequest returns the error at the end of a body that has been cut. An error other
// than EOF makes a proxy abort the request.
func (f *Truncate) endRequest() error {
	if f.End == endClean {
		return io.EOF
	}
	return injected(io.ErrUnexpectedEOF)
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
	return checkUpload(p, "truncate", f.Direction)
}

// checkUpload refuses a fault in the body of the request in phase response.
func checkUpload(p faults.Place, kind, direction string) error {
	if p == faults.AfterReply && direction == directionRequest {
		return fmt.Errorf("%s with request cannot be used in phase response, in which the upstream has the request already; write phase request", kind)
	}
	return nil
}

// A cutBody is the body of a request that ends or stalls early.
type cutBody struct {
	io.ReadCloser // from the client
	hit           *faults.Hit
	left          int64        // how much passes before the cut; -1 after it
	known         bool         // the length of the whole body is known, and is larger
	announced     bool         // the length up to the cut has been announced
	stop          func() error // is called at the cut; if it returns nil, the rest passes
	cut           atomic.Bool
}

// Read returns a part of the body, up to the cut or after it.
func (b *cutBody) Read(p []byte) (int, error) {
	switch {
	case b.left < 0, b.hit.HasEnded() && !b.announced:
		return b.ReadCloser.Read(p)
	case b.left == 0:
		return b.readOn(p)
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// readOn reads at the cut. A body of unknown length has a cut only if it is longer, so
// the next part of it is read first.
func (b *cutBody) readOn(p []byte) (n int, err error) {
	if !b.known {
		if n, err = b.ReadCloser.Read(p); n == 0 {
			return 0, err
		}
	}
	b.cut.Store(true)
	if stopped := b.stop(); stopped != nil {
		return 0, stopped
	}
	b.left = -1
	if n > 0 {
		return n, err
	}
	return b.ReadCloser.Read(p)
}

// Interface guards
var _ faults.Placed = (*Truncate)(nil)
