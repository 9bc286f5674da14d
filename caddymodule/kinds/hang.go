package kinds

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Hang{})
}

// Hang sends no byte until the client leaves, the fault ends, or the duration is
// over; then it closes as the close fault does.
//
// With `after` the reply begins as it would without the fault and stops after so
// much of it; what came until then has been sent. The upstream is let go of at
// once. A reply that is over by then comes whole. This works on streams that are
// flowing: server-sent events, and WebSocket connections, where the bytes and
// the time count from the upgrade.
//
// What the client sees: nothing, or nothing more, until its own timeout. When
// the fault closes: over HTTP/1.1, plain and TLS, the end of the stream
// (curl: 52, or 18 in the middle of a reply). Over HTTP/2 and HTTP/3 this stream
// is reset, with INTERNAL_ERROR and H3_INTERNAL_ERROR, and the other streams of
// the connection live on. The access log of a client that left first has status
// 499, or the status of the reply that had begun.
//
// While it waits, the fault reads what the client sends and drops it, but at most
// 1 MiB: a larger upload stalls, as it does with a dead server. Over HTTP/1 the
// leaving of a client is noticed only after what it has sent. One that leaves an
// upload that stalls is noticed when TCP gives it up: at once if it resets the
// connection, otherwise within minutes. Over HTTP/1 the fault has taken the
// connection over: the server's timeouts and limits for a body do not count, and
// a client that asks for `100 Continue` does not get even that; over HTTP/2 and
// HTTP/3 it does. Over HTTP/2 a stalled upload takes its share of the
// connection's flow control, and other uploads of the connection may stall too.
//
// In a transport the attempt gets no reply, behind the request's body; `after`
// has no meaning there.
type Hang struct {
	// How long to send nothing. Default: as long as the client stays, or until
	// a reload removes or changes the rule.
	Duration caddy.Duration `json:"duration,omitempty" zero:"default"`

	// How much of the reply to let through first: a size with its unit, such as
	// `64KiB`, of the body, or a time from the head on, such as `5s`. With `0B`
	// the reply stops behind its head. Default: there is no reply at all.
	After string `json:"after,omitempty"`

	begin *Truncate // lets the first part through; nil for none
}

// CaddyModule returns the Caddy module information.
func (Hang) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".hang",
		New: func() caddy.Module { return new(Hang) },
	}
}

// Provision prepares what is let through.
func (f *Hang) Provision(caddy.Context) (err error) {
	f.begin, err = f.first()
	return err
}

// Validate checks the configured fields.
func (f *Hang) Validate() error {
	if f.Duration < 0 {
		return fmt.Errorf("bad hang duration '%s': negative", time.Duration(f.Duration))
	}
	_, err := f.first()
	return err
}

// first is what cuts the reply where the hang begins. It tells a size from a
// duration: the unit of a size ends in B.
func (f *Hang) first() (*Truncate, error) {
	if f.After == "" {
		return nil, nil
	}
	if strings.HasSuffix(strings.ToLower(f.After), "b") {
		size, err := args.ParseSize(f.After)
		if err != nil {
			return nil, fmt.Errorf("bad hang after: %w", err)
		}
		return &Truncate{Bytes: &size}, nil
	}
	dur, err := caddy.ParseDuration(f.After)
	switch {
	case err != nil || f.After == "0":
		return nil, fmt.Errorf("bad hang after '%s': want a size with its unit, such as 64KiB, or a duration such as 5s", f.After)
	case dur < 0:
		return nil, fmt.Errorf("bad hang after '%s': negative", f.After)
	case dur == 0:
		return nil, fmt.Errorf("bad hang after '%s': want more than nothing; 0B stops behind the head", f.After)
	}
	return &Truncate{After: caddy.Duration(dur)}, nil
}

// Terminal reports whether there is no reply at all.
func (f *Hang) Terminal() bool { return f.After == "" }

// Reply is that of what cuts the reply, or none at all.
func (f *Hang) Reply(next faults.Reply) (faults.Reply, error) {
	first, err := f.first()
	if first == nil {
		return faults.Reply{Size: faults.NoHead, From: f}, err
	}
	r, err := first.Reply(next)
	if r.From == first {
		r.From = f
	}
	return r, err
}

// Untrusted takes the duration, or all the time there is.
func (f *Hang) Untrusted(l *faults.Limits) error {
	if f.Duration > 0 {
		return l.Take(time.Duration(f.Duration))
	}
	rest, err := l.TakeRest()
	f.Duration = caddy.Duration(rest)
	return err
}

// Conditional reports whether the reply begins first: one that is whole by then
// does not hang.
func (f *Hang) Conditional(uint64) bool { return f.After != "" }

// Inject hangs the request, or lets the reply begin first.
func (f *Hang) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if f.begin != nil {
		return f.begin.cut(hit, w, r, next, func(ctx context.Context) { _ = f.wait(ctx, hit, time.Now()) })
	}
	began := time.Now()
	if r.ProtoMajor == 1 {
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			return f.hangConn(hit, conn, r, began)
		}
	}
	body := wire.DropBody(w, r)
	err := f.wait(body.Ctx, hit, began)
	if timedOut := body.Stop(); err != nil && !timedOut {
		return caddyhttp.Error(faults.StatusClientClosed, err)
	}
	panic(http.ErrAbortHandler)
}

// hangConn hangs a request whose connection has been taken over. A delay further
// out that holds the reply may have waited for that: its time counts.
func (f *Hang) hangConn(hit *faults.Hit, conn net.Conn, r *http.Request, began time.Time) (err error) {
	conn = wire.InnermostConn(conn, 0)
	wire.DropInput(r.Context(), conn, func(ctx context.Context) { err = f.wait(ctx, hit, began) })
	wire.LingerAfter(conn, r)
	if err != nil {
		return caddyhttp.Error(faults.StatusClientClosed, err)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip hangs the attempt after the request, then fails it as the close
// fault does.
func (f *Hang) RoundTrip(hit *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	if err := readBody(r); err != nil {
		return nil, err
	}
	if err := f.wait(r.Context(), hit, time.Now()); err != nil {
		return nil, err
	}
	return nil, injected(io.EOF)
}

// CheckPlace refuses the first part of a reply in a transport.
func (f *Hang) CheckPlace(p faults.Place) error {
	if p == faults.InTransport && f.After != "" {
		return faults.NoMeaning("hang with after")
	}
	return nil
}

// wait waits for the end of the hang that began then. An error says that the
// client has left.
func (f *Hang) wait(ctx context.Context, hit *faults.Hit, began time.Time) error {
	var over <-chan time.Time
	removed := hit.Removed
	if f.Duration > 0 {
		timer := time.NewTimer(time.Until(began.Add(time.Duration(f.Duration))))
		defer timer.Stop()
		over, removed = timer.C, nil
	}
	select {
	case <-over:
	case <-hit.Ended:
	case <-removed:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	hang [<duration>] {
//	    after <size>|<duration>
//	}
//
// A size has a unit, such as 64B or 10KiB; `5m` is five minutes.
func (f *Hang) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 0 {
		if err := args.Parse(d, "hang", words, args.DurationParser(&f.Duration)); err != nil {
			return err
		}
		if f.Duration == 0 {
			return d.Errf("bad hang duration '%s': want more than nothing, or no duration to hang as long as the client stays", words[0])
		}
	}
	return args.Options(d, "", func(name string) error {
		if name != "after" {
			return args.UnknownOption(d, "hang")
		}
		return args.One(d, "hang after", &f.After)
	})
}

// Line writes the duration, if there is one.
func (f *Hang) Line() (line string, ok bool) {
	if f.Duration > 0 {
		line = args.FormatDuration(f.Duration)
	}
	return line, f.After == ""
}

// Interface guards
var (
	_ faults.Fault          = (*Hang)(nil)
	_ faults.Replier        = (*Hang)(nil)
	_ faults.RoundTripper   = (*Hang)(nil)
	_ faults.Terminal       = (*Hang)(nil)
	_ faults.Placed         = (*Hang)(nil)
	_ caddy.Provisioner     = (*Hang)(nil)
	_ caddy.Validator       = (*Hang)(nil)
	_ faults.Untrusted      = (*Hang)(nil)
	_ faults.Liner          = (*Hang)(nil)
	_ caddyfile.Unmarshaler = (*Hang)(nil)
)
