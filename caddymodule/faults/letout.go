package faults

import (
	"io"
	"net/http"
)

// letOut sends what is held on the way to the client of a reply that is about
// to be broken off on the connection itself: what a patch has kept, and of one
// of which no body has been sent the head, which the encode directive keeps
// until it has seen some body or is closed.
func letOut(w http.ResponseWriter, bodySent bool) error {
	for outer := w; outer != nil; outer = Unwrap(outer) {
		switch held := outer.(type) {
		case *patchWriter:
			held.breakOff()
		case io.Closer:
			if !bodySent {
				_ = held.Close() // what is wrong shows in the flush
			}
		}
	}
	return http.NewResponseController(w).Flush()
}
