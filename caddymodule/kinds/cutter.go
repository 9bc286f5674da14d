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
	// maxRest is how much of a reply that has been shortened cleanly is taken
	// from the upstream and dropped, for the sake of its connection.
	maxRest = 1 << 20

	// quicGrace is how long a stream of HTTP/3 lives on after the cut: a reset
	// stream forgets what it has to send, and nothing tells when it is sent.
	quicGrace = 100 * time.Millisecond
)

// A cutter is the shaper of one truncated reply.
type cutter struct {
	f      *Truncate
	pause  wire.Pause // between the place of the cut and the end; nil for none
	out    *outlet
	cancel context.CancelFunc // makes the sender stop

	length int64 // of the whole body, -1 if unknown
	limit  int64 // how much of it passes, -1 for all
	sent   int64
	mended bool // the head promises no more than limit
	closes bool // over HTTP/1.0, where the end of the connection may be that of the body

	mu    sync.Mutex
	cut   bool // the reply is to end here
	over  bool // the reply has ended by itself
	timer *time.Timer
	conn  net.Conn // of an upgraded reply
}

// begin finds the place of the cut.
func (c *cutter) begin(hit *faults.Hit, header http.Header, length int64) bool {
	c.length, c.limit = length, c.f.limit(length)
	if reason := c.unfit(header); reason != "" {
		hit.Pass(reason)
		return false
	}
	if c.f.Percent != nil && length < 0 {
		hit.Pass(passNoLength) // it is cut by the time
	}
	hit.Confirm()
	if c.f.End == endClean {
		c.mend(header)
	}
	if c.f.End == endClean || c.closes && length < 0 { // no cache can tell that it is incomplete (RFC 9111 section 3.3)
		uncache(header)
	}
	return true
}

// unfit tells why the reply is not cut; "" says that it may be.
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

// headSent starts the time of the reply. It must not run out before: a fault
// further out may abort the request when it sees the head, and that panic is not
// one of a sender that has been cut.
func (c *cutter) headSent() {
	if c.f.After == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(time.Duration(c.f.After), c.expire)
}

// partial reports whether the head tells which parts of a whole the body has.
func partial(header http.Header) bool {
	return len(header["Content-Range"]) > 0 || slices.ContainsFunc(header["Content-Type"], func(line string) bool {
		return strings.HasPrefix(strings.ToLower(line), "multipart/byteranges")
	})
}

// mend makes the head one of the shorter body.
func (c *cutter) mend(header http.Header) {
	dropValidators(header)
	switch {
	case c.f.After > 0:
		header.Del("Content-Length") // nobody knows it
	case c.length >= 0:
		header.Set("Content-Length", strconv.FormatInt(c.limit, 10))
	}
	c.mended = c.f.After == 0 && c.length >= 0
}

// write lets bytes pass up to the limit.
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

// drop takes what comes after the cut: nothing, or a little that can be thrown
// away.
func (c *cutter) drop(p []byte) (int, error) {
	if !c.swallows() {
		return 0, errCut
	}
	return len(p), nil
}

// swallows reports whether the rest of the body is taken. It has to be short,
// and known to end.
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

// expire cuts a reply whose time is over. It runs in a goroutine of its own,
// while the sender may be waiting for its upstream or for the client.
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

// cutsShort reports whether the reply has been cut, and whether in good order.
func (c *cutter) cutsShort() (cut, clean bool) {
	cut = c.isCut()
	return cut, cut && c.f.End == endClean
}

// settle ends the time of the reply and reports whether it has been cut.
func (c *cutter) settle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if c.timer != nil {
		c.timer.Stop()
	}
	return c.cut
}

// finish ends a reply that has been cut, when its sender has given up. If a fault
// further out has cut it as well, that one decides how it ends.
func (c *cutter) finish(w http.ResponseWriter, r *http.Request) error {
	if cut, _ := wire.CutShort(w); cut {
		if c.conn != nil {
			_ = c.conn.Close() // by way of that one
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

// wait pauses behind the cut. Over HTTP/1 it takes the connection over and closes
// it: net/http may have given up a body that nobody has read, and no longer looks
// whether the client is still there.
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

// hijacked notes the connection of an upgraded reply.
func (c *cutter) hijacked(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conn = conn
	if c.cut {
		_ = c.endConn(conn)
	}
}

// takenOver notes that a fault further in has taken the connection over: it ends
// the reply, and there is nothing left to cut.
func (c *cutter) takenOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over, c.cut = true, false
}

// closeConn closes that connection for its user, who does so after the cut as
// well.
func (c *cutter) closeConn(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return c.endConn(conn)
	}
	return conn.Close()
}

// endConn makes the user of the connection let go of it, and breaks it unless
// there is a pause to come.
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

// finishConn ends an upgraded connection behind the pause.
func (c *cutter) finishConn(r *http.Request) {
	if c.pause != nil {
		defer c.conn.Close()
		wire.DropInput(r.Context(), c.conn, c.pause)
	}
}

// Interface guards
var _ ender = (*cutter)(nil)
