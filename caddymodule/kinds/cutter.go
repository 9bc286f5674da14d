package kinds

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

const (
	// maxRest limits how much of the rest of a cleanly cut reply is read from the
	// upstream and dropped. Reading the rest keeps the upstream's connection usable.
	maxRest = 1 << 20

	// quicGrace is the time between the cut and the reset of an HTTP/3 stream. A reset
	// discards bytes that have not been sent, and QUIC does not report when they have
	// been sent.
	quicGrace = 100 * time.Millisecond
)

// A cutter is the shaper of one truncated reply.
type cutter struct {
	f      *Truncate
	pause  wire.Pause // between the cut and the end; nil: no pause
	out    *outlet
	cancel context.CancelFunc // stops the sender

	length int64 // of the whole body, -1 if unknown
	limit  int64 // how much of it is sent, -1 for all
	sent   int64
	mended bool // the head promises limit bytes and no more
	closes bool // over HTTP/1.0, where closing the connection can mean the end of the body

	mu    sync.Mutex
	cut   bool // the reply has been cut
	over  bool // the reply has ended
	timer *time.Timer
	conn  net.Conn // of an upgraded reply
}

// begin determines the place of the cut.
func (c *cutter) begin(hit *faults.Hit, header http.Header, length int64) bool {
	c.length, c.limit = length, c.f.limit(length)
	if reason := c.unfit(header); reason != "" {
		hit.Pass(reason)
		return false
	}
	if c.f.Percent != nil && length < 0 {
		hit.Pass(passNoLength) // it is cut by time only
	}
	hit.Confirm()
	if c.f.End == endClean {
		c.mend(header)
	}
	if c.f.End == endClean || c.closes && length < 0 { // a cache cannot tell that the reply is incomplete (RFC 9111, section 3.3)
		uncache(header)
	}
	return true
}

// unfit returns why the reply is not cut, or "" if it is cut.
func (c *cutter) unfit(header http.Header) string {
	byTime := c.f.After > 0
	switch {
	case c.length == 0:
		return passNoBody
	case c.f.Percent != nil && c.length < 0 && !byTime:
		return passNoLength
	case c.limit < 0 && !byTime:
		return passShort
	case c.f.End == endClean && partial(header):
		return passPartial
	}
	return ""
}

// cameTooLate reports whether the reply has ended before the cut.
func (c *cutter) cameTooLate() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.cut && !c.over
}

// headSent starts the timer of the cut. The timer must not expire before the head is
// sent. A fault further out can panic when it sees the head. That panic must not look
// like one of a sender that has been cut.
func (c *cutter) headSent() {
	if c.f.After == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(time.Duration(c.f.After), c.expire)
}

// partial reports whether the head says that the body is a part of a whole.
func partial(header http.Header) bool {
	return len(header["Content-Range"]) > 0 || slices.ContainsFunc(header["Content-Type"], func(line string) bool {
		return strings.HasPrefix(strings.ToLower(line), "multipart/byteranges")
	})
}

// mend adjusts the head to the shorter body.
func (c *cutter) mend(header http.Header) {
	dropValidators(header)
	switch {
	case c.f.After > 0:
		header.Del("Content-Length") // the new length is not known
	case c.length >= 0:
		header.Set("Content-Length", strconv.FormatInt(c.limit, 10))
	}
	c.mended = c.f.After == 0 && c.length >= 0
}

// write passes bytes on up to the limit.
func (c *cutter) write(o *outlet, p []byte) (int, error) {
	if c.isCut() {
		return c.drop(p)
	}
	pass := p
	if c.limit >= 0 && (c.mended || !o.ended()) {
		pass = p[:min(int64(len(p)), max(0, c.limit-c.sent))]
	}
	n, err := o.Write(pass)
	if c.sent += int64(n); err != nil {
		return n, err
	}
	if len(pass) == len(p) && (c.sent != c.limit || c.length < 0) {
		return n, nil
	}
	_ = o.flush()
	c.stop()
	if len(pass) == len(p) {
		return n, nil
	}
	m, err := c.drop(p[n:])
	return n + m, err
}

// drop handles bytes after the cut. It drops a short rest, and otherwise returns an
// error.
func (c *cutter) drop(p []byte) (int, error) {
	if !c.swallows() {
		return 0, errCut
	}
	return len(p), nil
}

// swallows reports whether the rest of the body is read and dropped. The rest must be
// short and of known length.
func (c *cutter) swallows() bool { return c.mended && c.length-c.limit <= maxRest }

// stop cuts the reply.
func (c *cutter) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopLocked()
}

func (c *cutter) stopLocked() {
	c.cut = true
	if !c.swallows() {
		c.cancel()
	}
}

// expire cuts a reply whose time has expired. It runs in its own goroutine. The sender
// may be waiting for its upstream or for the client.
func (c *cutter) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.cut || c.out.ended() {
		return
	}
	c.stopLocked()
	if c.conn != nil {
		_ = c.endConn(c.conn)
	}
}

func (c *cutter) isCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut
}

// cutsShort reports whether the reply has been cut, and whether the cut is clean.
func (c *cutter) cutsShort() (cut, clean bool) {
	cut = c.isCut()
	return cut, cut && c.f.End == endClean
}

// settle stops the timer and reports whether the reply has been cut.
func (c *cutter) settle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	return c.cut
}

// finish ends a reply that has been cut, after its sender has given up. If a fault
// further out has also cut the reply, that fault decides how the reply ends.
func (c *cutter) finish(w http.ResponseWriter, r *http.Request) error {
	if cut, _ := wire.CutShort(w); cut {
		if c.conn != nil {
			_ = c.conn.Close() // through the other fault's connection
		}
		panic(http.ErrAbortHandler)
	}
	if c.conn != nil {
		c.finishConn(r)
		return nil
	}
	if r.Context().Err() != nil && c.f.End == endClean {
		return nil
	}
	switch {
	case r.Context().Err() != nil:
	case c.f.End == endClean:
		_ = c.out.flush()
	default:
		_ = letOut(w, c.sent > 0)
	}
	c.wait(w, r)
	switch {
	case c.f.End == endClean:
		return nil
	case r.ProtoMajor == 1 && c.f.End == endReset:
		wire.ResetConn(w)
	case r.ProtoMajor == 1:
		wire.CloseInOrder(w, r)
	case r.ProtoMajor == 3:
		_ = c.out.hit.Wait(r.Context(), quicGrace)
	}
	panic(http.ErrAbortHandler)
}

// wait pauses after the cut. Over HTTP/1 it hijacks the connection and closes it.
// Otherwise net/http may have given up reading the request's body, and would not notice
// that the client leaves.
func (c *cutter) wait(w http.ResponseWriter, r *http.Request) {
	if c.pause == nil {
		return
	}
	if r.ProtoMajor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			wire.DropInput(r.Context(), conn, c.pause)
			wire.LingerAfter(conn, r)
			panic(http.ErrAbortHandler)
		}
	}
	c.pause(r.Context())
}

// hijacked stores the connection of an upgraded reply.
func (c *cutter) hijacked(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.cut {
		_ = c.endConn(conn)
	}
}

// takenOver records that a fault further in has hijacked the connection. That fault
// ends the reply, and nothing is left to cut.
func (c *cutter) takenOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.cut = true, false
}

// closeConn closes the connection of an upgraded reply for its user. The user closes
// the connection after a cut as well.
func (c *cutter) closeConn(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return c.endConn(conn)
	}
	return conn.Close()
}

// endConn makes the user of the connection give up. It also breaks the connection,
// unless a pause follows.
func (c *cutter) endConn(conn net.Conn) error {
	switch {
	case c.pause != nil:
		return conn.SetDeadline(time.Unix(1, 0))
	case c.f.End == endReset:
		wire.ResetConn(wire.Hijackable{Conn: conn})
		return nil
	default:
		return conn.Close()
	}
}

// finishConn pauses, then closes an upgraded connection.
func (c *cutter) finishConn(r *http.Request) {
	if c.pause != nil {
		defer c.conn.Close()
		wire.DropInput(r.Context(), c.conn, c.pause)
	}
}

// Interface guards
var _ ender = (*cutter)(nil)
