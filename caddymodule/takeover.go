package caddymodule

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

// lendBody prepares a request with a body for an upstream that goes on reading it
// in a goroutine of its transport, maybe longer than the handler runs. It returns
// the body for the upstream, the writer for the faults, and what takes the body
// back when the handler returns: Caddy counts there what has been read of it.
//
// Over HTTP/1 a fault may take the connection over meanwhile: net/http waits for
// a read under way before it lets go of the connection, and Caddy moves the
// deadline that would end it.
func lendBody(w http.ResponseWriter, r *http.Request) (body io.ReadCloser, writer http.ResponseWriter, takeBack func()) {
	if r.ContentLength == 0 || r.Body == nil {
		return r.Body, w, func() {}
	}
	lent := &stoppableBody{ReadCloser: r.Body}
	if r.ProtoMajor == 1 {
		return lent, &takeoverWriter{caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, lent}, func() {}
	}
	return lent, w, func() { lent.stop(func() { _ = lent.ReadCloser.Close() }) }
}

// takeoverWriter stops the reading of the body before a hijack.
type takeoverWriter struct {
	caddyhttp.ResponseWriterWrapper
	body *stoppableBody
}

// Hijack takes over the connection.
func (tw *takeoverWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	rc := http.NewResponseController(tw.ResponseWriter)
	tw.body.stop(func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) })
	_ = rc.SetReadDeadline(time.Time{})
	return rc.Hijack()
}

// stoppableBody is a request's body that can be taken from whoever reads it.
type stoppableBody struct {
	io.ReadCloser
	mu      sync.Mutex
	stopped bool
	busy    chan struct{} // closed when the call under way returns; nil: none is
}

var errTakenOver = errors.New("the connection has been taken over by a fault")

// Read reads unless the body has been stopped.
func (b *stoppableBody) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, errTakenOver
	}
	defer b.leave()
	return b.ReadCloser.Read(p)
}

// Close closes the body unless it has been stopped: net/http reads on in it.
func (b *stoppableBody) Close() error {
	if !b.enter() {
		return nil
	}
	defer b.leave()
	return b.ReadCloser.Close()
}

func (b *stoppableBody) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return false
	}
	b.busy = make(chan struct{})
	return true
}

func (b *stoppableBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.busy)
	b.busy = nil
}

// stop lets no further call in and interrupts the one under way until it has
// returned. Once may not do: the call may just be setting a deadline of its own.
func (b *stoppableBody) stop(interrupt func()) {
	b.mu.Lock()
	b.stopped = true
	busy := b.busy
	b.mu.Unlock()
	for busy != nil {
		interrupt()
		select {
		case <-busy:
			busy = nil
		case <-time.After(time.Millisecond):
		}
	}
}

// Interface guards
var (
	_ http.Hijacker = (*takeoverWriter)(nil)
	_ io.ReadCloser = (*stoppableBody)(nil)
)
