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

// A shaper decides in which form the body of one reply goes out.
type shaper interface {
	// begin is told of the head of a reply, and of its length: 0 without a body, -1
	// when the head does not say it, as that of an upgraded connection. It confirms
	// the hit and may change the header, or it says why the reply passes and
	// returns false.
	begin(hit *faults.Hit, header http.Header, length int64) bool

	// write sends a part of the body. It must keep nothing of p.
	write(o *outlet, p []byte) (int, error)
}

// A lateShaper may find out at the end that it had nothing to do: a reply of
// unknown length was shorter than that.
type lateShaper interface {
	cameTooLate() bool
}

// A readShaper also shapes what comes from the client on an upgraded
// connection.
type readShaper interface {
	read(o *outlet, src io.Reader, p []byte) (int, error)
}

// An ender is a shaper that may end the reply before its sender does.
type ender interface {
	headSent()                     // tells it that the head has been sent
	takenOver()                    // tells it that a fault further in has the connection
	hijacked(conn net.Conn)        // tells it the connection of an upgraded reply
	closeConn(conn net.Conn) error // closes that for its user
	cutsShort() (cut, clean bool)  // as in wire.Shortener
}

// An outlet is where the bytes of a shaper go: to a response writer, or to the
// connection that it has become.
type outlet struct {
	io.Writer
	ctx context.Context
	hit *faults.Hit
}

// flush sends what a response writer keeps in a buffer.
func (o *outlet) flush() error {
	w, ok := o.Writer.(http.ResponseWriter)
	if !ok {
		return nil
	}
	return http.NewResponseController(w).Flush()
}

// wait blocks until d is over, the fault has ended or the client has left; only
// the last is an error.
func (o *outlet) wait(d time.Duration) error { return o.hit.Wait(o.ctx, d) }

// ended reports whether the rest is to go out as if there were no fault.
func (o *outlet) ended() bool { return o.hit.HasEnded() }

// send writes p and does not let it linger in a buffer.
func (o *outlet) send(p []byte) (int, error) {
	n, err := o.Write(p)
	if err == nil {
		_ = o.flush() // a connection that is gone shows at the next write
	}
	return n, err
}

// rest sends what remains of a part that has been written so far: the fault has
// ended, or there is more than was declared.
func (o *outlet) rest(written int, p []byte) (int, error) {
	if len(p) == 0 {
		return written, nil
	}
	n, err := o.Write(p)
	return written + n, err
}

// A shapedBody is a body on its way through a shaper.
type shapedBody struct {
	shaper shaper
	out    outlet
}

// Write hands a part to the shaper.
func (b *shapedBody) Write(p []byte) (int, error) { return b.shaper.write(&b.out, p) }

// A shapeWriter hands the body of a reply to a shaper. It leaves replies alone
// that have no body.
type shapeWriter struct {
	wire.HeadWriter // towards the client

	r        *http.Request
	body     shapedBody
	cancel   context.CancelFunc // ends the waits of the outlet
	upgraded bool
}

// newShapeWriter wraps w for one reply to r; the caller calls cancel when the
// reply has ended.
func newShapeWriter(hit *faults.Hit, w http.ResponseWriter, r *http.Request, s shaper) *shapeWriter {
	ctx, cancel := context.WithCancel(r.Context())
	sw := &shapeWriter{r: r, body: shapedBody{s, outlet{w, ctx, hit}}, cancel: cancel}
	sw.HeadWriter = wire.NewHeadWriter(w, sw)
	return sw
}

// serveShaped calls next with a writer that shapes its reply.
func serveShaped(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, s shaper) error {
	sw := newShapeWriter(hit, w, r, s)
	defer sw.cancel()
	return sw.serve(next, r)
}

// serve calls next, and counts a reply that has come to its end before the shaper
// could do anything to it.
func (sw *shapeWriter) serve(next caddyhttp.Handler, r *http.Request) error {
	err := next.ServeHTTP(sw, r)
	if err != nil || r.Context().Err() != nil || sw.body.out.ended() {
		return err
	}
	switch late, ok := sw.body.shaper.(lateShaper); {
	case sw.Tail == nil: // the server makes it an empty one
		sw.body.out.hit.Pass(passNoBody)
	case ok && sw.shapes() && late.cameTooLate():
		sw.body.out.hit.Pass(passShort)
	}
	return nil
}

// TakeHead shows the head to the shaper and sends it.
func (sw *shapeWriter) TakeHead(code int) {
	sw.upgraded = code == http.StatusSwitchingProtocols
	header, length := sw.ResponseWriter.Header(), int64(-1)
	switch {
	case sw.upgraded:
	case sw.r.Method == http.MethodHead || !allowsBody(code):
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

// lengthOf is what a header says of the body's length, -1 if nothing.
func lengthOf(header http.Header) int64 {
	length, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return -1
	}
	return length
}

// shapes reports whether the body goes through the shaper.
func (sw *shapeWriter) shapes() bool { return sw.Tail == &sw.body }

// CutsShort reports whether the shaper has ended the reply.
func (sw *shapeWriter) CutsShort() (cut, clean bool) {
	if e, ok := sw.body.shaper.(ender); ok {
		return e.cutsShort()
	}
	return false, false
}

// Hijack hands over the connection; an upgraded one stays shaped.
func (sw *shapeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	shapes := sw.shapes()
	conn, brw, err := sw.HeadWriter.Hijack()
	if err != nil || !shapes {
		return conn, brw, err
	}
	e, mayEnd := sw.body.shaper.(ender)
	if !sw.upgraded {
		if mayEnd {
			e.takenOver()
		}
		return conn, brw, nil
	}
	shaped := &shapedConn{Conn: conn, body: sw.body, cancel: sw.cancel}
	shaped.body.out.Writer = conn
	if mayEnd {
		e.hijacked(conn)
	}
	brw.Writer.Reset(shaped)
	buffered, _ := brw.Peek(brw.Reader.Buffered())
	brw.Reader.Reset(io.MultiReader(bytes.NewReader(bytes.Clone(buffered)), shaped))
	_, _ = brw.Peek(len(buffered)) // Reset has emptied the buffer, and some look there
	if half, ok := conn.(halfCloser); ok {
		return shapedHalfConn{shaped, half}, brw, nil
	}
	return shaped, brw, nil
}

// A halfCloser can end what it sends and go on reading.
type halfCloser interface{ CloseWrite() error }

// shapedHalfConn is a shaped connection that can.
type shapedHalfConn struct {
	*shapedConn
	halfCloser
}

// A shapedConn is the connection of a WebSocket or the like. Hiding the methods
// ReadFrom and WriteTo of the one inside is on purpose.
type shapedConn struct {
	net.Conn
	cancel context.CancelFunc

	mu   sync.Mutex // the ends of a tunnel may both write, at its close
	body shapedBody
}

// Write sends shaped bytes to the client. A second writer is the end of a tunnel,
// which says goodbye before it closes: it does not wait until all that came before
// has gone out in its time.
func (c *shapedConn) Write(p []byte) (int, error) {
	if !c.mu.TryLock() {
		c.cancel()
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	return c.body.Write(p)
}

// Read takes bytes from the client.
func (c *shapedConn) Read(p []byte) (int, error) {
	if s, ok := c.body.shaper.(readShaper); ok {
		return s.read(&c.body.out, c.Conn, p)
	}
	return c.Conn.Read(p)
}

// Close also ends the waits.
func (c *shapedConn) Close() error {
	c.cancel()
	if e, ok := c.body.shaper.(ender); ok {
		return e.closeConn(c.Conn)
	}
	return c.Conn.Close()
}

// NetConn is the connection inside.
func (c *shapedConn) NetConn() net.Conn { return c.Conn }

// errCut is what the sender of a reply is told when the reply has ended early.
var errCut = errors.New("the reply has been cut off by a fault")

// Interface guards
var (
	_ wire.HeadTaker = (*shapeWriter)(nil)
	_ wire.Shortener = (*shapeWriter)(nil)
	_ http.Hijacker  = (*shapeWriter)(nil)
	_ net.Conn       = (*shapedConn)(nil)
)
