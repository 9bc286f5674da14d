package kinds

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// The ways in which a cut reply can end.
const (
	endClose = "close"
	endReset = "reset"
	endClean = "clean"
)

// quicGrace is the time between the cut and the reset of an HTTP/3 stream. A reset
// discards bytes that have not been sent, and QUIC does not report when they have been
// sent.
const quicGrace = 100 * time.Millisecond

// A cutter ends a reply before its sender does. Shapers that cut embed it.
type cutter struct {
	end    string             // endClose, endReset or endClean; "" is endClose
	pause  wire.Pause         // between the cut and the end; nil: no pause
	out    *outlet            // where the reply goes to
	cancel context.CancelFunc // stops the sender

	begun  bool // a part of the body has been sent
	drains bool // the rest of the body is read and dropped

	mu    sync.Mutex
	cut   bool // the reply has been cut
	over  bool // the reply has ended
	timer *time.Timer
	conn  net.Conn // of an upgraded reply
}

// serve calls next with a writer that shapes the reply, and ends the reply if it has
// been cut. upstream is the request for next.
func (c *cutter) serve(sw *shapeWriter, next caddyhttp.Handler, upstream *http.Request) (err error) {
	c.out, c.cancel = &sw.body.out, sw.cancel
	defer func() {
		sw.cancel()
		if !c.settle() {
			return
		}
		// A proxy panics if it cannot finish a reply.
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
			panic(p)
		}
		err = c.finish(sw.ResponseWriter, sw.r)
	}()
	return sw.serve(next, upstream.WithContext(sw.body.out.ctx))
}

// headSent does nothing.
func (*cutter) headSent() {}

// drop handles bytes after the cut. It drops a short rest, and otherwise returns an
// error.
func (c *cutter) drop(p []byte) (int, error) {
	if !c.drains {
		return 0, errCut
	}
	return len(p), nil
}

// stop cuts the reply.
func (c *cutter) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopLocked()
}

// stopAs cuts the reply, which ends in this way.
func (c *cutter) stopAs(end string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end = end
	c.stopLocked()
}

func (c *cutter) stopLocked() {
	c.cut = true
	if !c.drains {
		c.cancel()
	}
}

// cutAfter cuts the reply when d has expired.
func (c *cutter) cutAfter(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer = time.AfterFunc(d, c.expire)
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
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cut, c.cut && c.end == endClean
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
	if r.Context().Err() != nil && c.end == endClean {
		return nil
	}
	switch {
	case r.Context().Err() != nil:
	case c.end == endClean:
		_ = c.out.flush()
	default:
		_ = letOut(w, c.begun)
		if cut, _ := wire.CutShort(w); cut { // what was held has reached the other fault's cut
			panic(http.ErrAbortHandler)
		}
	}
	c.wait(w, r)
	switch {
	case c.end == endClean:
		return nil
	case r.ProtoMajor == 1 && c.end == endReset:
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
func (c *cutter) hijacked(conn net.Conn, _ []byte) {
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
	case c.end == endReset:
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
