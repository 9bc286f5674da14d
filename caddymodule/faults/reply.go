package faults

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Reply is the most that a fault can get of the reply of what comes after it in
// its chain.
type Reply struct {
	size   int64 // the greatest number of bytes in the body, or noHead or noBody
	from   Fault // to which fault that is due; nil: no bound is known
	cut    bool  // from breaks a longer body off there, and does nothing else
	branch bool  // it comes to others as well
}

// Less than a body of any size.
const (
	noBody int64 = -1
	noHead int64 = -2 // no reply passes the fault; an error counts as none, for the error routes reply past it
)

// anyReply is the reply of an upstream.
func anyReply() Reply { return Reply{size: math.MaxInt64} }

// A Replier is a kind that knows how much of a reply it lets through. What is
// known at load is what a chain is checked by: a fault that can never have an
// effect is a mistake.
type Replier interface {
	// Reply returns the most that the fault, as configured, hands on of the
	// reply that comes after it. An error says that the fault can do nothing to
	// such a reply, and why. It must not need Provision.
	Reply(next Reply) (Reply, error)
}

// need refuses a reply that has fewer bytes than that.
func (r Reply) need(size int64) error {
	switch {
	case r.size >= size:
		return nil
	case r.size == noHead:
		return fmt.Errorf("after it, '%s' lets no reply through", Kind(r.from))
	case r.size <= 0:
		return fmt.Errorf("after it, '%s' lets no body through", Kind(r.from))
	}
	return fmt.Errorf("after it, '%s' lets at most %d bytes of a body through", Kind(r.from), r.size)
}

// forBranch is the reply for a fault that does not always run. It makes nothing
// after it useless, for that has its effect at other times.
func (r Reply) forBranch() Reply {
	r.branch = true
	return r
}

// larger is the reply that may have more.
func (r Reply) larger(other Reply) Reply {
	if other.size > r.size {
		return other
	}
	return r
}

// Reply is what comes through the whole chain. It refuses a fault that can never
// have an effect.
func (c Chain) Reply(next Reply) (Reply, error) {
	for _, fault := range slices.Backward(c) {
		f, ok := fault.(Replier)
		if !ok {
			next = anyReply()
			continue
		}
		var err error
		if next, err = f.Reply(next); err == nil {
			continue
		}
		if _, found := errors.AsType[*uselessError](err); found { // in a chain inside of f, say
			return next, err
		}
		return next, Useless(fault, err)
	}
	return next, nil
}

// A uselessError names a fault that can never have an effect.
type uselessError struct {
	kind   string
	reason error
}

// Useless returns the refusal of a fault that can never have an effect.
func Useless(f Fault, reason error) error { return &uselessError{Kind(f), reason} }

func (e *uselessError) Error() string {
	return fmt.Sprintf("fault '%s' can have no effect: %v; remove it", e.kind, e.reason)
}
