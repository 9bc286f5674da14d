package kinds

import (
	"bytes"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// letOut sends what handlers on the way to the client hold, before a fault breaks the
// reply off on the connection. It sends the reply that a patch holds and the reply that
// the intercept directive records. If no body has been sent, it also sends the head
// that the encode directive holds.
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
				_ = held.WriteResponse() // an error appears again in Flush
				recorded = buf
			}
			flushed = wire.Unwrap(outer) // the recorder also holds flushes
		case io.Closer:
			if !bodySent {
				_ = held.Close()
			}
		}
	}
	return http.NewResponseController(flushed).Flush()
}
