package inject

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// hold asks the upstream and lets a rule of phase response fire on the head of
// its reply.
func (h *Handler) hold(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, later *rules.Later) error {
	client := r.Context()
	ctx, cancel := context.WithCancel(client)
	lent := lendBody(w, r)
	defer lent.end()
	defer swap(ctx, r, lent.upstream)()
	hw := &heldWriter{
		ResponseWriterWrapper: caddyhttp.ResponseWriterWrapper{ResponseWriter: lent.writer},
		cancelUpstream:        cancel,
		decide: func(code int) rules.Decision {
			d := later.Decide(code, w.Header())
			d.Status = code
			return d
		},
		inject: func(d rules.Decision, reply caddyhttp.HandlerFunc) error {
			return h.inject(lent.writer, withBody(r.WithContext(client), lent.rest), reply, d)
		},
	}
	return hw.serve(next, r)
}

// A heldWriter is what the upstream writes to while a rule of phase response
// may fire. On the head of the reply it decides. When a rule fires, its chain
// runs as a coroutine of the request: next, for the chain, writes the held head
// and then waits while the upstream writes the body, so that it returns when
// the reply has ended, as the next handler of phase request does.
//
// A chain that ends without calling next has replaced the reply. The rest of
// the upstream's is then read for a little, so that its connection can be used
// again, and cut.
//
// It must not be pooled: a hijack or an interim reply may outlive the request.
type heldWriter struct {
	caddyhttp.ResponseWriterWrapper // the client's writer

	decide         func(code int) rules.Decision
	inject         func(d rules.Decision, reply caddyhttp.HandlerFunc) error
	cancelUpstream context.CancelFunc

	out         http.ResponseWriter // takes the reply; nil before the head
	resume      func() (struct{}, bool)
	stop        func()
	upstreamErr error // what next returns to the chain
	chainErr    error // what the chain returned

	replaced bool
	shadow   http.Header // of the replaced reply: late trailers vanish in it
	dropped  int64       // bytes of its body
	drain    *time.Timer
}

// A replaced reply is read up to these bounds, for an upstream connection is
// lost when its body is not read to the end, but a body may have no end. The
// client waits for it: net/http sends a small reply when the handler returns.
const (
	drainSize = 1 << 20
	drainTime = 20 * time.Millisecond
)

var errReplaced = errors.New("the reply has been replaced by a fault")

// serve runs the upstream, then the rest of the chain.
func (hw *heldWriter) serve(next caddyhttp.Handler, r *http.Request) error {
	defer hw.end()
	err := hw.askUpstream(next, r)
	switch {
	case hw.replaced:
		return hw.chainErr
	case hw.resume != nil:
		hw.upstreamErr = err
		hw.resume()
		return hw.chainErr
	case hw.out != nil:
		return err
	default:
		return hw.withoutHead(err)
	}
}

// askUpstream calls next. When the rest of a reply is cut that has been
// replaced or shortened, reverse_proxy gives up by a panic meant for the
// server; the client has its reply by then.
func (hw *heldWriter) askUpstream(next caddyhttp.Handler, r *http.Request) error {
	defer func() {
		if !hw.replaced && (hw.out == nil || !wire.CutShort(hw.out)) {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
			panic(p)
		}
	}()
	return next.ServeHTTP(hw, r)
}

// end releases what the reply has held, also when the upstream has panicked.
func (hw *heldWriter) end() {
	if hw.stop != nil {
		if hw.upstreamErr == nil {
			hw.upstreamErr = http.ErrAbortHandler
		}
		hw.stop()
	}
	if hw.drain != nil {
		hw.drain.Stop()
	}
	hw.cancelUpstream()
}

// withoutHead decides on a reply whose head never came: an error, which counts
// as a reply with its status, or nothing at all, which the server makes a 200.
func (hw *heldWriter) withoutHead(err error) error {
	code := http.StatusOK
	if err != nil {
		code = statusOf(err)
	}
	d := hw.decide(code)
	if d.Rule == nil {
		return err
	}
	aside := setAside(hw.Header())
	return hw.inject(d, func(w http.ResponseWriter, _ *http.Request) error {
		putBack(w.Header(), aside)
		return err
	})
}

// WriteHeader decides on the final head and passes interim ones through, which
// may come from a goroutine of the upstream's transport.
func (hw *heldWriter) WriteHeader(code int) {
	switch {
	case wire.Interim(code):
		hw.ResponseWriter.WriteHeader(code)
	case hw.replaced:
	case hw.out != nil:
		hw.out.WriteHeader(code)
	default:
		hw.head(code)
	}
}

// head decides, and starts the chain of the rule that fires.
func (hw *heldWriter) head(code int) {
	d := hw.decide(code)
	if d.Rule == nil {
		hw.out = hw.ResponseWriter
		hw.out.WriteHeader(code)
		return
	}
	aside := setAside(hw.ResponseWriter.Header())
	reply := func(yield func(struct{}) bool) caddyhttp.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) error {
			// a kind may end the upstream by the request, as in phase request
			defer context.AfterFunc(r.Context(), hw.cancelUpstream)()
			putBack(w.Header(), aside)
			hw.out = w
			w.WriteHeader(code)
			yield(struct{}{}) // the upstream writes the body
			return hw.upstreamErr
		}
	}
	hw.resume, hw.stop = iter.Pull(func(yield func(struct{}) bool) {
		hw.chainErr = hw.inject(d, reply(yield))
	})
	if _, passing := hw.resume(); !passing {
		hw.replaced = true
		hw.shadow = make(http.Header)
		hw.drain = time.AfterFunc(drainTime, hw.cancelUpstream)
	}
}

// Header is the reply's header; the upstream of a replaced reply gets one that
// nobody reads.
func (hw *heldWriter) Header() http.Header {
	switch {
	case hw.replaced:
		return hw.shadow
	case hw.out != nil:
		return hw.out.Header()
	default:
		return hw.ResponseWriter.Header()
	}
}

// Write passes on or drops a part of the body.
func (hw *heldWriter) Write(p []byte) (int, error) {
	hw.implicitHead()
	if !hw.replaced {
		return hw.out.Write(p)
	}
	if hw.dropped += int64(len(p)); hw.dropped > drainSize {
		return 0, errReplaced
	}
	return len(p), nil
}

// ReadFrom lets the writer further out copy the body in its own way, such as
// sendfile.
func (hw *heldWriter) ReadFrom(src io.Reader) (int64, error) {
	hw.implicitHead()
	if !hw.replaced {
		return io.Copy(hw.out, src)
	}
	return io.Copy(struct{ io.Writer }{hw}, src) // by way of Write, which bounds it
}

// HoldsReply reports whether the head is still to come: a fault of a point
// further in must not go past it.
func (hw *heldWriter) HoldsReply() bool { return hw.out == nil && !hw.replaced }

// Unwrap is the writer that takes the reply: with the faults of the rule that
// fired, once it has.
func (hw *heldWriter) Unwrap() http.ResponseWriter {
	if hw.out == nil {
		return hw.ResponseWriter
	}
	return hw.out
}

// implicitHead decides on a reply that has no head of its own.
func (hw *heldWriter) implicitHead() {
	if hw.HoldsReply() {
		hw.head(http.StatusOK)
	}
}

// FlushError sends what has been written so far.
func (hw *heldWriter) FlushError() error {
	hw.implicitHead()
	if hw.replaced {
		return nil
	}
	return http.NewResponseController(hw.out).Flush()
}

// Hijack takes over the connection; not from a fault that has replied on it.
func (hw *heldWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if hw.replaced {
		return nil, nil, errReplaced
	}
	if hw.out != nil {
		return http.NewResponseController(hw.out).Hijack()
	}
	conn, brw, err := http.NewResponseController(hw.ResponseWriter).Hijack()
	if err == nil {
		hw.out = hw.ResponseWriter // there is no reply to decide on any more
	}
	return conn, brw, err
}

// Interface guards
var (
	_ http.ResponseWriter = (*heldWriter)(nil)
	_ io.ReaderFrom       = (*heldWriter)(nil)
	_ http.Hijacker       = (*heldWriter)(nil)
	_ wire.Holder         = (*heldWriter)(nil)
)
