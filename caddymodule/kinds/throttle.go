package kinds

import (
	"fmt"
	"io"
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

// Throttle lets a body pass at a steady rate, as a slow line does. Nothing is
// kept back in memory: whoever sends the body has to wait.
//
// What the client sees is the same over HTTP/1.1, HTTP/2 and HTTP/3: the head at
// once, then the body in pieces, never faster than the rate and with no burst
// at the beginning; trailers come last. The head of a reply without Content-Type
// goes out without one, before there is a body to guess it from. Events of a
// stream come late when there are more than the rate allows. On a WebSocket the
// frames to the client are paced, or with `request` those from the client. Only
// the request that is hit is slow, not the others on its connection.
//
// With `request` the upstream sees the request's body come slowly, and the
// client has to wait with the rest of it. In phase response that is too late
// and does nothing. Bytes are counted as they come from the upstream, before
// the encode directive packs them.
type Throttle struct {
	// The rate in bytes per second. Required.
	BytesPerSecond int64 `json:"bytes_per_second,omitempty"`

	// How many bytes pass at full speed before the rate holds. Default: 0.
	After int64 `json:"after,omitempty"`

	// Which body is slow: that of the `response` (default), of the `request`, or
	// `both`.
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
		return fmt.Errorf("bad throttle bytes_per_second '%d': want more than 0", f.BytesPerSecond)
	}
	if f.After < 0 {
		return fmt.Errorf("bad throttle after '%d': negative", f.After)
	}
	switch f.Direction {
	case "", directionResponse, directionRequest, directionBoth:
		return nil
	}
	return fmt.Errorf("bad throttle direction '%s': want response, request or both", f.Direction)
}

// Untrusted bounds the size; how long a body takes is not known before.
func (f *Throttle) Untrusted(l *faults.Limits) error {
	l.OpenEnded = true
	return untrustedSize(&f.After)
}

// Reply needs a body longer than what passes at full speed, unless the request is slow.
func (f *Throttle) Reply(next faults.Reply) (faults.Reply, error) {
	if f.Direction == directionRequest || f.Direction == directionBoth {
		return next, nil
	}
	return next, next.Need(max(1, f.After))
}

// Conditional reports that only a body is slow that is long enough.
func (*Throttle) Conditional(uint64) bool { return true }

// Inject calls next with a slow request body, a slow writer, or both.
func (f *Throttle) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	t := &throttler{after: f.After}
	if f.Direction != directionRequest {
		t.down = f.newPace()
	}
	if f.Direction == directionRequest || f.Direction == directionBoth {
		t.up = f.newPace()
	}
	sw := newShapeWriter(hit, w, r, t)
	defer sw.cancel()
	t.upgraded = &sw.upgraded
	if t.up != nil && r.Body != nil && r.Body != http.NoBody {
		hit.Confirm()
		t.slowsRequest = true
		body := &slowBody{ReadCloser: r.Body, pace: f.newPace(), out: &sw.body.out}
		r = r.WithContext(r.Context()) // a copy
		r.Body = body
	}
	return sw.serve(next, r)
}

func (f *Throttle) newPace() *pace { return &pace{rate: f.BytesPerSecond, free: f.After} }

// A throttler is the shaper of one slow reply; a direction without a pace is
// not slow.
type throttler struct {
	up, down     *pace
	after        int64 // bytes that pass at full speed
	slowsRequest bool  // which has a body
	upgraded     *bool // the reply is a connection now
}

// begin takes a reply that is longer than what passes at full speed.
func (t *throttler) begin(hit *faults.Hit, _ http.Header, length int64) bool {
	switch {
	case *t.upgraded:
	case t.down == nil && t.slowsRequest:
		return false
	case t.down == nil || length == 0:
		hit.Pass(passNoBody)
		return false
	case length > 0 && length <= t.after:
		hit.Pass(passShort)
		return false
	}
	hit.Confirm()
	return true
}

// cameTooLate reports whether the body has passed at full speed.
func (t *throttler) cameTooLate() bool {
	return t.down != nil && !*t.upgraded && !t.down.begun()
}

// write sends p in pieces, each when its time has come.
func (t *throttler) write(o *outlet, p []byte) (written int, err error) {
	if t.down == nil {
		return o.Write(p)
	}
	for len(p) > 0 && !o.ended() {
		size := t.down.slice(len(p))
		if !t.down.begun() {
			_ = o.flush() // the head does not wait
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

// read takes a piece from the client of an upgraded connection.
func (t *throttler) read(o *outlet, src io.Reader, p []byte) (int, error) {
	return slowRead(t.up, o, src, p)
}

// slowRead reads a piece and hands it on when its time has come.
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

// slowBody is the body of a request.
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
//	    request|both
//	}
//
// A size has a unit, such as `64KiB/s`. With `request` the request's body is
// slow instead of the reply's.
func (f *Throttle) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	switch {
	case len(words) > 1:
		return args.Unexpected(d, "throttle", words[1])
	case len(words) == 1:
		rate, err := args.ParseRate(words[0])
		if err == nil && rate == 0 {
			err = fmt.Errorf("bad rate '%s': want more than 0", words[0])
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

// Line writes the rate.
func (f *Throttle) Line() (line string, ok bool) {
	return args.FormatSize(f.BytesPerSecond) + "/s", f.After == 0 && f.Direction == ""
}

// Interface guards
var (
	_ faults.Fault          = (*Throttle)(nil)
	_ faults.Replier        = (*Throttle)(nil)
	_ caddy.Validator       = (*Throttle)(nil)
	_ faults.Untrusted      = (*Throttle)(nil)
	_ faults.Liner          = (*Throttle)(nil)
	_ caddyfile.Unmarshaler = (*Throttle)(nil)
)
