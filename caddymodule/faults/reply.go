package faults

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Reply describes the largest reply that can reach a fault from the faults after it
// and the upstream.
type Reply struct {
	// Size is the largest number of bytes in the body, or [NoBody] or [NoHead].
	Size int64

	// From is the fault that limits the reply. It is nil if no limit is known.
	From Fault

	// Cut reports that From only cuts a longer body off at Size.
	Cut bool

	// Branch reports that From does not run for every hit of the rule.
	Branch bool
}

// Sizes less than that of any body.
const (
	// NoBody is a reply with a head only.
	NoBody int64 = -1

	// NoHead is the absence of a reply. An error also counts as NoHead, because the
	// error routes write their reply outside of the chain.
	NoHead int64 = -2
)

// AnyReply returns a reply of any size, such as one of an upstream.
func AnyReply() Reply { return Reply{Size: math.MaxInt64} }

// A Replier is a kind that knows at load how much of a reply it passes on, or how much
// it needs. Chains are checked with it: a fault that can never have an effect is a
// mistake in the configuration.
type Replier interface {
	// Reply returns the largest reply that the fault, with its settings, passes on.
	// next is the largest reply that can reach the fault. If the fault can have no
	// effect on such a reply, Reply returns an error with the reason. Reply must not
	// need Provision.
	Reply(next Reply) (Reply, error)
}

// Need returns an error if the reply has fewer bytes than size.
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

// NeedMore returns an error if the reply does not have more bytes than size.
func (r Reply) NeedMore(size int64) error { return r.Need(min(size, math.MaxInt64-1) + 1) }

// ForBranch returns the reply for a fault that does not run for every hit. A limit
// inside a branch does not make other faults useless, because they have their effect
// when the branch does not run.
func (r Reply) ForBranch() Reply {
	r.Branch = true
	return r
}

// Larger returns the larger of two replies.
func (r Reply) Larger(other Reply) Reply {
	if other.Size > r.Size {
		return other
	}
	return r
}

// Reply returns the largest reply that passes through the whole chain. It returns an
// error if a fault can never have an effect.
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
		if _, found := errors.AsType[*uselessError](err); found { // from a chain inside of f
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

// Useless returns the error for a fault that can never have an effect.
func Useless(f Fault, reason error) error { return &uselessError{Kind(f), reason} }

func (e *uselessError) Error() string {
	return fmt.Sprintf("fault '%s' can have no effect: %v; remove it", e.kind, e.reason)
}
