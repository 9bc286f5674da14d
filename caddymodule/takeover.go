package caddymodule

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// A loan is the body of a request that an upstream reads while faults of phase
// response may hold its reply.
type loan struct {
	upstream io.ReadCloser       // the body for the upstream
	rest     io.ReadCloser       // and for the faults
	writer   http.ResponseWriter // for the faults
	end      func()              // takes the body back when the handler returns: Caddy counts there what has been read of it
}

// lendBody lends the body of r, if it has one.
//
// Over HTTP/1 a fault may take the connection over meanwhile: net/http waits for
// a read under way before it lets go of the connection, and Caddy moves the
// deadline that would end it. There a fault that waits also reads what is left of
// the body: a client that leaves is noticed only behind it.
func lendBody(w http.ResponseWriter, r *http.Request) loan {
	if r.ContentLength == 0 || r.Body == nil {
		return loan{r.Body, http.NoBody, w, func() {}}
	}
	original, lent := r.Body, faults.LendBody(r)
	if r.ProtoMajor == 1 {
		writer := &takeoverWriter{caddyhttp.ResponseWriterWrapper{ResponseWriter: w}, lent}
		return loan{lent, lent.Rest(), writer, func() {}}
	}
	return loan{lent, http.NoBody, w, func() { lent.Stop(func() { _ = original.Close() }) }}
}

// takeoverWriter stops the reading of the body before a hijack.
type takeoverWriter struct {
	caddyhttp.ResponseWriterWrapper
	body *faults.LentBody
}

// Hijack takes over the connection.
func (tw *takeoverWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	rc := http.NewResponseController(tw.ResponseWriter)
	tw.body.Stop(func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) })
	_ = rc.SetReadDeadline(time.Time{})
	return rc.Hijack()
}

// Interface guards
var _ http.Hijacker = (*takeoverWriter)(nil)
