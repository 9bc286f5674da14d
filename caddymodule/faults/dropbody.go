package faults

import (
	"context"
	"io"
	"net/http"
	"time"
)

// A droppedBody is the body of a request that is read and dropped while a fault
// waits: over HTTP/1 the leaving of a client is noticed only behind the body.
type droppedBody struct {
	ctx  context.Context // of the request; also done when the body cannot be read on
	stop func()          // returns when nobody reads any more
}

// dropBody begins to read the body of r. The caller calls stop before it
// returns, for what is below the handler does not expect another reader.
func dropBody(w http.ResponseWriter, r *http.Request) droppedBody {
	if r.Body == nil || r.Body == http.NoBody {
		return droppedBody{r.Context(), func() {}}
	}
	ctx, left := context.WithCancel(r.Context())
	read := make(chan struct{})
	go func() {
		defer close(read)
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			left()
		}
	}()
	return droppedBody{ctx, func() {
		defer left()
		interruptBody(w, r, read)
	}}
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
