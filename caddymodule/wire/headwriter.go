package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A HeadWriter is a response writer to embed in another that decides, from the head of
// a reply, what happens to the reply. It passes the final head to its HeadTaker before
// anything is sent, even if the sender begins with the body or a flush. The first final
// head counts. Later ones are dropped, as in net/http.
//
// Interim heads go directly to the client. They may come from a goroutine of the
// upstream's transport, so they use no field that changes.
type HeadWriter struct {
	caddyhttp.ResponseWriterWrapper // the client's; never changes

	// Tail receives the reply after its head. It is nil before the head. Then it is the
	// client's writer or what TakeHead assigns, and it may change later. Calls of
	// Header, ReadFrom, FlushError and Hijack go to Tail if it has the method. If it
	// has no ReadFrom, it receives the whole body through Write.
	Tail io.Writer

	taker HeadTaker
}

// A HeadTaker decides what happens to a reply.
type HeadTaker interface {
	// TakeHead receives the status of the final head, once. The header is in the
	// client's writer. TakeHead sends the head, or keeps it and sets Tail.
	TakeHead(code int)
}

// NewHeadWriter returns a HeadWriter for a reply to the client of w.
func NewHeadWriter(w http.ResponseWriter, taker HeadTaker) HeadWriter {
	return HeadWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, taker: taker}
}

// WriteHeader passes on an interim head and takes the final one.
func (hw *HeadWriter) WriteHeader(code int) {
	switch {
	case Interim(code):
		hw.ResponseWriter.WriteHeader(code)
	case hw.Tail == nil:
		hw.Tail = hw.ResponseWriter
		hw.taker.TakeHead(code)
	}
}

// ImplicitHead takes a head with status 200 if there was none so far.
func (hw *HeadWriter) ImplicitHead() {
	if hw.Tail == nil {
		hw.WriteHeader(http.StatusOK)
	}
}

// Header returns the header of Tail if it has one, otherwise that of the reply.
func (hw *HeadWriter) Header() http.Header {
	if tail, ok := hw.Tail.(interface{ Header() http.Header }); ok {
		return tail.Header()
	}
	return hw.ResponseWriter.Header()
}

// Write passes on a part of the body.
func (hw *HeadWriter) Write(p []byte) (int, error) {
	hw.ImplicitHead()
	return hw.Tail.Write(p)
}

// ReadFrom lets Tail copy the body in its own way, for example with sendfile.
func (hw *HeadWriter) ReadFrom(src io.Reader) (int64, error) {
	hw.ImplicitHead()
	if tail, ok := hw.Tail.(io.ReaderFrom); ok {
		return tail.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{hw}, src) // not to Tail, which may change during the copy
}

// FlushError sends what has been written, which may be only a head.
func (hw *HeadWriter) FlushError() error {
	hw.ImplicitHead()
	if tail, ok := hw.Tail.(interface{ FlushError() error }); ok {
		return tail.FlushError()
	}
	return http.NewResponseController(hw.Unwrap()).Flush()
}

// Hijack takes over the connection. After that, no head will be taken.
func (hw *HeadWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if tail, ok := hw.Tail.(http.Hijacker); ok {
		return tail.Hijack()
	}
	conn, brw, err := http.NewResponseController(hw.Unwrap()).Hijack()
	if err == nil {
		hw.Tail = hw.Unwrap()
	}
	return conn, brw, err
}

// HoldsReply reports whether the head is still to come. Until then a reply must not
// bypass the HeadTaker.
func (hw *HeadWriter) HoldsReply() bool { return hw.Tail == nil }

// Unwrap returns Tail if it is a response writer, otherwise the client's writer.
func (hw *HeadWriter) Unwrap() http.ResponseWriter {
	if tail, ok := hw.Tail.(http.ResponseWriter); ok {
		return tail
	}
	return hw.ResponseWriter
}

// Interface guards
var (
	_ http.ResponseWriter = (*HeadWriter)(nil)
	_ http.Pusher         = (*HeadWriter)(nil)
	_ io.ReaderFrom       = (*HeadWriter)(nil)
	_ http.Hijacker       = (*HeadWriter)(nil)
	_ Holder              = (*HeadWriter)(nil)
)
