package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// A LentBody is the body of a request that is lent to an upstream. A goroutine of the
// upstream's transport reads it, possibly after the handler has returned. The body can
// be taken back from that reader.
type LentBody struct {
	body    io.ReadCloser
	closes  bool
	mu      sync.Mutex
	stopped bool
	calls   int           // pending; a transport may close the body while it reads
	busy    chan struct{} // closed when all calls have returned; otherwise nil
}

// LendBody returns the body of r for the upstream.
func LendBody(r *http.Request) *LentBody {
	return &LentBody{body: r.Body, closes: r.ProtoMajor != 1}
}

var errTakenBack = errors.New("a fault has taken back the body of the request")

// Read reads from the body unless it has been stopped.
func (b *LentBody) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, errTakenBack
	}
	defer b.leave()
	return b.body.Read(p)
}

// Close closes the body unless it has been stopped, because net/http then continues to
// read it. Over HTTP/1 it does nothing: net/http closes the body itself, and its rest
// may still be read.
func (b *LentBody) Close() error {
	if !b.closes || !b.enter() {
		return nil
	}
	defer b.leave()
	return b.body.Close()
}

func (b *LentBody) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	if b.calls++; b.calls == 1 {
		b.busy = make(chan struct{})
	}
	return true
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
	return b.lent.body.Read(p)
}

func (restOfBody) Close() error { return nil }

// Interface guards
var (
	_ io.ReadCloser = (*LentBody)(nil)
	_ http.Hijacker = (*takeoverWriter)(nil)
)
