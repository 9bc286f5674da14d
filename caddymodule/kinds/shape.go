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

// noLength is the reason of a reply that passed because it does not say how
// long it is.
const noLength = "no_length"

// A shaper decides in which form the body of one reply goes out.
type shaper interface {
	// begin is told of the head of a reply that may have a body, and may change
	// its fields. The length is -1 when the reply does not say it, as that of
	// an upgraded connection. It returns false to leave the reply alone.
	begin(header http.Header, length int64) bool

	// write sends a part of the body. It must keep nothing of p.
	write(o *outlet, p []byte) (int, error)
}

// A readShaper also shapes what comes from the client on an upgraded
// connection.
type readShaper interface {
	read(o *outlet, src io.Reader, p []byte) (int, error)
}

// An outlet is where the bytes of a shaper go: to a response writer, or to the
// connection that it has become.
type outlet struct {
	io.Writer
	flush func() error
	ctx   context.Context
	hit   *faults.Hit
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

// A shapeWriter hands the body of a reply to a shaper. It leaves interim
// replies alone, and replies that have no body.
type shapeWriter struct {
	caddyhttp.ResponseWriterWrapper // towards the client

	shaper    shaper
	r         *http.Request
	out       outlet
	cancel    context.CancelFunc // ends the waits of the outlet
	wroteHead bool
	shaped    bool
	upgraded  bool
}

// newShapeWriter wraps w for one reply to r; the caller calls cancel when the
// Reply is over.
func newShapeWriter(hit *faults.Hit, w http.ResponseWriter, r *http.Request, s shaper) *shapeWriter {
	ctx, cancel := context.WithCancel(r.Context())
	return &shapeWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		shaper:                s,
		r:                     r,
		cancel:                cancel,
		out: outlet{
			Writer: w,
			flush:  http.NewResponseController(w).Flush,
			ctx:    ctx,
			hit:    hit,
		},
	}
}

// serveShaped calls next with a writer that shapes its reply.
func serveShaped(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, s shaper) error {
	sw := newShapeWriter(hit, w, r, s)
	defer sw.cancel()
	return next.ServeHTTP(sw, r)
}

// WriteHeader shows the final head to the shaper. An interim one may come from
// a goroutine of the upstream's transport and touches no state.
func (sw *shapeWriter) WriteHeader(code int) {
	if wire.Interim(code) {
		sw.ResponseWriter.WriteHeader(code)
		return
	}
	first := !sw.wroteHead
	if first {
		sw.wroteHead = true
		sw.upgraded = code == http.StatusSwitchingProtocols
		if sw.r.Method != http.MethodHead && code != http.StatusNoContent && code != http.StatusNotModified {
			sw.shaped = !sw.out.ended() && sw.shaper.begin(sw.Header(), sw.length())
		}
	}
	sw.ResponseWriter.WriteHeader(code)
	if c, ok := sw.shaper.(interface{ headSent() }); ok && first && sw.shaped {
		c.headSent()
	}
}

// length is what the head says of the body's length, -1 if nothing.
func (sw *shapeWriter) length() int64 {
	length, err := strconv.ParseInt(sw.Header().Get("Content-Length"), 10, 64)
	if err != nil || length < 0 || sw.upgraded {
		return -1
	}
	return length
}

// implicitHead writes the head of a reply that has none of its own.
func (sw *shapeWriter) implicitHead() {
	if !sw.wroteHead {
		sw.WriteHeader(http.StatusOK)
	}
}

// Write hands a part of the body to the shaper.
func (sw *shapeWriter) Write(p []byte) (int, error) {
	sw.implicitHead()
	if !sw.shaped {
		return sw.ResponseWriter.Write(p)
	}
	return sw.shaper.write(&sw.out, p)
}

// ReadFrom leaves the copying to the writer further out, unless the bytes are
// shaped: then none may go past Write.
func (sw *shapeWriter) ReadFrom(src io.Reader) (int64, error) {
	sw.implicitHead()
	if !sw.shaped {
		return sw.ResponseWriterWrapper.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{sw}, src)
}

// FlushError sends what has been written, which may be a head only.
func (sw *shapeWriter) FlushError() error {
	sw.implicitHead()
	return http.NewResponseController(sw.ResponseWriter).Flush()
}

// HoldsReply reports whether the head is still to come, so that nobody writes a
// reply past the shaper.
func (sw *shapeWriter) HoldsReply() bool { return !sw.wroteHead }

// CutsShort reports whether the shaper has ended the reply in good order.
func (sw *shapeWriter) CutsShort() bool {
	c, ok := sw.shaper.(*cutter)
	return ok && c.f.End == endClean && c.isCut()
}

// Hijack hands over the connection; an upgraded one stays shaped.
func (sw *shapeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(sw.ResponseWriter).Hijack()
	if err != nil || !sw.shaped {
		return conn, brw, err
	}
	if !sw.upgraded {
		if c, ok := sw.shaper.(interface{ takenOver() }); ok {
			c.takenOver()
		}
		return conn, brw, nil
	}
	shaped := &shapedConn{Conn: conn, shaper: sw.shaper, out: sw.out, cancel: sw.cancel}
	shaped.out.Writer, shaped.out.flush = conn, func() error { return nil }
	if c, ok := sw.shaper.(interface{ hijacked(conn net.Conn) }); ok {
		c.hijacked(conn)
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
	shaper shaper
	cancel context.CancelFunc

	mu  sync.Mutex // the ends of a tunnel may both write, at its close
	out outlet
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
	return c.shaper.write(&c.out, p)
}

// Read takes bytes from the client.
func (c *shapedConn) Read(p []byte) (int, error) {
	if s, ok := c.shaper.(readShaper); ok {
		return s.read(&c.out, c.Conn, p)
	}
	return c.Conn.Read(p)
}

// Close also ends the waits.
func (c *shapedConn) Close() error {
	c.cancel()
	if s, ok := c.shaper.(interface{ closeConn(conn net.Conn) error }); ok {
		return s.closeConn(c.Conn)
	}
	return c.Conn.Close()
}

// NetConn is the connection inside.
func (c *shapedConn) NetConn() net.Conn { return c.Conn }

// errCut is what the sender of a reply is told when the reply has ended early.
var errCut = errors.New("the reply has been cut off by a fault")

// Interface guards
var (
	_ http.ResponseWriter = (*shapeWriter)(nil)
	_ io.ReaderFrom       = (*shapeWriter)(nil)
	_ http.Hijacker       = (*shapeWriter)(nil)
	_ wire.Holder         = (*shapeWriter)(nil)
	_ net.Conn            = (*shapedConn)(nil)
)
