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
	// Size is the greatest number of bytes in the body, or [NoBody] or [NoHead].
	Size int64

	// From is the fault that bounds it; nil: no bound is known.
	From Fault

	// Cut says that From breaks a longer body off there, and does nothing else.
	Cut bool

	// Branch says that From comes to other faults as well.
	Branch bool
}

// Less than a body of any size.
const (
	// NoBody is a reply with a head only.
	NoBody int64 = -1

	// NoHead is no reply at all. An error counts as none: the error routes reply
	// past the chain.
	NoHead int64 = -2
)

// AnyReply is the reply of an upstream.
func AnyReply() Reply { return Reply{Size: math.MaxInt64} }

// A Replier is a kind that knows how much of a reply it lets through. What is
// known at load is what a chain is checked by: a fault that can never have an
// effect is a mistake.
type Replier interface {
	// Reply returns the most that the fault, as configured, hands on of the
	// reply that comes after it. An error says that the fault can do nothing to
	// such a reply, and why. It must not need Provision.
	Reply(next Reply) (Reply, error)
}

// Need refuses a reply that has fewer bytes than that.
func (r Reply) Need(size int64) error {
	switch {
	case r.Size >= size:
		return nil
	case r.Size == NoHead:
		return fmt.Errorf("after it, '%s' lets no reply through", Kind(r.From))
	case r.Size <= 0:
		return fmt.Errorf("after it, '%s' lets no body through", Kind(r.From))
	}
	return fmt.Errorf("after it, '%s' lets at most %d bytes of a body through", Kind(r.From), r.Size)
}

// ForBranch is the reply for a fault that does not always run. It makes nothing
// after it useless, for that has its effect at other times.
func (r Reply) ForBranch() Reply {
	r.Branch = true
	return r
}

// Larger is the reply that may have more.
func (r Reply) Larger(other Reply) Reply {
	if other.Size > r.Size {
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
			next = AnyReply()
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
