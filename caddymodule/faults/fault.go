// Package faults is the contract for kinds of fault: the interfaces of a kind, what it
// learns about a hit, and how the faults of a rule run in a chain. The kinds themselves
// are in package kinds or in other modules.
//
// A kind is a Caddy module in the namespace http.faults that implements [Fault]. It has
// its effect and calls next, or it ends the request without calling next. Package rules
// decides which requests are hit. A kind does not decide that.
//
// An ordinary caddyhttp.MiddlewareHandler in that namespace is also a kind. It needs
// nothing from this package.
//
// Other interfaces are optional. A kind that works in a transport implements
// [RoundTripper]. A kind that ends requests implements [Terminal]. A kind that needs a
// reply, or limits it, implements [Replier]. A kind that clients may use in a trigger
// implements [Untrusted]. A kind that may turn out to have no effect implements
// [Conditional]. The other interfaces are for explanations, warnings, and the one-line
// form.
//
// Start reading with [Fault], [Hit] and [Chain].
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

// Namespace is the namespace of the kinds in Caddy's module registry.
const Namespace = "http.faults"

// Fault is one kind of fault with its settings.
//
// A fault must follow these rules. It calls next at most once. It does not write after
// the client has left. It ends every wait when the request ends or when [Hit.Ended] is
// closed. After that it has no further effect. Its reply has a correct Content-Length.
// It is safe for use by many requests at once.
//
// In phase response, the upstream's reply is already there when Inject runs, and next
// sends it. A fault cannot tell this from a next that calls the upstream.
//
// If a kind has Validate, Validate must look only at the configured fields and must not
// need Provision. The Caddyfile adapter calls it, so that an error can name the file
// and the line.
type Fault interface {
	caddy.Module

	// Inject has the effect of the fault on a request. The hit belongs to this request
	// and is never nil.
	Inject(hit *Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error
}

// Terminal is implemented by a kind that can end the request without calling next. Such
// a fault must be the last of its rule.
type Terminal interface {
	// Terminal reports whether the fault, with its settings, never calls next.
	Terminal() bool
}

// Ends reports whether f never calls next.
func Ends(f Fault) bool {
	t, ok := f.(Terminal)
	return ok && t.Terminal()
}

// Conditional is implemented by a kind that learns only at run time whether it has an
// effect. For example, the effect may depend on the head of the reply. A request is hit
// if at least one fault of the rule has an effect.
type Conditional interface {
	// Conditional reports whether the fault itself calls [Hit.Confirm] before its
	// effect, or [Hit.Pass] if it has none, in the n-th turn of its rule. If
	// Conditional returns false, the chain calls Confirm. The result must depend on
	// the settings and n only.
	Conditional(n uint64) bool
}

// confirm confirms the hit if the fault has an effect in any case.
func (h *Hit) confirm(by Fault) {
	if !conditional(by, h.N) {
		h.Confirm()
	}
}

func conditional(f Fault, n uint64) bool {
	c, ok := f.(Conditional)
	return ok && c.Conditional(n)
}

// Idle is implemented by a kind that knows before it runs whether it leaves a request
// alone. A request that all faults of a rule leave alone is not a hit.
type Idle interface {
	// Idle reports whether the fault leaves the n-th hit of its rule with the draw u
	// alone. after is the draw for the faults after it, see [Hit]. If u is [AnyDraw],
	// Idle reports whether the fault leaves the hit alone for every draw.
	Idle(n uint64, u float64) (idle bool, after float64)
}

// AnyDraw means every possible draw.
const AnyDraw = -1

// Liner is implemented by a kind that can be written in one line, such as `delay 200ms
// 2s`. The API shows other kinds as JSON.
type Liner interface {
	// Line returns the arguments of the kind in a Caddyfile, the inverse of
	// UnmarshalCaddyfile. The statements of a [Continued] kind follow, each after a
	// semicolon. If the settings need a block, ok is false. Line must not need
	// Provision.
	Line() (args string, ok bool)
}

// Continued is implemented by a kind with options that can follow it in one line, as in
// `respond 503; retry_after 5s`. In a Caddyfile they are lines of its block.
type Continued interface {
	// Continues returns the names of these options. It must not need Provision.
	Continues() []string
}

// Kind returns the name of the kind of f in a Caddyfile, in JSON and in metrics.
func Kind(f Fault) string { return f.CaddyModule().ID.Name() }

// Hit is what a fault learns about the decision to hit a request. All faults of a chain
// get the same Hit, one after the other.
type Hit struct {
	// N is the turn of the rule. The first is 1. If no fault has an effect on a
	// request, the request gives its turn back. A number can therefore be used again.
	N uint64

	// U is the draw of the request, rescaled to [0,1) within the percentage of the
	// rule. U is therefore uniform, however small the percentage. A choose rescales U
	// again, within its branch.
	U float64

	// Ended is closed when the fault must release what it holds: at a halt, or at the
	// end of its experiment or the process. A nil channel never closes.
	Ended <-chan struct{}

	// Removed is closed when a reload has removed or changed the rule. Faults that wait
	// without a limit must watch it. A nil channel never closes.
	Removed <-chan struct{}

	// Listener learns what happens to the hit. It may be nil.
	Listener Listener

	// Memory is what the rule remembers. It may be nil, see [Hit.Keep].
	Memory Memory

	chances   uint64 // taken by Rand
	confirmed bool
	explained bool // Pass was called
}

// A Listener learns what happens to a hit, and passes it on to metrics, the journal and
// others. Its methods are called by the goroutine that runs the chain, except Waits.
type Listener interface {
	// Injected is called once, before the first effect.
	Injected()

	// Passed is called for each fault without an effect, with the reason.
	Passed(reason string)

	// Changed is called with what a fault changes in a reply, before the head of the
	// reply is sent. It may come before Injected or after it.
	Changed(changes []Change)

	// Waits is called before each wait, by the goroutine that waits. Over HTTP/1, the
	// listener lets a small body of the request be read, because net/http does not notice
	// before that a client has left.
	Waits()

	// Delayed is called for each delay, with its length.
	Delayed(wait time.Duration)

	// Began returns when the request came. In a transport, it returns when the attempt
	// began. Few kinds need this time.
	Began() time.Time
}

// Start returns when the request came. In a transport, it returns when the attempt
// began. Without a listener, it returns the current time.
func (h *Hit) Start() time.Time {
	if h.Listener == nil {
		return time.Now()
	}
	return h.Listener.Began()
}

// Confirm reports that a fault is about to have an effect. Before Confirm, the request
// is not a hit: no listener learns of it, and it takes no turn of its rule. Only a
// [Conditional] kind must call Confirm. Further calls do nothing.
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

// Pass reports that a fault has no effect on this request. The reason is one of a few
// constant words, such as no_body, because it becomes a label value in the metrics.
func (h *Hit) Pass(reason string) {
	h.explained = true
	if h.Listener != nil {
		h.Listener.Passed(reason)
	}
}

// A Change says what a fault has changed in the body of a reply, without the values.
type Change struct {
	Op  string `json:"op"`  // what the fault did, such as drop
	At  string `json:"at"`  // where, as a JSON Pointer
	Was string `json:"was"` // the type of the value before
	Is  string `json:"is"`  // the type of the value after
}

// Change reports what a fault is about to change in a reply. The head of the reply must
// not have been sent.
func (h *Hit) Change(changes []Change) {
	if h.Listener != nil {
		h.Listener.Changed(changes)
	}
}

// Explained reports whether a fault has given a reason for having no effect.
func (h *Hit) Explained() bool { return h.explained }

// delayed reports a delay to the listener.
func (h *Hit) delayed(wait time.Duration) {
	if h.Listener != nil {
		h.Listener.Delayed(wait)
	}
}

// Rand returns a generator for random decisions of a kind. Each call returns a new one.
// Its seed is U and the number of the call, so that a point with `seed` or `sticky`
// repeats the decisions of its kinds. N is not part of the seed, because it differs
// between nodes. The kinds of a chain must not call Rand concurrently.
func (h *Hit) Rand() *rand.Rand {
	h.chances++
	return rand.New(rand.NewPCG(math.Float64bits(h.U), h.chances-1)) //nolint:gosec // faults need speed and repeatability, not secrecy
}

// Wait blocks until d has expired or the fault has ended, and returns nil in both
// cases. If the client leaves first, Wait returns an error with status 499, the de
// facto status of a closed request. The access log shows that status.
func (h *Hit) Wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	if h.Listener != nil {
		h.Listener.Waits()
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

// HasEnded reports whether the fault has ended. It must then release what it holds and
// have no further effect.
func (h *Hit) HasEnded() bool {
	select {
	case <-h.Ended:
		return true
	default:
		return false
	}
}

// Delay waits like [Hit.Wait] and reports the delay to the listener. It returns how
// long it waited: d, or less if the fault ended first.
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
