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
	// maxDrain is how much of an unread request body is read to keep the
	// connection, as in net/http.
	maxDrain = 256 << 10

	// maxPiece is the most that one Write, under one deadline, has to send, as
	// in Caddy's own writer.
	maxPiece = caddyhttp.DefaultMaxWriteChunk
)

// HandBack writes a complete reply with this line, the header of w and body
// straight to the HTTP/1 connection of r. When the handler has returned, the
// connection goes back to its server, which serves the next request on it, or
// is closed where net/http would close it.
//
// The header fields come out as net/http writes them, also those it adds or
// leaves out by itself. Header operations that wait for WriteHeader apply;
// what changes the body on its way, such as encode, does not.
//
// It returns false when it has neither written nor taken over anything: over
// HTTP/2 and HTTP/3, where the connection cannot be hijacked, where somebody
// further out waits for the head to decide on it or records the reply to replace
// it, or after the server's write timeout. The reply is to be written the ordinary way then.
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

// Unwrap is the writer inside of w, nil if it shows none.
func Unwrap(w http.ResponseWriter) http.ResponseWriter {
	if outer, ok := w.(interface{ Unwrap() http.ResponseWriter }); ok {
		return outer.Unwrap()
	}
	return nil
}

// A Holder is a response writer that may keep the reply from its client, until
// it has seen the head.
type Holder interface {
	// HoldsReply reports whether the head is still to come.
	HoldsReply() bool
}

// HoldsReply reports whether there is such a writer on the way to the client.
func HoldsReply(w http.ResponseWriter) bool {
	for ; w != nil; w = Unwrap(w) {
		if h, ok := w.(Holder); ok && h.HoldsReply() {
			return true
		}
	}
	return false
}

// A Shortener is a response writer that may end the reply before its sender has.
type Shortener interface {
	// CutsShort reports whether the reply has ended, and whether in good order.
	CutsShort() (cut, clean bool)
}

// CutShort reports whether a reply has been ended on the way to the client before
// its sender has, and whether in good order. A sender that gives up then has
// nothing to abort.
func CutShort(w http.ResponseWriter) (cut, clean bool) {
	for ; w != nil; w = Unwrap(w) {
		if s, ok := w.(Shortener); ok {
			ended, inOrder := s.CutsShort()
			cut, clean = cut || ended, clean || inOrder
		}
	}
	return cut, clean
}

// recordsReply reports whether somebody on the way to the client keeps replies, to
// send others in their place, as the directive intercept does. Without a buffer a
// recorder only counts.
func recordsReply(w http.ResponseWriter) bool {
	for ; w != nil; w = Unwrap(w) {
		if recorder, ok := w.(caddyhttp.ResponseRecorder); ok && recorder.Buffer() != nil {
			return true
		}
	}
	return false
}

// An exchange is one request and the reply that HandBack gives to it.
type exchange struct {
	line   *StatusLine
	srv    *http.Server
	r      *http.Request
	method string // that the client sent
	body   []byte
	close  bool // the reply is the last on its connection
	limits WriteLimits
}

// finish writes the reply to the hijacked connection and settles what becomes
// of it.
func (x *exchange) finish(w http.ResponseWriter, conn net.Conn, brw *bufio.ReadWriter) error {
	settled := false
	defer func() {
		if !settled {
			_ = conn.Close() // also when a writer above panics
		}
	}()
	// for those who record the status or have operations on the header left to do
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

// lastRequest reports whether the request allows none after it.
func lastRequest(r *http.Request) bool {
	return expectsContinue(r) || r.Close
}

// sentMethod is the method that the client sent: Caddy's rewrite can set another,
// and the framing of the reply does not depend on that.
func sentMethod(r *http.Request) string {
	if original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return original.Method
	}
	return r.Method
}

// expectsContinue reports whether the client may hold its body back until it is
// told to go on. After a final reply nobody can tell whether the body still
// comes (RFC 9110 section 10.1.1), and to wait for it, as the server would,
// stalls: such a connection is closed.
func expectsContinue(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ProtoAtLeast(1, 1) && r.ContentLength != 0 &&
		httpguts.HeaderValuesContainsToken(r.Header["Expect"], "100-continue")
}

// CloseIfExpected asks the server to close the connection behind the reply when
// the client expects to be told to go on, and so to reply before the body has come.
// The client is told to close, too: net/http closes only when the body has come or
// Caddy's idle timeout for it is over.
func CloseIfExpected(w http.ResponseWriter, r *http.Request) {
	if expectsContinue(r) {
		w.Header().Set("Connection", "close")
	}
}

func saysClose(header http.Header) bool {
	return httpguts.HeaderValuesContainsToken(header["Connection"], "close")
}

// ShutsDown reports whether srv serves no more connections. Only an attempt to
// serve one tells.
func ShutsDown(srv *http.Server) bool {
	return errors.Is(srv.Serve(noListener{}), http.ErrServerClosed)
}

// noListener has no connection to accept.
type noListener struct{}

func (noListener) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (noListener) Close() error              { return nil }
func (noListener) Addr() net.Addr            { return &net.TCPAddr{} }

// drained reads the request's body to its end, so that the next byte is the
// next request's, and reports whether it got there. It waits for the client no
// longer than the server's idle timeout.
func drained(r *http.Request) bool {
	body, known := originalBody(r)
	if !known {
		return false
	}
	_, err := io.CopyN(io.Discard, body, maxDrain+1)
	return err == io.EOF //nolint:errorlint // nothing else is an end
}

// originalBody is the body as it comes on the connection, if it is known. Some
// middleware puts another in its place (request_body can): to take the end of
// that for the end of the request would let a client smuggle a request in its
// body. Caddy's idle timeouts hold the original, and remember its end when it
// has been closed since; without them net/http's own type proves it.
func originalBody(r *http.Request) (io.Reader, bool) {
	if original, _ := caddyhttp.IdleTimeoutsFromContext(r.Context()); original != nil {
		return original, true
	}
	length := r.Header.Get("Content-Length")
	if r.ContentLength == 0 && len(r.TransferEncoding) == 0 && (length == "" || length == "0") {
		return http.NoBody, true
	}
	return r.Body, fmt.Sprintf("%T", r.Body) == "*http.body"
}

// WriteLimits are the server's timeouts for writing a reply; zero is none.
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

// Next is the deadline for the next piece.
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
