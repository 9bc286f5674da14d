package wire

import (
	"bufio"
	"errors"
	"hash/maphash"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A LentBody is the body of a request that is not read by the handler. A goroutine of the
// upstream's transport reads it, possibly after the handler has returned. The body can
// be taken back from that reader, and be read ahead of it.
type LentBody struct {
	body   io.ReadCloser
	closes bool
	early  bool // may be read ahead

	mu      sync.Mutex
	stopped bool
	closed  bool
	ended   bool          // the handler has returned
	calls   int           // pending; a transport may close the body while it reads
	busy    chan struct{} // closed when all calls have returned; otherwise nil
	ahead   *ahead        // nil: nothing has been read ahead

	whole bool // has been read to its end
	size  int
	sum   *maphash.Hash // of what has been read; nil: not wanted, or too much
}

// LendBody returns the body of r for the upstream. With sum, [LentBody.Sum] returns a
// hash of the body.
func LendBody(r *http.Request, sum bool) *LentBody {
	b := &LentBody{body: r.Body, closes: r.ProtoMajor != 1, early: mayReadAhead(r)}
	if sum {
		b.sum = new(maphash.Hash)
		b.sum.SetSeed(sumSeed)
	}
	return b
}

// sumSeed is of this process. A hash of a body never leaves it.
var sumSeed = maphash.MakeSeed()

var errTakenBack = errors.New("a fault has taken back the body of the request")

// Read reads from the body unless it has been stopped or closed.
func (b *LentBody) Read(p []byte) (int, error) {
	if err := b.enter(); err != nil {
		return 0, err
	}
	defer b.leave()
	return b.read(p)
}

// read returns what has been read ahead, then reads from the body.
func (b *LentBody) read(p []byte) (int, error) {
	b.mu.Lock()
	a := b.ahead
	b.mu.Unlock()
	if a != nil {
		if n, ok, err := a.take(p); ok {
			return n, err
		}
	}
	return b.fetch(p)
}

// fetch reads from the body itself.
func (b *LentBody) fetch(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.whole = b.whole || err == io.EOF
	switch b.size += n; {
	case b.sum == nil:
	case b.size > MaxAhead:
		b.sum = nil
	default:
		_, _ = b.sum.Write(p[:n])
	}
	return n, err
}

// Whole reports whether the body has been read to its end. Only then does net/http
// notice over HTTP/1 that the client leaves.
func (b *LentBody) Whole() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.whole
}

// Sum returns a hash of a body of at most [MaxAhead] bytes that has been read to its end,
// else 0.
func (b *LentBody) Sum() uint64 {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sum == nil || !b.whole || b.size == 0 {
		return 0
	}
	return max(b.sum.Sum64(), 1)
}

// Close closes the body unless it has been stopped, because net/http then continues to
// read it. Over HTTP/1 it only ends the reading: net/http closes the body itself, and its
// rest may still be read.
func (b *LentBody) Close() error {
	if !b.closes {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.closed = true
		return nil
	}
	if b.enter() != nil {
		return nil
	}
	defer b.leave()
	return b.body.Close()
}

// enter begins a call, unless it returns an error.
func (b *LentBody) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.stopped:
		return errTakenBack
	case b.closed && b.whole:
		return io.EOF
	case b.closed:
		return http.ErrBodyReadAfterClose
	}
	b.begin()
	return nil
}

// begin begins a call. The caller holds the lock.
func (b *LentBody) begin() {
	if b.calls++; b.calls == 1 {
		b.busy = make(chan struct{})
	}
}

func (b *LentBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.calls--; b.calls == 0 {
		close(b.busy)
		b.busy = nil
	}
}

// Stop admits no further call and interrupts the pending calls until they have
// returned. It interrupts repeatedly, because a call may set its own deadline at the
// same time.
func (b *LentBody) Stop(interrupt func()) {
	for busy := b.stop(); busy != nil; {
		interrupt()
		select {
		case <-busy:
			busy = nil
		case <-time.After(time.Millisecond):
		}
	}
}

// stop admits no further call. It returns a channel that is closed when the pending
// calls have ended, or nil.
func (b *LentBody) stop() (busy <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	return b.busy
}

// Rest returns what the upstream has not read, for a fault that reads the body itself
// and keeps the rest from the upstream. The first Read takes the body back. Close does
// nothing.
func (b *LentBody) Rest() io.ReadCloser { return restOfBody{b} }

// TakeOver returns w as a writer that can take the connection over while the body is
// lent. Over HTTP/1, net/http waits for a pending read before it releases the
// connection, and Caddy moves the deadline that would end the read.
func (b *LentBody) TakeOver(w http.ResponseWriter) http.ResponseWriter {
	return &takeoverWriter{caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, b}
}

// takeoverWriter stops the reading of the body before a hijack.
type takeoverWriter struct {
	caddyhttp.ResponseWriterWrapper
	body *LentBody
}

// Hijack takes over the connection.
func (tw *takeoverWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	rc := http.NewResponseController(tw.ResponseWriter)
	tw.body.Stop(func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) })
	_ = rc.SetReadDeadline(time.Time{})
	return rc.Hijack()
}

type restOfBody struct{ lent *LentBody }

// Read waits for the last call of the upstream. That call ends like any read of the
// body, with bytes or when the client leaves.
func (b restOfBody) Read(p []byte) (int, error) {
	if busy := b.lent.stop(); busy != nil {
		<-busy
	}
	return b.lent.read(p)
}

func (restOfBody) Close() error { return nil }

// Interface guards
var (
	_ io.ReadCloser = (*LentBody)(nil)
	_ http.Hijacker = (*takeoverWriter)(nil)
)
