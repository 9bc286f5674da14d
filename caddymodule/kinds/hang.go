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

// Hang sends nothing until the client leaves, the fault ends, or the duration has
// expired. Then it closes the connection.
//
// With `after`, the reply begins as usual and stops after a size or a time. What came
// until then reaches the client. The connection to the upstream is released at once. If
// the reply ends earlier, the client gets all of it. `after` works on streams that are
// flowing: server-sent events, and WebSocket connections. There, bytes and time count
// from the upgrade.
//
// With `after` and `continue`, the reply only stalls. After the duration, the rest of it
// passes unharmed. The upstream has to wait. With `request`, the upload stalls on its way
// to the upstream, instead of the reply.
//
// What the client sees: nothing, or nothing more, until its own timeout. If the hang
// ends first, over HTTP/1.1 the connection closes (curl: 52, or 18 within a reply).
// Over HTTP/2 and HTTP/3, the stream is reset with `INTERNAL_ERROR` or
// `H3_INTERNAL_ERROR`. Other streams continue. If the client leaves first, the access
// log has status 499, or the status of the reply that had begun.
//
// While the fault waits, it reads up to 1 MiB of the client's upload and drops it. A
// larger upload stalls, as with a dead server. Over HTTP/1, Caddy reads what the client
// has sent before it notices that the client has left. A client that leaves a stalled
// upload is noticed at once if it resets the connection. Otherwise TCP keep-alive
// notices it within minutes.
//
// Over HTTP/1, the server's timeouts and limits for a request body do not apply during
// the hang. A client that waits for `100 Continue` does not get it. Over HTTP/2 and
// HTTP/3 it does. Over HTTP/2, a stalled upload uses its part of the connection's flow
// control. Other uploads of the connection may stall as well.
//
// What the upstream sees with `request`: the header and the beginning of the body, then
// nothing. If the duration expires first, the upload ends as if the client had left, or
// goes on with `continue`. If the fault ends first, it goes on. Over HTTP/1, a client that
// leaves the stall of more than 64 KiB is noticed only when the upstream gives up or the
// stall ends.
//
// In a transport, the attempt gets no reply after the request has been sent. `after`
// cannot be used there.
type Hang struct {
	// How long to send nothing. Default: until the client leaves, the process exits, or
	// a reload removes or changes the rule.
	Duration caddy.Duration `json:"duration,omitempty" zero:"default"`

	// How much of the reply is sent first: a size of the body, such as `64KiB`, or a
	// percentage of the Content-Length, such as `50%`, or a time after the head, such as
	// `5s`. With `0B`, only the head is sent. Default: nothing is sent.
	After string `json:"after,omitempty"`

	// Send the rest after the duration, instead of closing the connection. Requires
	// `duration` and `after`. Default: false.
	Continue bool `json:"continue,omitempty"`

	// Which body stalls: `response` or `request`. With `request`, `after` is required, and
	// is a size or a percentage of the upload. Default: `response`.
	Direction string `json:"direction,omitempty"`

	begin *Truncate // sends the beginning of the body; nil: none
}

// CaddyModule returns the Caddy module information.
func (Hang) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".hang",
		New: func() caddy.Module { return new(Hang) },
	}
}

// Provision prepares the cut of the reply.
func (f *Hang) Provision(caddy.Context) (err error) {
	f.begin, err = f.first()
	return err
}

// Validate checks the configured fields.
func (f *Hang) Validate() error {
	if f.Duration < 0 {
		return fmt.Errorf("bad hang duration '%s': must not be negative", time.Duration(f.Duration))
	}
	first, err := f.first()
	if err != nil {
		return err
	}
	return f.checkStall(first)
}

// first returns the cut at which the hang begins, or nil without After. The unit
// distinguishes the forms: the unit of a size ends in B, a percentage in %.
func (f *Hang) first() (*Truncate, error) {
	if f.After == "" {
		return nil, nil
	}
	switch {
	case strings.HasSuffix(f.After, "%"):
		percent, err := args.ParsePercent(f.After)
		if err != nil {
			return nil, fmt.Errorf("bad hang after: %w", err)
		}
		if !(percent >= 0 && percent < 100) {
			return nil, fmt.Errorf("bad hang after '%s': must be 0%% or greater and less than 100%%", f.After)
		}
		return &Truncate{Percent: &percent}, nil
	case strings.HasSuffix(strings.ToLower(f.After), "b"):
		size, err := args.ParseSize(f.After)
		if err != nil {
			return nil, fmt.Errorf("bad hang after: %w", err)
		}
		return &Truncate{Bytes: &size}, nil
	}
	dur, err := caddy.ParseDuration(f.After)
	switch {
	case err != nil || f.After == "0":
		return nil, fmt.Errorf("bad hang after '%s': want a size with its unit, such as 64KiB, a percentage such as 50%%, or a duration such as 5s", f.After)
	case dur < 0:
		return nil, fmt.Errorf("bad hang after '%s': must not be negative", f.After)
	case dur == 0:
		return nil, fmt.Errorf("bad hang after '%s': must be greater than 0; to stop after the head, write 0B", f.After)
	}
	return &Truncate{After: caddy.Duration(dur)}, nil
}

// Terminal reports whether the client gets no reply.
func (f *Hang) Terminal() bool { return f.After == "" }

// Reply returns the reply up to the cut, or no reply. A reply that goes on is not cut.
func (f *Hang) Reply(next faults.Reply) (faults.Reply, error) {
	first, err := f.first()
	switch {
	case first == nil:
		return faults.Reply{Size: faults.NoHead, From: f}, err
	case f.Direction == directionRequest:
		return next, nil
	case f.Continue && first.Bytes != nil:
		return next, next.NeedMore(*first.Bytes)
	case f.Continue:
		return next, next.Need(1)
	}
	r, err := first.Reply(next)
	if r.From == first {
		r.From = f
	}
	return r, err
}

// Untrusted takes the duration from the limits, or all the time that is left.
func (f *Hang) Untrusted(l *faults.Limits) error {
	if f.Duration > 0 {
		return l.Take(time.Duration(f.Duration))
	}
	rest, err := l.TakeRest()
	f.Duration = caddy.Duration(rest)
	return err
}

// Conditional reports whether a body begins first. A body that ends before the cut does
// not hang.
func (f *Hang) Conditional(uint64) bool { return f.After != "" }

// Inject hangs the request, or lets a body begin first.
func (f *Hang) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	switch {
	case f.begin == nil:
	case f.Direction == directionRequest:
		return f.stallRequest(hit, w, r, next)
	case f.Continue:
		return serveShaped(hit, w, r, next, &staller{f: f})
	default:
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

// hangConn hangs a request whose connection has been hijacked. A delay with hold
// further out may have waited inside Hijack. That time counts as part of the hang.
func (f *Hang) hangConn(hit *faults.Hit, conn net.Conn, r *http.Request, began time.Time) (err error) {
	conn = wire.InnermostConn(conn, 0)
	wire.DropInput(r.Context(), conn, func(ctx context.Context) { err = f.wait(ctx, hit, began) })
	wire.LingerAfter(conn, r)
	if err != nil {
		return caddyhttp.Error(faults.StatusClientClosed, err)
	}
	panic(http.ErrAbortHandler)
}

// RoundTrip hangs the attempt after the request has been sent. Then the attempt fails
// with EOF, as with the close fault.
func (f *Hang) RoundTrip(hit *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	if err := readBody(r); err != nil {
		return nil, err
	}
	if err := f.wait(r.Context(), hit, time.Now()); err != nil {
		return nil, err
	}
	return nil, injected(io.EOF)
}

// CheckPlace refuses After in a transport, and request in phase response.
func (f *Hang) CheckPlace(p faults.Place) error {
	if p == faults.InTransport && f.After != "" {
		return faults.NoMeaning("hang with after")
	}
	return checkUpload(p, "hang", f.Direction)
}

// wait waits until the hang ends. Its duration counts from began. An error means that
// the client has left.
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
//	    after <size>|<percent>%|<duration>
//	    continue
//	    request
//	}
//
// A size has a unit, such as 64B or 10KiB; `5m` is five minutes. With continue, the rest
// is sent after the duration. With request, the body of the request stalls.
func (f *Hang) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 0 {
		if err := args.Parse(d, "hang", words, args.DurationParser(&f.Duration)); err != nil {
			return err
		}
		if f.Duration == 0 {
			return d.Errf("bad hang duration '%s': must be greater than 0; to hang until the client leaves, write hang without a duration", words[0])
		}
	}
	return args.Options(d, "", func(name string) error {
		switch name {
		case "after":
			return args.One(d, "hang after", &f.After)
		case "continue":
			f.Continue = true
			return args.None(d, "hang continue")
		case directionRequest:
			f.Direction = directionRequest
			return args.None(d, "hang request")
		default:
			return args.UnknownOption(d, "hang")
		}
	})
}

// Line returns the duration, if one is set.
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
