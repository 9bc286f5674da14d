package kinds

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// serveHeld calls next and holds the reply until the wait has ended. The wait counts
// from when the request came.
func serveHeld(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, hit *faults.Hit, wait time.Duration) error {
	hw := &holdWriter{ctx: r.Context(), hit: hit, due: hit.Start().Add(wait)}
	hw.HeadWriter = wire.NewHeadWriter(w, hw)
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
				_ = hw.release() // an abort without a reply is held as well
			}
			panic(p)
		}
	}()
	err := next.ServeHTTP(hw, r)
	if heldErr := hw.release(); heldErr != nil {
		return heldErr // the client has left
	}
	return err
}

// holdReply makes an attempt and holds its result until the wait has ended. The wait
// counts from the start of the attempt.
func holdReply(r *http.Request, next http.RoundTripper, hit *faults.Hit, wait time.Duration) (*http.Response, error) {
	due := hit.Start().Add(wait)
	resp, err := next.RoundTrip(r)
	rest := time.Until(due)
	switch {
	case hit.HasEnded():
		return resp, err
	case rest <= 0:
		hit.Pass(passNoDelay)
		return resp, err
	}
	hit.Confirm()
	waited, waitErr := hit.Delay(r.Context(), rest)
	if waitErr != nil {
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, waitErr
	}
	if err == nil {
		markDelay(resp.Header, waited)
	}
	return resp, err
}

// A holdWriter holds a reply until it is due.
type holdWriter struct {
	wire.HeadWriter // the client's side

	ctx  context.Context // of the request
	hit  *faults.Hit
	due  time.Time
	done bool
	err  error // from release: the client has left
}

// release waits until the reply is due. Further calls return the same error.
func (hw *holdWriter) release() error {
	if hw.done {
		return hw.err
	}
	hw.done = true
	rest := time.Until(hw.due)
	switch {
	case hw.hit.HasEnded():
		return nil
	case rest <= 0:
		hw.hit.Pass(passNoDelay)
		return nil
	}
	hw.hit.Confirm()
	waited, err := hw.hit.Delay(hw.ctx, rest)
	if err == nil {
		markDelay(hw.ResponseWriter.Header(), waited)
	}
	hw.err = err
	return err
}

// TakeHead waits until the reply is due, then sends the head if the client has not
// left.
func (hw *holdWriter) TakeHead(code int) {
	if err := hw.release(); err != nil {
		hw.Tail = goneClient{err}
		return
	}
	hw.ResponseWriter.WriteHeader(code)
}

// HoldsReply reports false: for a reply on the hijacked connection, Hijack waits.
func (*holdWriter) HoldsReply() bool { return false }

// Hijack returns the connection when the reply is due.
func (hw *holdWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := hw.release(); err != nil {
		return nil, nil, err
	}
	return hw.HeadWriter.Hijack()
}

// A goneClient refuses the rest of a reply, because the client has left.
type goneClient struct{ err error }

func (c goneClient) Write([]byte) (int, error) { return 0, c.err }

func (c goneClient) FlushError() error { return c.err }

// Interface guards
var _ wire.HeadTaker = (*holdWriter)(nil)
