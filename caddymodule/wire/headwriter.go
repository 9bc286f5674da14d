package wire

import (
	"bufio"
	"io"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A HeadWriter is a response writer to embed in one that decides by the head of a
// reply what becomes of it. It shows the final head to its HeadTaker before
// anything goes out, also when the sender begins with the body or a flush. The
// first final head counts; later ones are dropped, as net/http drops them.
//
// Interim heads go straight to the client. They may come from a goroutine of the
// upstream's transport, so they touch no field that changes.
type HeadWriter struct {
	caddyhttp.ResponseWriterWrapper // the client's; it never changes

	// Tail takes the reply after its head. It is nil before the head, then the
	// client's writer or what TakeHead puts here, and it may change later. Calls
	// of Header, ReadFrom, FlushError and Hijack go to Tail if it has the method;
	// without ReadFrom it gets all of the body by Write.
	Tail io.Writer

	taker HeadTaker
}

// A HeadTaker decides what becomes of a reply.
type HeadTaker interface {
	// TakeHead gets the status of the final head, once; the header is in the
	// client's writer. It sends the head, or keeps it and sets Tail.
	TakeHead(code int)
}

// NewHeadWriter returns a HeadWriter for a reply to the client of w.
func NewHeadWriter(w http.ResponseWriter, taker HeadTaker) HeadWriter {
	return HeadWriter{ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, taker: taker}
}

// WriteHeader passes an interim head on and takes the final one.
func (hw *HeadWriter) WriteHeader(code int) {
	switch {
	case Interim(code):
		hw.ResponseWriter.WriteHeader(code)
	case hw.Tail == nil:
		hw.Tail = hw.ResponseWriter
		hw.taker.TakeHead(code)
	}
}

// ImplicitHead takes the head of a reply that has none of its own so far.
func (hw *HeadWriter) ImplicitHead() {
	if hw.Tail == nil {
		hw.WriteHeader(http.StatusOK)
	}
}

// Header is that of the reply, or what Tail has instead.
func (hw *HeadWriter) Header() http.Header {
	if tail, ok := hw.Tail.(interface{ Header() http.Header }); ok {
		return tail.Header()
	}
	return hw.ResponseWriter.Header()
}

// Write hands on a part of the body.
func (hw *HeadWriter) Write(p []byte) (int, error) {
	hw.ImplicitHead()
	return hw.Tail.Write(p)
}

// ReadFrom lets Tail copy the body in its own way, such as sendfile.
func (hw *HeadWriter) ReadFrom(src io.Reader) (int64, error) {
	hw.ImplicitHead()
	if tail, ok := hw.Tail.(io.ReaderFrom); ok {
		return tail.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{hw}, src) // not to Tail, which may change meanwhile
}

// FlushError sends what has been written, which may be a head only.
func (hw *HeadWriter) FlushError() error {
	hw.ImplicitHead()
	if tail, ok := hw.Tail.(interface{ FlushError() error }); ok {
		return tail.FlushError()
	}
	return http.NewResponseController(hw.Unwrap()).Flush()
}

// Hijack takes over the connection, which leaves nothing to take: neither a head
// nor a body.
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

// HoldsReply reports whether the head is still to come: nobody may write a reply
// past the HeadTaker.
func (hw *HeadWriter) HoldsReply() bool { return hw.Tail == nil }

// Unwrap is Tail if it is a response writer, otherwise the client's.
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
