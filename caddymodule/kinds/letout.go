package kinds

import (
	"bytes"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// letOut sends what is held on the way to the client of a reply that is about
// to be broken off on the connection itself: what a patch has kept, what the
// intercept directive records to replace it, and of a reply of which no body has
// been sent the head, which the encode directive keeps until it has seen some
// body or is closed.
func letOut(w http.ResponseWriter, bodySent bool) error {
	var recorded *bytes.Buffer
	flushed := w
	for outer := w; outer != nil; outer = wire.Unwrap(outer) {
		switch held := outer.(type) {
		case interface{ breakOff() }:
			held.breakOff()
		case caddyhttp.ResponseRecorder:
			buf := held.Buffer()
			if buf == nil || !held.Buffered() {
				continue
			}
			if buf != recorded { // intercept wraps its recorder in another one
				_ = held.WriteResponse() // what is wrong shows in the flush
				recorded = buf
			}
			flushed = wire.Unwrap(outer) // it keeps flushes, too
		case io.Closer:
			if !bodySent {
				_ = held.Close()
			}
		}
	}
	return http.NewResponseController(flushed).Flush()
}
