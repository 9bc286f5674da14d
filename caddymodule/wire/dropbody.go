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

// maxDropped is how much a fault reads and drops while it waits. It is enough to reach
// the end of most requests, and so little that a client with a large upload notices
// that its upload stalls.
const maxDropped = 1 << 20

// lookEvery is how often a fault that no longer reads from a client checks whether the
// client has left.
const lookEvery = time.Second

// A Pause blocks until its time has passed or ctx is done.
type Pause func(ctx context.Context)

// DropInput pauses while it owns conn. It reads and drops up to maxDropped bytes, of
// the body and after it, because only a read reveals that the client has left, which
// ends the pause. net/http itself reads only one byte beyond the request. The buffer is
// small because many requests may pause at once.
func DropInput(ctx context.Context, conn net.Conn, wait Pause) {
	if conn.SetReadDeadline(time.Time{}) != nil {
		return
	}
	if ctx.Err() != nil { // net/http takes an interrupted read of the body for a client that has left
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

// waitUntilGone returns when the client of conn has left or ctx is done. Nothing reads
// from conn, so the client's close stays in the queue after the unread bytes. But an
// empty write, which sends nothing, fails as soon as the operating system knows that
// the connection has ended: immediately after a RST, otherwise after the timeouts and
// keep-alives of TCP.
func waitUntilGone(ctx context.Context, conn net.Conn) {
	tcp := tcpConn(conn)
	if tcp == nil {
		<-ctx.Done()
		return
	}
	_ = tcp.SetWriteDeadline(time.Time{}) // an expired deadline would look like an ended connection
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

// A DroppedBody is the body of a request that is read and dropped, up to maxDropped,
// while a fault waits that cannot take the connection over. Over HTTP/1, net/http
// notices that a client has left only after the body has been read.
type DroppedBody struct {
	Ctx  context.Context // of the request; also done when the client has left
	Stop func() (timedOut bool)
}

// DropBody starts to read the body of r. The caller calls Stop before it returns,
// because the server does not expect another reader after the handler. Stop returns
// when nothing reads the body any more. It reports whether a timeout of the server has
// ended the request, which happens over HTTP/1.
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
		over := r.Context().Err() != nil // net/http ends the request when it cannot continue reading
		enough.Store(true)               // bytes that have already arrived may be throttled by another writer
		interruptBody(w, r, read)
		return over && late.Load()
	}}
}

// meansLeft reports whether an error from the body means that the client has left. Over
// HTTP/2 and HTTP/3 the context of the request reports this.
func meansLeft(r *http.Request, err error) bool {
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	return r.ProtoMajor == 1 && err != nil && !tooLarge && !errors.Is(err, io.EOF) &&
		!errors.Is(err, http.ErrBodyReadAfterClose) && !errors.Is(err, os.ErrDeadlineExceeded)
}

// interruptBody makes the pending read of the body return, which closes read. Over
// HTTP/1, closing the body would wait for the reader. A deadline in the past ends the
// read, but may need several tries, because the reader may set its own deadline at the
// same time.
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
			return // the end of the connection will end the read
		}
		select {
		case <-read:
			return
		case <-time.After(time.Millisecond):
		}
	}
}
