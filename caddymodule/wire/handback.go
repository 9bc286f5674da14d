package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"
)

const (
	// maxDrain is how much of an unread request body is read to keep the connection, as
	// in net/http.
	maxDrain = 256 << 10

	// maxPiece is the maximum size of one Write, under one deadline, as in Caddy's own
	// writer.
	maxPiece = caddyhttp.DefaultMaxWriteChunk
)

// HandBack writes a complete reply with this status line, the header of w and body
// directly to the HTTP/1 connection of r. After the handler has returned, the server
// gets the connection back and serves the next request on it. Where net/http would
// close the connection, so does HandBack.
//
// The header fields are those that net/http would write, including those that it adds
// or leaves out. Header operations that wait for WriteHeader apply. Middleware that
// changes the body, such as encode, does not.
//
// HandBack returns false, and has then written and taken over nothing, over HTTP/2 and
// HTTP/3, if the connection cannot be hijacked, or after the write timeout of the
// server. It also returns false if an outer response writer waits for the head to
// decide on it, or records the reply to replace it. The caller must then write the
// reply to w.
func (s *StatusLine) HandBack(w http.ResponseWriter, r *http.Request, body []byte) (done bool, err error) {
	srv, _ := r.Context().Value(http.ServerContextKey).(*http.Server)
	if s == nil || s.code < 200 || r.ProtoMajor != 1 || srv == nil || HoldsReply(w) || recordsReply(w) {
		return false, nil
	}
	x := exchange{line: s, srv: srv, r: r, method: sentMethod(r), body: body, limits: WriteTimeouts(srv, r)}
	if x.limits.over() {
		return false, nil
	}
	x.close = lastRequest(r) || saysClose(w.Header()) || !drained(r)
	conn, brw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false, nil
	}
	return true, x.finish(w, conn, brw)
}

// Unwrap returns the writer inside w, or nil if it is not accessible.
func Unwrap(w http.ResponseWriter) http.ResponseWriter {
	if outer, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return outer.Unwrap()
	}
	return nil
}

// A Holder is a response writer that can keep the reply from the client until it has
// seen the head.
type Holder interface {
	// HoldsReply reports whether the head is still to come.
	HoldsReply() bool
}

// HoldsReply reports whether w, or a writer between w and the client, holds the reply.
func HoldsReply(w http.ResponseWriter) bool {
	for ; w != nil; w = Unwrap(w) {
		if h, ok := w.(Holder); ok && h.HoldsReply() {
			return true
		}
	}
	return false
}

// A Shortener is a response writer that can end the reply before its sender has ended
// it.
type Shortener interface {
	// CutsShort reports whether the reply has ended, and whether gracefully.
	CutsShort() (cut, clean bool)
}

// CutShort reports whether a writer between w and the client has ended the reply before
// its sender, and whether gracefully. A sender that gives up after that need not abort
// the reply.
func CutShort(w http.ResponseWriter) (cut, clean bool) {
	for ; w != nil; w = Unwrap(w) {
		if s, ok := w.(Shortener); ok {
			ended, inOrder := s.CutsShort()
			cut, clean = cut || ended, clean || inOrder
		}
	}
	return cut, clean
}

// recordsReply reports whether a writer between w and the client buffers replies to
// replace them, like the directive intercept. A recorder without a buffer only counts.
func recordsReply(w http.ResponseWriter) bool {
	for ; w != nil; w = Unwrap(w) {
		if recorder, ok := w.(caddyhttp.ResponseRecorder); ok && recorder.Buffer() != nil {
			return true
		}
	}
	return false
}

// An exchange is a request with the reply that HandBack writes to it.
type exchange struct {
	line   *StatusLine
	srv    *http.Server
	r      *http.Request
	method string // as the client sent it
	body   []byte
	close  bool // this reply is the last on its connection
	limits WriteLimits
}

// finish writes the reply to the hijacked connection, then hands the connection back or
// closes it.
func (x *exchange) finish(w http.ResponseWriter, conn net.Conn, brw *bufio.ReadWriter) error {
	settled := false
	defer func() {
		if !settled {
			_ = conn.Close() // also if an outer writer panics
		}
	}()
	// for writers that record the status or still have header operations to apply
	writeHeaders(w, x.line.code)
	body := x.wireBody()
	conn = InnermostConn(conn, int64(len(body)))
	var next *rejoinedConn
	if x.close = x.close || saysClose(w.Header()); !x.close {
		if next = x.rejoin(conn, brw.Reader); next != nil {
			conn = next
		}
	}
	x.close = next == nil
	if err := x.write(conn, w.Header(), body); err != nil {
		return fmt.Errorf("writing reply: %w", err)
	}

	settled = true
	if x.close {
		afterHandler(x.r.Context(), func() { linger(conn) })
	} else {
		next.admit()
	}
	return nil
}

// write sends head and body, in one Write if they fit.
func (x *exchange) write(conn net.Conn, header http.Header, body []byte) error {
	buf := headBuffers.Get().(*bytes.Buffer)
	defer putHeadBuffer(buf)
	x.writeHead(buf, header)
	first := min(len(body), max(0, maxPiece-buf.Len()))
	buf.Write(body[:first])
	for piece, rest := buf.Bytes(), body[first:]; len(piece) > 0; {
		if err := conn.SetWriteDeadline(x.limits.Next()); err != nil {
			return err
		}
		if _, err := conn.Write(piece); err != nil {
			return err
		}
		size := min(len(rest), maxPiece)
		piece, rest = rest[:size], rest[size:]
	}
	return nil
}

// lastRequest reports whether the connection must close after this request.
func lastRequest(r *http.Request) bool {
	return expectsContinue(r) || r.Close
}

// sentMethod returns the method that the client sent. Caddy's rewrite can set another,
// on which the framing of the reply does not depend.
func sentMethod(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.Method
	}
	return r.Method
}

// SentHead reports whether the client sent a HEAD request, to which the server sends no
// body, even if Caddy has changed the method of r.
func SentHead(r *http.Request) bool { return sentMethod(r) == http.MethodHead }

// expectsContinue reports whether the client may hold back its body until it gets a 100
// Continue. After a final reply it is unknown whether the body still follows (RFC 9110
// section 10.1.1). The server would wait for it and stall, so such a connection is
// closed.
func expectsContinue(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1) && r.ContentLength != 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
}

// CloseIfExpected makes the server close the connection after the reply if the client
// waits for a 100 Continue and the reply comes before the body. The client is also told
// to close, because net/http closes only after it has received the body or Caddy's idle
// timeout has expired.
func CloseIfExpected(w http.ResponseWriter, r *http.Request) {
	if expectsContinue(r) {
		w.Header().Set("Connection", "close")
	}
}

func saysClose(header http.Header) bool {
	return httpguts.HeaderValuesContainsToken(header["Connection"], "close")
}

// ShutsDown reports whether srv has stopped serving connections. Only a call of Serve
// reveals this.
func ShutsDown(srv *http.Server) bool {
	return errors.Is(srv.Serve(noListener{}), http.ErrServerClosed)
}

// noListener is a listener that accepts no connection.
type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }

// drained reads the request's body to its end, so that the next byte belongs to the
// next request, and reports whether it reached the end. It waits for the client no
// longer than the idle timeout of the server.
func drained(r *http.Request) bool {
	body, known := originalBody(r)
	if !known {
		return false
	}
	_, err := io.CopyN(io.Discard, body, maxDrain+1)
	return err == io.EOF //nolint:errorlint // only io.EOF itself is the end
}

// originalBody returns the body as the connection carries it, and reports whether that
// body is known. Some middleware, such as request_body, can replace the body. If the
// end of such a replacement were taken for the end of the request, a client could
// smuggle a request in its body. Caddy's idle timeouts hold the original, and remember
// its end even if it has been closed since. Without them, the type from net/http proves
// that a body is the original.
func originalBody(r *http.Request) (io.Reader, bool) {
	if original, _ := caddyhttp.IdleTimeoutsFromContext(r.Context()); original != nil {
		return original, true
	}
	length := r.Header.Get("Content-Length")
	if r.ContentLength == 0 && len(r.TransferEncoding) == 0 && (length == "" || length == "0") {
		return http.NoBody, true
	}
	body := r.Body
	for {
		lent, ok := body.(*LentBody)
		if !ok {
			return body, fmt.Sprintf("%T", body) == "*http.body"
		}
		body = lent.body
	}
}

// WriteLimits are the timeouts of the server for writing a reply. Zero means no
// timeout.
type WriteLimits struct {
	idle time.Duration // for one piece
	hard time.Time     // for the whole reply
}

// WriteTimeouts returns the limits of a reply to r.
func WriteTimeouts(srv *http.Server, r *http.Request) WriteLimits {
	var l WriteLimits
	if _, writer := caddyhttp.IdleTimeoutsFromContext(r.Context()); writer != nil {
		l.idle = writer.Deadline.Timeout
	}
	if srv.WriteTimeout > 0 {
		start, ok := caddyhttp.GetVar(r.Context(), "start_time").(time.Time)
		if !ok {
			start = time.Now()
		}
		l.hard = start.Add(srv.WriteTimeout)
	}
	return l
}

func (l WriteLimits) over() bool { return !l.hard.IsZero() && !time.Now().Before(l.hard) }

// Next returns the deadline for the next piece.
func (l WriteLimits) Next() time.Time {
	if l.idle == 0 {
		return l.hard
	}
	idle := time.Now().Add(l.idle)
	if !l.hard.IsZero() && l.hard.Before(idle) {
		return l.hard
	}
	return idle
}
