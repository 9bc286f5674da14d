package inject

import (
	"io"
	"net/http"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// A loan is the body of a request that the upstream reads while faults of phase
// response may hold its reply.
type loan struct {
	upstream io.ReadCloser       // the body for the upstream
	rest     io.ReadCloser       // the body for the faults
	writer   http.ResponseWriter // for the faults
	end      func()              // returns the body when the handler returns, because Caddy counts there what was read
}

// lendBody lends the body of r, if it has one. Over HTTP/1 a fault may meanwhile take
// over the connection, or wait and read the rest of the body. A client that leaves is
// noticed only after the body has been read.
func lendBody(w http.ResponseWriter, r *http.Request) loan {
	if r.ContentLength == 0 || r.Body == nil {
		return loan{r.Body, r.Body, w, func() {}}
	}
	original, lent := r.Body, wire.LendBody(r)
	if r.ProtoMajor == 1 {
		return loan{lent, lent.Rest(), lent.TakeOver(w), func() {}}
	}
	return loan{lent, http.NoBody, w, func() { lent.Stop(func() { _ = original.Close() }) }}
}
