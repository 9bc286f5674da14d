// Package faults is the contract of a kind of fault: what one is, what it may know
// of the decision that called it, and how the faults of a rule run one after the
// other. It knows none of the kinds, which are in package kinds or in modules of
// others.
//
// A kind is a Caddy module in the namespace http.faults that is a [Fault]. It does
// its damage and calls next, or it ends the request and does not. Package rules
// decides, once, when and to whom that happens. Nobody asks a kind what it is. An
// ordinary caddyhttp.MiddlewareHandler in that namespace is a kind, too, one that
// asks for nothing.
//
// A kind that has a meaning for one attempt of a proxy is a [RoundTripper] as well.
// One that needs a reply, or lets none through, is a [Replier]. One that a stranger
// may ask for is [Untrusted]. One that may turn out to have no effect is
// [Conditional].
package faults

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Namespace is where the kinds are registered as Caddy modules.
const Namespace = "http.faults"

// Fault is one kind of fault with its settings.
//
// The reply may come from next or, in phase response, already wait behind it;
// a kind cannot tell the two apart. It calls next at most once, never writes
// after the client has left, ends every wait with the request and with
// [Hit.Ended], behind which nothing more goes wrong, declares an honest
// Content-Length, and may serve many requests at once.
//
// Validate, where a kind has it, looks only at the configured fields. It must
// not need Provision: the Caddyfile adapter calls it too, so that an error can
// name the file and the line.
type Fault interface {
	caddy.Module

	// Inject does the damage. The hit is one request's; it is never nil.
	Inject(hit *Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error
}

// Terminal is implemented by a kind that can end the request without calling
// next. A fault that does so must be the last one of its rule.
type Terminal interface {
	// Terminal reports whether the fault, as configured, never calls next.
	Terminal() bool
}

// Ends reports whether f never calls next.
func Ends(f Fault) bool {
	t, ok := f.(Terminal)
	return ok && t.Terminal()
}

// Conditional is implemented by a kind whose effect depends on what only the kind
// sees, such as the head of the reply. The request is hit if one of the rule's
// faults has an effect.
type Conditional interface {
	// Conditional reports whether the fault calls [Hit.Confirm] in the n-th turn of
	// its rule before it has its effect, or [Hit.Pass] when it has none. If not, the
	// chain calls Confirm. It must not depend on anything but the settings and n.
	Conditional(n uint64) bool
}

// confirm confirms the hit by a fault that has an effect in any case.
func (h *Hit) confirm(by Fault) {
	if !conditional(by, h.N) {
		h.Confirm()
	}
}

func conditional(f Fault, n uint64) bool {
	c, ok := f.(Conditional)
	return ok && c.Conditional(n)
}

// Idle is implemented by a kind that may leave a request alone, as is known
// beforehand. Such a request is not hit at all.
type Idle interface {
	// Idle reports whether the fault does nothing to the n-th hit of its rule
	// with the draw u, and which draw the faults behind it get, see [Hit];
	// with [AnyDraw], whether so whatever the draw is.
	Idle(n uint64, u float64) (idle bool, after float64)
}

// AnyDraw stands for every draw there can be.
const AnyDraw = -1

// Liner is implemented by a kind that can be written in one line, such as
// `delay 200ms 2s`. The API shows the settings of other kinds as JSON.
type Liner interface {
	// Line returns what follows the kind in a Caddyfile, the inverse of
	// UnmarshalCaddyfile; ok is false for settings that need a block. It must not
	// need Provision.
	Line() (args string, ok bool)
}

// Kind is the word for f in a Caddyfile, in JSON and in metrics.
func Kind(f Fault) string { return f.CaddyModule().ID.Name() }

// Hit is what a kind may know of the decision that called it. The faults of a
// chain get the same one, in turn.
type Hit struct {
	// N counts the turns of the rule; the first is 1. A request on which no fault
	// has an effect gives its turn back, so a number may come again.
	N uint64

	// U is the number drawn for the request, rescaled to [0,1) within the
	// rule's share, and behind a choose within that of its branch: however small
	// the share, U is uniform.
	U float64

	// Ended is closed when the fault must let go of what it holds: at a halt, at
	// the end of its experiment or of the process. A nil channel never ends.
	Ended <-chan struct{}

	// Removed is closed when a reload has removed or changed the rule, for what
	// would otherwise wait without an end. A nil channel never is.
	Removed <-chan struct{}

	// Listener learns what comes of the hit. It may be nil.
	Listener Listener

	chances   uint64 // taken by Rand
	confirmed bool
	explained bool // a reason has been given
}

// A Listener learns what comes of a hit, in order to tell everybody else. Its
// methods are called by the goroutine that runs the chain.
type Listener interface {
	// Injected is told once, before the first effect.
	Injected()

	// Passed is told each time that a fault has no effect, and why.
	Passed(reason string)

	// Delayed is told of each delay.
	Delayed(wait time.Duration)

	// Began returns when the request came, or in a transport when the attempt
	// began. Few kinds ask.
	Began() time.Time
}

// Start returns when the request came, or in a transport when the attempt began.
// Without a listener that is now.
func (h *Hit) Start() time.Time {
	if h.Listener == nil {
		return time.Now()
	}
	return h.Listener.Began()
}

// Confirm says that a fault is about to have an effect. Until then the request is
// not hit: nobody is told of it, and it takes no turn of its rule. Only a
// [Conditional] kind has to call it. Further calls do nothing.
func (h *Hit) Confirm() {
	if h.confirmed {
		return
	}
	h.confirmed = true
	if h.Listener != nil {
		h.Listener.Injected()
	}
}

// Confirmed reports whether a fault had an effect.
func (h *Hit) Confirmed() bool { return h.confirmed }

// Pass says that a fault has no effect on this request, and why: one of a few
// constant words, such as no_body, which become a label in the metrics.
func (h *Hit) Pass(reason string) {
	h.explained = true
	if h.Listener != nil {
		h.Listener.Passed(reason)
	}
}

// Explained reports whether a fault has said why it had no effect.
func (h *Hit) Explained() bool { return h.explained }

// delayed counts a delay.
func (h *Hit) delayed(wait time.Duration) {
	if h.Listener != nil {
		h.Listener.Delayed(wait)
	}
}

// Rand is a generator for every further chance a kind needs, another one at each
// call. It is seeded from U and the number of the call alone, so that a seeded or
// sticky point repeats itself in the kinds as well: the number of a hit is another
// one on another node. The kinds of a chain call it one after the other.
func (h *Hit) Rand() *rand.Rand {
	h.chances++
	return rand.New(rand.NewPCG(math.Float64bits(h.U), h.chances-1)) //nolint:gosec // faults need speed and repeatability, not secrecy
}

// Wait blocks until d is over or the fault has ended; both mean going on.
// When the client leaves first it returns an error with status 499, the de
// facto code for a closed request, which stands in the access log.
func (h *Hit) Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-h.Ended:
		return nil
	case <-ctx.Done():
		return caddyhttp.Error(StatusClientClosed, ctx.Err())
	}
}

// HasEnded reports whether the fault must release what it holds: nothing more is
// to go wrong.
func (h *Hit) HasEnded() bool {
	select {
	case <-h.Ended:
		return true
	default:
		return false
	}
}

// Delay waits as Wait does, and tells the metrics and the caller how long that
// was: d itself, unless the fault has ended before.
func (h *Hit) Delay(ctx context.Context, d time.Duration) (waited time.Duration, err error) {
	began := time.Now()
	if err := h.Wait(ctx, d); err != nil {
		return 0, err
	}
	if waited = d; h.HasEnded() {
		waited = min(d, time.Since(began))
	}
	h.delayed(waited)
	return waited, nil
}

// StatusClientClosed is the de facto status of a request whose client has left.
const StatusClientClosed = 499
