package kinds

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// A shaper decides how the body of one reply is sent.
type shaper interface {
	// begin is called with the head of a reply and the length of its body. The length
	// is 0 without a body, and -1 if the head does not say it, as for an upgraded
	// connection. begin confirms the hit and may change the header. Otherwise it says
	// why the reply passes and returns false.
	begin(hit *faults.Hit, header http.Header, length int64) bool

	// write sends a part of the body. It must not keep p.
	write(o *outlet, p []byte) (int, error)
}

// A lateShaper can find out at the end of a reply that it had no effect: the reply,
// whose length was unknown, was too short.
type lateShaper interface {
	cameTooLate() bool
}

// A readShaper also shapes the bytes of the client on an upgraded connection.
type readShaper interface {
	read(o *outlet, src io.Reader, p []byte) (int, error)
}

// A turnShaper may also send when its sender does not. It flushes in turn.
type turnShaper interface {
	flush(o *outlet) error
}

// A breakShaper holds a part of the reply. It sends that part before a fault further in
// breaks the reply off.
type breakShaper interface {
	breakOff()
}

// An ender is a shaper that can end the reply before its sender does.
type ender interface {
	headSent()                            // is called after the head has been sent
	takenOver()                           // is called if a fault further in has hijacked the connection
	hijacked(conn net.Conn, early []byte) // is called with the connection of an upgraded reply, and what its client has already sent
	closeConn(conn net.Conn) error        // closes that connection for its user
	cutsShort() (cut, clean bool)         // as in wire.Shortener
}

// An outlet is the destination of a shaper: a response writer, or the connection after
// an upgrade.
type outlet struct {
	io.Writer
	ctx context.Context
	hit *faults.Hit
}

// flush sends the bytes that a response writer has buffered.
func (o *outlet) flush() error {
	w, ok := o.Writer.(http.ResponseWriter)
	if !ok {
		return nil
	}
	return http.NewResponseController(w).Flush()
}

// wait blocks until d has expired, the fault has ended or the client has left. It
// returns an error only if the client has left.
func (o *outlet) wait(d time.Duration) error { return o.hit.Wait(o.ctx, d) }

// ended reports whether the fault has ended and the rest is sent unchanged.
func (o *outlet) ended() bool { return o.hit.HasEnded() }

// send writes p and flushes it.
func (o *outlet) send(p []byte) (int, error) {
	n, err := o.Write(p)
	if err == nil {
		_ = o.flush() // an error appears again in the next write
	}
	return n, err
}

// rest sends p, the rest of a part of which written bytes have been sent: the fault has
// ended, or the body is longer than declared.
func (o *outlet) rest(written int, p []byte) (int, error) {
	if len(p) == 0 {
		return written, nil
	}
	n, err := o.Write(p)
	return written + n, err
}

// A shapedBody sends a body through a shaper.
type shapedBody struct {
	shaper shaper
	out    outlet
}

// Write passes a part to the shaper.
func (b *shapedBody) Write(p []byte) (int, error) { return b.shaper.write(&b.out, p) }

// FlushError sends what has been written.
func (b *shapedBody) FlushError() error {
	if s, ok := b.shaper.(turnShaper); ok {
		return s.flush(&b.out)
	}
	return b.out.flush()
}

// A shapeWriter sends the body of a reply through a shaper. It does not change replies
// without a body.
type shapeWriter struct {
	wire.HeadWriter // the client's side

	r      *http.Request
	body   shapedBody
	cancel context.CancelFunc // ends the waits of the outlet
	code   int                // of the head
}

// newShapeWriter wraps w for one reply to r. The caller must call cancel when the reply
// has ended.
func newShapeWriter(hit *faults.Hit, w http.ResponseWriter, r *http.Request, s shaper) *shapeWriter {
	ctx, cancel := context.WithCancel(r.Context())
	sw := &shapeWriter{r: r, body: shapedBody{s, outlet{w, ctx, hit}}, cancel: cancel}
	sw.HeadWriter = wire.NewHeadWriter(w, sw)
	return sw
}

// serveShaped calls next with a writer that shapes the reply.
func serveShaped(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, s shaper) error {
	sw := newShapeWriter(hit, w, r, s)
	defer sw.cancel()
	return sw.serve(next, r)
}

// serve calls next, and counts a reply that ended before the shaper had an effect.
func (sw *shapeWriter) serve(next caddyhttp.Handler, r *http.Request) error {
	err := next.ServeHTTP(sw, r)
	if err != nil || r.Context().Err() != nil || sw.body.out.ended() {
		return err
	}
	switch late, ok := sw.body.shaper.(lateShaper); {
	case sw.Tail == nil: // the server sends an empty reply
		sw.body.shaper.begin(sw.body.out.hit, sw.ResponseWriter.Header(), 0)
	case ok && sw.shapes() && late.cameTooLate():
		sw.body.out.hit.Pass(passShort)
	}
	return nil
}

// TakeHead calls begin with the head, then sends it.
func (sw *shapeWriter) TakeHead(code int) {
	sw.code = code
	header, length := sw.ResponseWriter.Header(), int64(-1)
	switch {
	case sw.upgraded():
	case wire.SentHead(sw.r) || !allowsBody(code):
		length = 0
	default:
		length = lengthOf(header)
	}
	if !sw.body.out.ended() && sw.body.shaper.begin(sw.body.out.hit, header, length) {
		sw.Tail = &sw.body
	}
	sw.ResponseWriter.WriteHeader(code)
	if e, ok := sw.body.shaper.(ender); ok && sw.shapes() {
		e.headSent()
	}
}

// lengthOf returns the Content-Length of a header, or -1 if it has no valid one.
func lengthOf(header http.Header) int64 {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return -1
	}
	return length
}

// upgraded reports whether the reply has become a connection.
func (sw *shapeWriter) upgraded() bool { return sw.code == http.StatusSwitchingProtocols }

// shapes reports whether the body goes through the shaper.
func (sw *shapeWriter) shapes() bool { return sw.Tail == &sw.body }

// CutsShort reports whether the shaper has ended the reply.
func (sw *shapeWriter) CutsShort() (cut, clean bool) {
	if e, ok := sw.body.shaper.(ender); ok {
		return e.cutsShort()
	}
	return false, false
}

// breakOff sends what the shaper holds.
func (sw *shapeWriter) breakOff() {
	if s, ok := sw.body.shaper.(breakShaper); ok {
		s.breakOff()
	}
}

// Hijack returns the connection. An upgraded connection stays shaped.
func (sw *shapeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	shapes := sw.shapes()
	conn, brw, err := sw.HeadWriter.Hijack()
	if err != nil || !shapes {
		return conn, brw, err
	}
	e, mayEnd := sw.body.shaper.(ender)
	if !sw.upgraded() {
		if mayEnd {
			e.takenOver()
		}
		return conn, brw, nil
	}
	shaped := &shapedConn{Conn: conn, body: sw.body, cancel: sw.cancel}
	shaped.body.out.Writer = conn
	buffered, _ := brw.Peek(brw.Reader.Buffered())
	if mayEnd {
		e.hijacked(conn, buffered)
	}
	brw.Writer.Reset(shaped)
	brw.Reader.Reset(io.MultiReader(bytes.NewReader(bytes.Clone(buffered)), shaped))
	_, _ = brw.Peek(len(buffered)) // Reset emptied the buffer, and some callers read it
	if half, ok := conn.(halfCloser); ok {
		return shapedHalfConn{shaped, half}, brw, nil
	}
	return shaped, brw, nil
}

// A halfCloser can close its sending side and continue to read.
type halfCloser interface{ CloseWrite() error }

// shapedHalfConn is a shaped connection with CloseWrite.
type shapedHalfConn struct {
	*shapedConn
	halfCloser
}

// CloseWrite sends what the shaper holds, then closes the sending side.
func (c shapedHalfConn) CloseWrite() error {
	c.letOut()
	return c.halfCloser.CloseWrite()
}

// A shapedConn is an upgraded connection, such as a WebSocket. It deliberately hides
// the methods ReadFrom and WriteTo of the inner connection.
type shapedConn struct {
	net.Conn
	cancel context.CancelFunc

	mu   sync.Mutex // when a tunnel closes, both of its ends may write
	body shapedBody
}

// Write sends shaped bytes to the client. If another Write is still waiting, this one
// is the last message of a tunnel that closes. It does not wait until everything before
// it has been sent at its pace.
func (c *shapedConn) Write(p []byte) (int, error) {
	if !c.mu.TryLock() {
		c.cancel()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	return c.body.Write(p)
}

// Read reads bytes from the client.
func (c *shapedConn) Read(p []byte) (int, error) {
	if s, ok := c.body.shaper.(readShaper); ok {
		return s.read(&c.body.out, c.Conn, p)
	}
	return c.Conn.Read(p)
}

// letOut sends what the shaper holds when the sender has ended. While a Write runs, the
// user has given up.
func (c *shapedConn) letOut() {
	if s, ok := c.body.shaper.(breakShaper); ok && c.mu.TryLock() {
		s.breakOff()
		c.mu.Unlock()
	}
}

// Close closes the connection and ends the waits.
func (c *shapedConn) Close() error {
	c.letOut()
	c.cancel()
	if e, ok := c.body.shaper.(ender); ok {
		return e.closeConn(c.Conn)
	}
	return c.Conn.Close()
}

// NetConn returns the inner connection.
func (c *shapedConn) NetConn() net.Conn { return c.Conn }

// errCut is the error for the sender of a reply that has been cut.
var errCut = errors.New("the reply has been cut by a fault")

// Interface guards
var (
	_ wire.HeadTaker = (*shapeWriter)(nil)
	_ wire.Shortener = (*shapeWriter)(nil)
	_ http.Hijacker  = (*shapeWriter)(nil)
	_ net.Conn       = (*shapedConn)(nil)
)
