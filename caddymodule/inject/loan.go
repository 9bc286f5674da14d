package inject

import (
	"io"
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// A loan is the body of a request that the upstream reads while faults act.
type loan struct {
	lent     *wire.LentBody      // nil: the request has no body
	upstream io.ReadCloser       // the body for the upstream
	rest     io.ReadCloser       // the body for the faults of phase response
	writer   http.ResponseWriter // for the faults
	end      func()              // is called when the handler returns
}

// lendBody lends the body of r, if it has one. Over HTTP/1 a fault may meanwhile take
// over the connection, or wait and let the body be read. A client that leaves is noticed
// only after the body has been read. The request keeps the lent body, because error
// routes need what has been read ahead. Over HTTP/2 and HTTP/3, Caddy counts what was
// read when the handler returns, and the body is returned before.
func (in *injector) lendBody(w http.ResponseWriter, r *http.Request) loan {
	if r.ContentLength == 0 || r.Body == nil {
		return loan{upstream: r.Body, rest: r.Body, writer: w, end: func() {}}
	}
	original, lent := r.Body, wire.LendBody(r, in.watch != nil)
	if r.ProtoMajor == 1 {
		r.Body = lent
		return loan{lent: lent, upstream: lent, rest: lent.Rest(), writer: lent.TakeOver(w), end: lent.End}
	}
	end := func() { lent.Stop(func() { _ = original.Close() }) }
	return loan{lent: lent, upstream: lent, rest: http.NoBody, writer: w, end: end}
}

// lend lends the body of a request over HTTP/1, so that it can be read ahead. It returns
// the writer for the faults.
func (inj *injection) lend(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.ProtoMajor != 1 || r.ContentLength == 0 || r.Body == nil {
		return w
	}
	inj.body = wire.LendBody(r, inj.in.watch != nil)
	r.Body = inj.body
	return inj.body.TakeOver(w)
}

// Waits lets the body of the request be read while a fault waits.
func (inj *injection) Waits() { inj.body.ReadAhead() }
