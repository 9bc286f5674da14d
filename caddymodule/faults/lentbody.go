package faults

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// A LentBody is the body of a request for an upstream that goes on reading it in
// a goroutine of its transport, maybe longer than its handler runs. It can be
// taken from whoever reads it.
type LentBody struct {
	body    io.ReadCloser
	mu      sync.Mutex
	stopped bool
	busy    chan struct{} // closed when the call under way returns; nil: none is
}

// LendBody returns the body of r for the upstream.
func LendBody(r *http.Request) *LentBody { return &LentBody{body: r.Body} }

var errTakenBack = errors.New("the request's body has been taken back by a fault")

// Read reads unless the body has been stopped.
func (b *LentBody) Read(p []byte) (int, error) {
	if !b.enter() {
		return 0, errTakenBack
	}
	defer b.leave()
	return b.body.Read(p)
}

// Close closes the body unless it has been stopped: net/http reads on in it.
func (b *LentBody) Close() error {
	if !b.enter() {
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
	b.busy = make(chan struct{})
	return true
}

func (b *LentBody) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.busy)
	b.busy = nil
}

// Stop lets no further call in and interrupts the one under way until it has
// returned. Once may not do: the call may just be setting a deadline of its own.
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

// stop lets no further call in and returns the one under way.
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
var _ io.ReadCloser = (*LentBody)(nil)
