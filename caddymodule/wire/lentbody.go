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

// A LentBody is the body of a request for an upstream that goes on reading it in
// a goroutine of its transport, maybe longer than its handler runs. It can be
// taken from whoever reads it.
type LentBody struct {
	body    io.ReadCloser
	closes  bool
	mu      sync.Mutex
	stopped bool
	calls   int           // under way: a transport may close the body while it reads it
	busy    chan struct{} // closed when all of them have returned; nil: there is none
}

// LendBody returns the body of r for the upstream.
func LendBody(r *http.Request) *LentBody {
	return &LentBody{body: r.Body, closes: r.ProtoMajor != 1}
}

var errTakenBack = errors.New("the request's body has been taken back by a fault")

// Read reads unless the body has been stopped.
func (b *LentBody) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, errTakenBack
	}
	defer b.leave()
	return b.body.Read(p)
}

// Close closes the body unless it has been stopped: net/http reads on in it. Over
// HTTP/1 it does nothing: net/http closes the body itself, and what is left of it
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

// Stop lets no further call in and interrupts those under way until they have
// returned. Once may not do: a call may just be setting a deadline of its own.
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

// stop lets no further call in and returns what tells of the end of those under
// way.
func (b *LentBody) stop() (busy <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	return b.busy
}

// Rest is what the upstream has not read, for a fault that reads the body when
// the upstream is not to have more of it: the first Read takes it back. Closing
// it does nothing.
func (b *LentBody) Rest() io.ReadCloser { return restOfBody{b} }

// TakeOver returns w, from which a connection can be taken over while the body is
// lent. Over HTTP/1 net/http waits for a read under way before it lets go of the
// connection, and Caddy moves the deadline that would end it.
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

// Read waits for the upstream's last call, which ends like any read of the body:
// with bytes, or when the client has left.
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
