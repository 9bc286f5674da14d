package inject

import (
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// head is a response writer that sees the status of the reply.
type head struct {
	caddyhttp.ResponseWriterWrapper // towards the client

	status int // 0: there has been no head
}

// NoteHead records a head that is written elsewhere.
func (h *head) NoteHead(code int) {
	if !wire.Interim(code) && h.status == 0 { // another goroutine may send an interim head
		h.status = code
	}
}

// WriteHeader records the status.
func (h *head) WriteHeader(code int) {
	h.NoteHead(code)
	h.ResponseWriter.WriteHeader(code)
}

// Write records that there is a head.
func (h *head) Write(p []byte) (int, error) {
	h.NoteHead(http.StatusOK)
	return h.ResponseWriter.Write(p)
}

// ReadFrom records that there is a head.
func (h *head) ReadFrom(src io.Reader) (int64, error) {
	h.NoteHead(http.StatusOK)
	return h.ResponseWriterWrapper.ReadFrom(src)
}

// writerOf returns the first wanted writer of a type between w and the client, or nil.
// Each point that a request passes may have put one there.
func writerOf[T http.ResponseWriter](w http.ResponseWriter, wanted func(T) bool) (none T) {
	for ; w != nil; w = wire.Unwrap(w) {
		if found, ok := w.(T); ok && wanted(found) {
			return found
		}
	}
	return none
}

// Interface guards
var (
	_ io.ReaderFrom  = (*head)(nil)
	_ wire.HeadNoter = (*head)(nil)
)
