package faults

import (
	"fmt"
	"net/http"
)

// RoundTripper is implemented by kinds that also work in a transport, on one attempt of
// a proxy.
type RoundTripper interface {
	// RoundTrip has the effect of the fault on an attempt, as Inject has on a request.
	// It must follow the rules of [Fault] and of [http.RoundTripper], with one
	// exception: it does not close the body of a request that it has not passed to
	// next. The caller of the chain closes that body.
	RoundTrip(hit *Hit, r *http.Request, next http.RoundTripper) (*http.Response, error)
}

// Place is a place where the faults of a rule run.
type Place int

const (
	// InHandler is a handler in front of other handlers. The fault runs as a [Fault].
	InHandler Place = iota

	// InTransport is between a proxy and its upstream. The fault runs as a
	// [RoundTripper].
	InTransport

	// AfterReply is a handler in phase response: the upstream has the request, and next
	// sends its reply. Only CheckPlace gets it.
	AfterReply
)

// Placed is implemented by a kind whose settings decide where it can run, or that
// cannot run in handlers.
type Placed interface {
	// CheckPlace returns an error if the fault, with its settings, cannot run in the
	// place. It must not need Provision.
	CheckPlace(p Place) error
}

// Check returns an error if a fault cannot run in the place.
func (p Place) Check(f Fault) error {
	if _, ok := f.(RoundTripper); !ok && p == InTransport {
		return NoMeaning(Kind(f))
	}
	if placed, ok := f.(Placed); ok {
		return placed.CheckPlace(p)
	}
	return nil
}

// NoMeaning returns the error for a fault that cannot run in a transport.
func NoMeaning(what string) error {
	return fmt.Errorf("%s cannot be used in a transport; write it in a fault directive in front of the proxy", what)
}

// CheckPlace returns an error if a fault of the chain cannot run in the place.
func (c Chain) CheckPlace(p Place) error {
	for _, f := range c {
		if err := p.Check(f); err != nil {
			return err
		}
	}
	return nil
}

// RoundTrip runs the chain and calls next after its last fault. The chain must have
// passed CheckPlace for [InTransport].
func (c Chain) RoundTrip(hit *Hit, r *http.Request, next http.RoundTripper) (*http.Response, error) {
	if len(c) == 0 {
		return next.RoundTrip(r)
	}
	if len(c) > 1 {
		next = attemptLink{hit, c[1:], next}
	}
	hit.confirm(c[0])
	return c[0].(RoundTripper).RoundTrip(hit, r, next)
}

// attemptLink is the rest of a chain, as the next transport of a fault.
type attemptLink struct {
	hit  *Hit
	rest Chain
	next http.RoundTripper
}

func (l attemptLink) RoundTrip(r *http.Request) (*http.Response, error) {
	return l.rest.RoundTrip(l.hit, r, l.next)
}

// AfterAttempt returns the transport after the last fault of a chain, as [AfterChain]
// returns the handler.
func AfterAttempt(next http.RoundTripper) http.RoundTripper {
	for {
		l, ok := next.(attemptLink)
		if !ok {
			return next
		}
		next = l.next
	}
}

// Interface guards
var _ http.RoundTripper = attemptLink{}
