package faults

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// RoundTripper is implemented by the kinds that have a meaning for one attempt
// of a proxy at an upstream as well.
type RoundTripper interface {
	// RoundTrip does to an attempt what ServeHTTP does to a request. It keeps
	// the promises of [Fault] and those of [http.RoundTripper], except that it
	// does not close the body of a request that it has not handed to next:
	// whoever runs the chain does.
	RoundTrip(r *http.Request, next http.RoundTripper) (*http.Response, error)
}

// Place is where the faults of a rule run.
type Place int

const (
	// InHandler is in front of other handlers; a fault is a [Fault] there.
	InHandler Place = iota

	// InTransport is between a proxy and its upstream; a fault is a
	// [RoundTripper] there.
	InTransport
)

// Placed is implemented by a kind for which it depends on more than being a
// [RoundTripper] where it can run.
type Placed interface {
	// CheckPlace refuses a place in which the fault, as configured, has no
	// meaning. It must not need Provision.
	CheckPlace(p Place) error
}

// Check refuses a fault that has no meaning in the place.
func (p Place) Check(f Fault) error {
	if _, ok := f.(RoundTripper); !ok && p == InTransport {
		return noMeaning(Kind(f))
	}
	if placed, ok := f.(Placed); ok {
		return placed.CheckPlace(p)
	}
	return nil
}

// noMeaning is the refusal of a fault by a transport.
func noMeaning(what string) error {
	return fmt.Errorf("%s has no meaning in a transport: write it into a fault directive, which stands in front of the proxy", what)
}

// CheckPlace refuses a chain with a fault that has no meaning in the place.
func (c Chain) CheckPlace(p Place) error {
	for _, f := range c {
		if err := p.Check(f); err != nil {
			return err
		}
	}
	return nil
}

// RoundTrip runs the chain, which [InTransport] has checked, and calls next
// behind its last fault.
func (c Chain) RoundTrip(r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if len(c) == 0 {
		return next.RoundTrip(r)
	}
	if len(c) > 1 {
		next = attemptLink{c[1:], next}
	}
	return c[0].(RoundTripper).RoundTrip(r, next)
}

// attemptLink is the rest of a chain as the next transport of a fault.
type attemptLink struct {
	rest Chain
	next http.RoundTripper
}

func (l attemptLink) RoundTrip(r *http.Request) (*http.Response, error) {
	return l.rest.RoundTrip(r, l.next)
}

// behindAttempt is what the chain calls behind its last fault, as behindChain
// finds it.
func behindAttempt(next http.RoundTripper) http.RoundTripper {
	for {
		l, ok := next.(attemptLink)
		if !ok {
			return next
		}
		next = l.next
	}
}

// newResponse is a whole reply, as a transport returns it.
func newResponse(r *http.Request, code int, reason string, header http.Header, body []byte) *http.Response {
	resp := newHead(r, code, reason, header)
	if !(status.Code{Code: code}).BodyAllowed() {
		return resp
	}
	resp.ContentLength = int64(len(body))
	if len(body) > 0 {
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if r.Method != http.MethodHead {
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	return resp
}

// newHead is a reply without a body.
func newHead(r *http.Request, code int, reason string, header http.Header) *http.Response {
	return &http.Response{
		Status:     strconv.Itoa(code) + " " + reason,
		StatusCode: code,
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     header,
		Body:       http.NoBody,
		Request:    r,
	}
}

// failSent fails an attempt as an upstream does that has got the whole request:
// its body is read before, so that it cannot be sent again unless the proxy has
// kept it.
func failSent(r *http.Request, failure error) error {
	if err := readBody(r); err != nil {
		return err
	}
	return injected(failure)
}

// readBody reads and drops the body of a request. It takes as long as the
// client does to send it.
func readBody(r *http.Request) error {
	if r.Body == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return fmt.Errorf("reading the request's body: %w", err)
	}
	return r.Context().Err()
}

// injected tells the error of a fault from a real one in the logs.
func injected(err error) error { return fmt.Errorf("injected fault: %w", err) }

// Interface guards
var _ http.RoundTripper = attemptLink{}
