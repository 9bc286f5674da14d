package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// maxDropped is how much a fault reads and drops while it waits. It is enough to
// come to the end of most requests, and little enough for a client to feel that
// nobody takes its upload.
const maxDropped = 1 << 20

// lookEvery is how often a fault looks whether a client has left from which it
// reads no more.
const lookEvery = time.Second

// A Pause blocks until its time is over or ctx is done.
type Pause func(ctx context.Context)

// DropInput pauses with a connection that is nobody else's. It reads and drops
// what comes on it, of a body and after it, up to maxDropped, for only there it
// sees that the client has left: the pause is then over. net/http itself looks no
// further than the first byte after a request. The buffer is small since many may
// pause.
func DropInput(ctx context.Context, conn net.Conn, wait Pause) {
	if conn.SetReadDeadline(time.Time{}) != nil {
		return
	}
	if ctx.Err() != nil { // net/http takes an interrupted read of the body for the leaving of the client
		ctx = context.WithoutCancel(ctx)
	}
	ctx, left := context.WithCancel(ctx)
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer left()
		buf := make([]byte, 1<<10)
		for n := 0; n < maxDropped; {
			m, err := conn.Read(buf)
			if n += m; err != nil {
				return
			}
		}
		waitUntilGone(ctx, conn)
	}()
	wait(ctx)
	left()
	_ = conn.SetReadDeadline(time.Unix(1, 0))
	<-read
}

// waitUntilGone returns when the client of a connection that nobody reads is gone
// or ctx is done. What the client closes stands behind what has not been read.
// But an empty write, which sends nothing, fails as soon as the system knows of
// the end: at once after a RST, otherwise by TCP's own timeouts and keep-alive.
func waitUntilGone(ctx context.Context, conn net.Conn) {
	tcp := tcpConn(conn)
	if tcp == nil {
		<-ctx.Done()
		return
	}
	_ = tcp.SetWriteDeadline(time.Time{}) // one that is over would look like an end
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if _, err := tcp.Write(nil); err != nil {
			return
		}
	}
}

// A DroppedBody is the body of a request that is read and dropped, up to
// maxDropped, while a fault waits, where it cannot take the connection over: over
// HTTP/1 the leaving of a client is noticed only after the body.
type DroppedBody struct {
	Ctx  context.Context // of the request; also done when the client has left
	Stop func() (timedOut bool)
}

// DropBody begins to read the body of r. The caller calls stop before it
// returns, for what is below the handler does not expect another reader; it
// returns when nobody reads any more, and tells whether the server's own timeout
// has ended the request, which over HTTP/1 it does.
func DropBody(w http.ResponseWriter, r *http.Request) DroppedBody {
	if r.Body == nil || r.Body == http.NoBody {
		return DroppedBody{r.Context(), func() bool { return false }}
	}
	ctx, left := context.WithCancel(r.Context())
	read := make(chan struct{})
	var enough, late atomic.Bool
	go func() {
		defer close(read)
		var err error
		buf := make([]byte, 4<<10)
		for n := 0; err == nil && n < maxDropped && !enough.Load(); {
			var size int
			size, err = r.Body.Read(buf)
			n += size
		}
		late.Store(errors.Is(err, os.ErrDeadlineExceeded))
		if meansLeft(r, err) {
			left()
		}
	}()
	return DroppedBody{ctx, func() bool {
		defer left()
		over := r.Context().Err() != nil // net/http ends the request when it cannot read on
		enough.Store(true)               // what has come already may be throttled on its way
		interruptBody(w, r, read)
		return over && late.Load()
	}}
}

// meansLeft reports whether an error of the body says that the client has left.
// Over HTTP/2 and HTTP/3 the request itself tells that.
func meansLeft(r *http.Request, err error) bool {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	return r.ProtoMajor == 1 && err != nil && !tooLarge && !errors.Is(err, io.EOF) &&
		!errors.Is(err, http.ErrBodyReadAfterClose) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// interruptBody makes the reading of the body return, which closes read. Over
// HTTP/1 closing the body would wait for the reader. A deadline in the past ends
// it, but not always at the first try: the reader may just be setting one of its
// own.
func interruptBody(w http.ResponseWriter, r *http.Request, read <-chan struct{}) {
	if r.ProtoMajor != 1 {
		_ = r.Body.Close()
		<-read
		return
	}
	rc := http.NewResponseController(w)
	for {
		select {
		case <-read:
			return
		default:
		}
		if rc.SetReadDeadline(time.Unix(1, 0)) != nil {
			return // the end of the connection will end it
		}
		select {
		case <-read:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
