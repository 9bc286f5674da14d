package inject

import (
	"bufio"
	"context"
	"errors"
	"iter"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// watchReply calls the upstream and lets a rule of phase response fire on the header of
// its reply.
func (h *Handler) watchReply(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, later *rules.Later) error {
	client := r.Context()
	ctx, cancel := context.WithCancel(client)
	lent := h.lendBody(w, r)
	defer lent.end()
	defer swap(ctx, r, lent.upstream)()
	rp := &responsePhase{
		cancelUpstream: cancel,
		decide: func(code int) rules.Decision {
			d := later.Decide(code, w.Header())
			d.Status = code
			return d
		},
		inject: func(d rules.Decision, reply caddyhttp.HandlerFunc) error {
			return h.inject(lent.writer, withBody(r.WithContext(client), lent.rest), reply, d, lent.lent)
		},
		dryRun: h.app.DryRun,
	}
	rp.HeadWriter = wire.NewHeadWriter(lent.writer, rp)
	return rp.serve(next, r)
}

// A responsePhase is the writer that the upstream writes to while a rule of phase
// response may fire. It decides when the header of the reply is final. If a rule fires,
// its chain runs as a coroutine of the request. For the chain, next writes the held
// header and then waits while the upstream writes the body. So next returns at the end
// of the reply, as in phase request. A chain that never calls next needs no coroutine,
// whose stack is expensive.
//
// A chain that ends without calling next has replaced the reply. The rest of the
// upstream's reply is read for a short time, so that its connection can be reused, and
// then cut.
//
// It must not be pooled, because a hijacked connection or an interim reply may outlive
// the request.
type responsePhase struct {
	wire.HeadWriter // the writer to the client

	decide         func(code int) rules.Decision
	inject         func(d rules.Decision, reply caddyhttp.HandlerFunc) error
	cancelUpstream context.CancelFunc
	dryRun         bool // dry_run of the app

	resume      func() (struct{}, bool)
	stop        func()
	upstreamErr error // what next returns to the chain
	chainErr    error // what the chain returned

	dropped droppedReply
	drain   *time.Timer
}

// Limits for reading a replaced reply. The upstream connection is lost unless the body
// is read to the end, but a body may be endless. The client waits meanwhile: net/http
// sends a small reply only when the handler returns.
const (
	drainSize = 1 << 20
	drainTime = 20 * time.Millisecond
)

var errReplaced = errors.New("the reply has been replaced by a fault")

// serve runs the upstream, then the rest of the chain.
func (rp *responsePhase) serve(next caddyhttp.Handler, r *http.Request) error {
	defer rp.end()
	err := rp.askUpstream(next, r)
	switch {
	case rp.replaced():
		return rp.chainErr
	case rp.resume != nil:
		rp.upstreamErr = err
		rp.resume()
		return rp.chainErr
	case rp.Tail != nil:
		return err
	default:
		return rp.withoutHead(err)
	}
}

// askUpstream calls next. If the rest of a replaced or shortened reply is cut,
// reverse_proxy aborts with a panic meant for the server. The client has its reply by
// then, so askUpstream recovers.
func (rp *responsePhase) askUpstream(next caddyhttp.Handler, r *http.Request) error {
	defer func() {
		if !rp.endedEarly() {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as in net/http
			panic(p)
		}
	}()
	return next.ServeHTTP(rp, r)
}

// endedEarly reports whether the client's reply is complete before the upstream's,
// because it was replaced or shortened.
func (rp *responsePhase) endedEarly() bool {
	if rp.Tail == &rp.dropped {
		return rp.replaced() // false if the chain has panicked
	}
	_, clean := wire.CutShort(rp.Unwrap())
	return clean
}

// end releases what the reply holds, even if the upstream has panicked.
func (rp *responsePhase) end() {
	if rp.stop != nil {
		if rp.upstreamErr == nil {
			rp.upstreamErr = http.ErrAbortHandler
		}
		rp.stop()
	}
	if rp.drain != nil {
		rp.drain.Stop()
	}
	rp.cancelUpstream()
}

// withoutHead decides about a reply without a header. An error counts as a reply with
// its status. Otherwise the server replies 200.
func (rp *responsePhase) withoutHead(err error) error {
	code := http.StatusOK
	if err != nil {
		code = statusOf(err)
	}
	d := rp.decide(code)
	if d.Rule == nil {
		return err
	}
	aside := setAside(rp.Header())
	return rp.inject(d, func(w http.ResponseWriter, _ *http.Request) error {
		putBack(w.Header(), aside)
		return err
	})
}

// TakeHead decides on the final header and starts the chain of the rule that fires.
func (rp *responsePhase) TakeHead(code int) {
	d := rp.decide(code)
	if d.Rule == nil {
		rp.ResponseWriter.WriteHeader(code)
		return
	}
	aside := setAside(rp.ResponseWriter.Header())
	rp.Tail = &rp.dropped // until the chain calls next
	pass := func(w http.ResponseWriter) {
		putBack(w.Header(), aside)
		rp.Tail = w
		w.WriteHeader(code)
	}
	if d.Rule.Faults.Replaces() && !d.Rule.DryRun && !rp.dryRun { // a dry run stays active until the reply has ended
		rp.replace(d, pass)
	} else {
		rp.runBeside(d, pass)
	}
	if rp.Tail == &rp.dropped {
		rp.drain = time.AfterFunc(drainTime, rp.cancelUpstream)
	}
}

// replace runs a chain that never calls next. If the rule is not allowed to inject, the
// reply passes.
func (rp *responsePhase) replace(d rules.Decision, pass func(http.ResponseWriter)) {
	rp.chainErr = rp.inject(d, func(w http.ResponseWriter, _ *http.Request) error {
		pass(w)
		return nil // the upstream's error decides about the reply
	})
}

// runBeside runs a chain as a coroutine until it calls next or ends.
func (rp *responsePhase) runBeside(d rules.Decision, pass func(http.ResponseWriter)) {
	reply := func(yield func(struct{}) bool) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			// a fault may cancel the request to stop the upstream, as in phase request
			defer context.AfterFunc(r.Context(), rp.cancelUpstream)()
			pass(w)
			yield(struct{}{}) // the upstream writes the body
			return rp.upstreamErr
		}
	}
	rp.resume, rp.stop = iter.Pull(func(yield func(struct{}) bool) {
		rp.chainErr = rp.inject(d, reply(yield))
	})
	rp.resume()
}

// replaced reports whether the chain has returned without calling next.
func (rp *responsePhase) replaced() bool { return rp.drain != nil }

// A droppedReply discards the rest of a reply that the client does not get.
type droppedReply struct{ size int64 }

// Header returns a new header, which discards late trailers.
func (*droppedReply) Header() http.Header { return make(http.Header) }

// Write discards a part of the body, up to drainSize.
func (d *droppedReply) Write(p []byte) (int, error) {
	if d.size += int64(len(p)); d.size > drainSize {
		return 0, errReplaced
	}
	return len(p), nil
}

// FlushError does nothing.
func (*droppedReply) FlushError() error { return nil }

// Hijack fails, because the connection belongs to the fault that has replied on it.
func (*droppedReply) Hijack() (net.Conn, *bufio.ReadWriter, error) { return nil, nil, errReplaced }

// Interface guards
var (
	_ wire.HeadTaker = (*responsePhase)(nil)
	_ http.Hijacker  = (*droppedReply)(nil)
)
