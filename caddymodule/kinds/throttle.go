package kinds

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

func init() {
	caddy.RegisterModule(Throttle{})
}

// Throttle sends a body at a steady rate, like a slow line. The sender of the body has
// to wait.
//
// What the client sees: over every protocol, the head at once. Then the body in pieces,
// never faster than the rate, after the burst if there is one. With `shared`, requests
// take turns. Trailers come last. Other requests on
// the same connection are not slow.
//
// With `request`, the client must wait with the rest of its upload. The upstream sees
// the body come slowly. Over HTTP/1, up to 64 KiB of an upload are kept in memory, so
// that Caddy notices a client that leaves. In phase `response`, `request` slows only
// WebSockets, because the upstream has the upload already.
//
// Events of a stream come late if there are more than the rate allows. On a WebSocket,
// the frames to the client are paced; with `request`, those from the client.
//
// Bytes are counted as the upstream sends them, before `encode` compresses them. If the
// reply has no Content-Type, the head goes out without one, because Go guesses it from
// the body.
type Throttle struct {
	// The rate in bytes per second. Required.
	BytesPerSecond int64 `json:"bytes_per_second,omitempty"`

	// The number of bytes that pass at full speed first. Default: 0.
	After int64 `json:"after,omitempty"`

	// The number of bytes that pass at once, before the rate applies. What is not used
	// fills up again at the rate. Default: 0.
	Burst int64 `json:"burst,omitempty"`

	// Share the rate between all requests of the rule, or of each value of `per`, as
	// users share a line. Default: false, each request has the whole rate.
	Shared bool `json:"shared,omitempty"`

	// Which body is slow: `response`, `request` or `both`. Default: `response`.
	Direction string `json:"direction,omitempty"`
}

// The directions of a throttle.
const (
	directionResponse = "response"
	directionRequest  = "request"
	directionBoth     = "both"
)

// CaddyModule returns the Caddy module information.
func (Throttle) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".throttle",
		New: func() caddy.Module { return new(Throttle) },
	}
}

// Validate checks the configured fields.
func (f *Throttle) Validate() error {
	if f.BytesPerSecond <= 0 {
		return fmt.Errorf("bad throttle bytes_per_second '%d': must be greater than 0", f.BytesPerSecond)
	}
	if f.After < 0 {
		return fmt.Errorf("bad throttle after '%d': must not be negative", f.After)
	}
	if f.Burst < 0 {
		return fmt.Errorf("bad throttle burst '%d': must not be negative", f.Burst)
	}
	switch f.Direction {
	case "", directionResponse, directionRequest, directionBoth:
		return nil
	}
	return fmt.Errorf("bad throttle direction '%s': want response, request or both", f.Direction)
}

// Untrusted limits the sizes and refuses to share. The time is open-ended, because the
// length of the body is not known.
func (f *Throttle) Untrusted(l *faults.Limits) error {
	if f.Shared {
		return errors.New("in a trigger, a throttle cannot be shared, because a client asks only for its own request; remove shared")
	}
	l.OpenEnded = true
	if err := untrustedSize(&f.Burst); err != nil {
		return err
	}
	return untrustedSize(&f.After)
}

// Keeps reports whether requests with the same key share the rate.
func (f *Throttle) Keeps() bool { return f.Shared }

// full returns the number of bytes of a reply that certainly pass at full speed.
func (f *Throttle) full() int64 {
	if f.Shared {
		return f.After // others may have used the burst
	}
	return f.After + min(f.Burst, math.MaxInt64-f.After)
}

// Reply requires a body longer than what passes at full speed, unless the request is
// slow.
func (f *Throttle) Reply(next faults.Reply) (faults.Reply, error) {
	if f.Direction == directionRequest || f.Direction == directionBoth {
		return next, nil
	}
	return next, next.NeedMore(f.full())
}

// Conditional reports true: only a long body is slow.
func (*Throttle) Conditional(uint64) bool { return true }

// Inject calls next with a slow request body, a slow writer, or both.
func (f *Throttle) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	t := &throttler{full: f.full()}
	if f.Direction != directionRequest {
		t.down = f.newPace(hit, "down")
	}
	if f.Direction == directionRequest || f.Direction == directionBoth {
		t.up = f.newPace(hit, "up")
	}
	sw := newShapeWriter(hit, w, r, t)
	defer sw.cancel()
	t.reply = sw
	if t.up != nil && t.unfit(uploadLength(r)) == "" {
		hit.Confirm()
		t.slowsRequest = true
		body := &slowBody{ReadCloser: r.Body, pace: f.newPace(hit, "up"), out: &sw.body.out}
		r = r.WithContext(r.Context()) // a copy
		r.Body = body
	}
	return sw.serve(next, r)
}

// newPace returns the pace of a body. Each direction has a line.
func (f *Throttle) newPace(hit *faults.Hit, direction string) *pace {
	p := &pace{free: f.After}
	if !f.Shared {
		p.line = newLine(f.BytesPerSecond, f.Burst)
		return p
	}
	name := fmt.Sprintf("throttle %s %d %d", direction, f.BytesPerSecond, f.Burst)
	p.line = hit.Keep(name, func() any { return newLine(f.BytesPerSecond, f.Burst) }).(*line)
	return p
}

// A throttler is the shaper of one slow reply. A direction with a nil pace is not slow.
type throttler struct {
	up, down     *pace
	full         int64 // bytes that certainly pass at full speed
	slowsRequest bool  // the request has a body that may be slow
	reply        *shapeWriter
}

// begin takes a reply of which a part may be slow.
func (t *throttler) begin(hit *faults.Hit, _ http.Header, length int64) bool {
	if t.reply.upgraded() {
		hit.Confirm()
		return true
	}
	if t.down == nil {
		length = uploadLength(t.reply.r)
	}
	switch reason := t.unfit(length); {
	case reason == "" && t.down != nil:
		hit.Confirm()
		return true
	case !t.slowsRequest:
		hit.Pass(reason)
	}
	return false
}

// unfit returns why a body of the given length is not slow, or "" if it may be slow.
func (t *throttler) unfit(length int64) string {
	switch {
	case length == 0:
		return passNoBody
	case length > 0 && length <= t.full:
		return passShort
	}
	return ""
}

// cameTooLate reports whether the whole body has passed at full speed.
func (t *throttler) cameTooLate() bool {
	return t.down != nil && !t.slowsRequest && !t.reply.upgraded() && !t.down.slowed()
}

// write sends p in pieces, each when it is due.
func (t *throttler) write(o *outlet, p []byte) (written int, err error) {
	if t.down == nil {
		return o.Write(p)
	}
	for len(p) > 0 && !o.ended() {
		size := t.down.slice(len(p))
		if !t.down.used {
			_ = o.flush() // sends the head at once
		}
		if err := t.down.wait(o, size); err != nil {
			return written, err
		}
		n, err := o.send(p[:size])
		if written += n; err != nil {
			return written, err
		}
		p = p[size:]
	}
	return o.rest(written, p)
}

// read reads a piece from the client of an upgraded connection.
func (t *throttler) read(o *outlet, src io.Reader, p []byte) (int, error) {
	return slowRead(t.up, o, src, p)
}

// slowRead reads a piece and returns it when it is due.
func slowRead(pc *pace, o *outlet, src io.Reader, p []byte) (int, error) {
	if pc == nil || len(p) == 0 || o.ended() {
		return src.Read(p)
	}
	n, err := src.Read(p[:pc.slice(len(p))])
	if n > 0 {
		if waitErr := pc.wait(o, n); waitErr != nil {
			return n, waitErr
		}
	}
	return n, err
}

// slowBody is the body of a slow request.
type slowBody struct {
	io.ReadCloser
	pace *pace
	out  *outlet
}

func (b *slowBody) Read(p []byte) (int, error) { return slowRead(b.pace, b.out, b.ReadCloser, p) }

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	throttle <size>/s {
//	    after <size>
//	    burst <size>
//	    shared
//	    request|both
//	}
//
// A size has a unit, such as `64KiB/s`. With `request`, the request's body is slow
// instead of the reply's.
func (f *Throttle) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	switch {
	case len(words) > 1:
		return args.Unexpected(d, "throttle", words[1])
	case len(words) == 1:
		rate, err := args.ParseRate(words[0])
		if err == nil && rate == 0 {
			err = fmt.Errorf("bad rate '%s': must be greater than 0", words[0])
		}
		if err != nil {
			return d.WrapErr(err)
		}
		f.BytesPerSecond = rate
	}
	if err := args.Options(d, "", func(name string) error { return f.unmarshalOption(d, name) }); err != nil {
		return err
	}
	if len(words) == 0 {
		return args.Missing(d, "throttle")
	}
	return nil
}

func (f *Throttle) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	switch name {
	case "after":
		return args.Parse(d, "throttle after", d.RemainingArgs(), args.SizeParser(&f.After))
	case "burst":
		return args.Parse(d, "throttle burst", d.RemainingArgs(), args.SizeParser(&f.Burst))
	case "shared":
		f.Shared = true
		return args.None(d, "throttle shared")
	case directionRequest, directionBoth:
		if f.Direction != "" {
			return d.Errf("throttle has both '%s' and '%s'", f.Direction, name)
		}
		f.Direction = name
		return args.None(d, "throttle "+name)
	default:
		return args.UnknownOption(d, "throttle")
	}
}

// Continues lists the options that may follow throttle as statements of one line.
func (*Throttle) Continues() []string {
	return []string{"after", "burst", "shared", directionRequest, directionBoth}
}

// Line returns the rate and the options.
func (f *Throttle) Line() (line string, ok bool) {
	line = args.FormatSize(f.BytesPerSecond) + "/s"
	if f.After > 0 {
		line += "; after " + args.FormatSize(f.After)
	}
	if f.Burst > 0 {
		line += "; burst " + args.FormatSize(f.Burst)
	}
	if f.Shared {
		line += "; shared"
	}
	if f.Direction != "" {
		line += "; " + f.Direction
	}
	return line, f.Direction != directionResponse // which the grammar has no word for
}

// Interface guards
var (
	_ faults.Fault          = (*Throttle)(nil)
	_ faults.Replier        = (*Throttle)(nil)
	_ faults.Keeper         = (*Throttle)(nil)
	_ caddy.Validator       = (*Throttle)(nil)
	_ faults.Untrusted      = (*Throttle)(nil)
	_ faults.Liner          = (*Throttle)(nil)
	_ faults.Continued      = (*Throttle)(nil)
	_ caddyfile.Unmarshaler = (*Throttle)(nil)
)
