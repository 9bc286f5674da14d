package wire

import (
	"net/http"
	"slices"
	"sync"
)

// MaxAhead is the size in bytes of the largest body that is read ahead. The bodies of most
// calls of an API are smaller, and many requests may be held at once.
const MaxAhead = 64 << 10

// firstAhead is how much memory is taken before anything has come.
const firstAhead = 2 << 10

// mayReadAhead reports whether the body of r can be read before anybody asks for it. Over
// HTTP/2 and HTTP/3 nothing is gained. A client that expects 100 Continue would be told
// to send its body. A reader may copy announced trailers before it reads the body, and
// net/http writes them at its end. After an upgrade, the body may not end.
func mayReadAhead(r *http.Request) bool {
	return r.ProtoMajor == 1 && r.ContentLength <= MaxAhead && !expectsContinue(r) &&
		len(r.Trailer) == 0 && len(r.Header["Upgrade"]) == 0
}

// ahead is what has been read of a body before its reader asked for it.
type ahead struct {
	mu   sync.Mutex
	more sync.Cond // changed: buf or done
	buf  []byte    // what the reader has not taken
	err  error     // after buf
	done bool      // nothing is added any more
}

// take returns a part of what has been read, and waits until there is one. If ok is false,
// all has been taken, and the body itself has the rest.
func (a *ahead) take(p []byte) (n int, ok bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.buf) == 0 && !a.done {
		a.more.Wait()
	}
	if len(a.buf) == 0 {
		return 0, a.err != nil, a.err
	}
	n = copy(p, a.buf)
	a.buf = a.buf[n:]
	return n, true, nil
}

// space returns memory for at most size bytes after buf. The reader may meanwhile take
// what is in buf.
func (a *ahead) space(size int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.buf) == cap(a.buf) {
		a.buf = slices.Grow(a.buf, min(size, max(len(a.buf), firstAhead)))
	}
	free := a.buf[len(a.buf):cap(a.buf)]
	return free[:min(len(free), size)]
}

// add makes the first n bytes of the space part of buf.
func (a *ahead) add(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.buf = a.buf[:len(a.buf)+n]
	a.more.Broadcast()
}

// finish says that nothing is added any more.
func (a *ahead) finish(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.err, a.done = err, true
	a.more.Broadcast()
}

// ReadAhead begins to read the body and returns at once. What is read is kept for the
// reader of the body. ReadAhead does nothing if the body is larger than [MaxAhead], if it
// is being read, or if that could change what the client or the reader sees.
//
// A fault calls it before it waits, because over HTTP/1 net/http notices that a client
// has left only after the body has been read.
func (b *LentBody) ReadAhead() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.early || b.whole || b.calls > 0 || !b.continues() {
		return
	}
	b.early = false
	b.ahead = new(ahead)
	b.ahead.more.L = &b.ahead.mu
	go b.fill(b.ahead)
}

// continues reports whether the body may be read ahead further.
func (b *LentBody) continues() bool { return !b.stopped && !b.closed && !b.ended }

// fill reads ahead until it has more than MaxAhead bytes, which shows that the body is
// larger, or until the end of the body.
func (b *LentBody) fill(a *ahead) {
	var err error
	for size := 0; err == nil && size <= MaxAhead && b.enterAhead(); {
		var n int
		n, err = b.fetch(a.space(MaxAhead + 1 - size))
		a.add(n)
		size += n
		b.leave()
	}
	a.finish(err)
}

// enterAhead begins a call that reads ahead, unless it returns false.
func (b *LentBody) enterAhead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.continues() {
		return false
	}
	b.begin()
	return true
}

// End ends the reading ahead, because the handler is about to return. If a read is
// pending, net/http ends it after the reply.
func (b *LentBody) End() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}
