package faults

import (
	"fmt"
	"net/http"
)

// RoundTripper is implemented by the kinds that have a meaning for one attempt
// of a proxy at an upstream as well.
type RoundTripper interface {
	// RoundTrip does to an attempt what Inject does to a request. It keeps the
	// promises of [Fault] and those of [http.RoundTripper], except that it does
	// not close the body of a request that it has not handed to next: whoever
	// runs the chain does.
	RoundTrip(hit *Hit, r *http.Request, next http.RoundTripper) (*http.Response, error)
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
		return NoMeaning(Kind(f))
	}
	if placed, ok := f.(Placed); ok {
		return placed.CheckPlace(p)
	}
	return nil
}

// NoMeaning is the refusal of a fault by a transport.
func NoMeaning(what string) error {
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
// after its last fault.
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

// attemptLink is the rest of a chain as the next transport of a fault.
type attemptLink struct {
	hit  *Hit
	rest Chain
	next http.RoundTripper
}

func (l attemptLink) RoundTrip(r *http.Request) (*http.Response, error) {
	return l.rest.RoundTrip(l.hit, r, l.next)
}

// AfterAttempt is what the chain calls behind its last fault, as behindChain
// finds it.
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
