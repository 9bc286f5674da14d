package kinds

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// serveHeld calls next and lets nothing of the reply out before the wait,
// counted from when the request came, is over.
func serveHeld(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, hit *faults.Hit, wait time.Duration) error {
	hw := &holdWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: w},
		until: func() error {
			rest := wait - time.Since(hit.Start)
			if rest <= 0 {
				return nil
			}
			waited, err := hit.Delay(r.Context(), rest)
			if err == nil {
				markDelay(w.Header(), waited)
			}
			return err
		},
	}
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
				_ = hw.release() // the end without a reply is held as well
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

// holdReply makes an attempt and keeps what comes of it until the wait, counted
// from the attempt, is over.
func holdReply(r *http.Request, next http.RoundTripper, hit *faults.Hit, wait time.Duration) (*http.Response, error) {
	resp, err := next.RoundTrip(r)
	rest := wait - time.Since(hit.Start)
	if rest <= 0 {
		return resp, err
	}
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

// holdWriter keeps the head of a reply back.
type holdWriter struct {
	caddyhttp.ResponseWriterWrapper
	until    func() error // waits; called once
	released bool
	err      error // what release came to: the client has left
}

// release waits for the time of the reply, the first time.
func (hw *holdWriter) release() error {
	if !hw.released {
		hw.released = true
		hw.err = hw.until()
	}
	return hw.err
}

// WriteHeader lets interim heads through and holds the final one.
func (hw *holdWriter) WriteHeader(code int) {
	if wire.Interim(code) || hw.release() == nil {
		hw.ResponseWriter.WriteHeader(code)
	}
}

// Write writes when the head may have gone out.
func (hw *holdWriter) Write(p []byte) (int, error) {
	if err := hw.release(); err != nil {
		return 0, err
	}
	return hw.ResponseWriter.Write(p)
}

// ReadFrom leaves the copying to the writer further out.
func (hw *holdWriter) ReadFrom(src io.Reader) (int64, error) {
	if err := hw.release(); err != nil {
		return 0, err
	}
	return hw.ResponseWriterWrapper.ReadFrom(src)
}

// FlushError sends what has been written, which may be a head only.
func (hw *holdWriter) FlushError() error {
	if err := hw.release(); err != nil {
		return err
	}
	return http.NewResponseController(hw.ResponseWriter).Flush()
}

// Hijack hands over the connection when the reply is due.
func (hw *holdWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := hw.release(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(hw.ResponseWriter).Hijack()
}

// Interface guards
var (
	_ http.ResponseWriter = (*holdWriter)(nil)
	_ io.ReaderFrom       = (*holdWriter)(nil)
	_ http.Hijacker       = (*holdWriter)(nil)
)
