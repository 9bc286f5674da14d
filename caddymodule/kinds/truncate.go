package kinds

import (
	"errors"
	"fmt"
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
	caddy.RegisterModule(Truncate{})
}

// Truncate ends the body of a reply early: after so many bytes, after a part of
// it, or after a time. What came until then reaches the client.
//
// What the client sees: status, header and the beginning of the body. Then,
// over HTTP/1.1, the end of the connection, although Content-Length or the
// chunks promise more (curl: 18); with the end `reset` a TCP RST (curl: 56),
// which may overtake bytes that a slow client has not yet taken in. Over HTTP/2
// and HTTP/3 this stream is reset, with INTERNAL_ERROR and H3_INTERNAL_ERROR;
// the other streams live on. With the end `clean` the reply is whole, only
// shorter: its Content-Length is mended and what validates the old body (ETag,
// Last-Modified, Digest) is gone and `Cache-Control: no-store` keeps it out of
// caches; over every protocol nothing looks broken. A part of a whole
// (206) passes unchanged then and is counted as partial.
//
// An event stream is cut in the same way, at the byte or the time, with all
// events until then delivered. A WebSocket over HTTP/1.1 is cut at a byte of
// its frames, without a close frame; `clean` and `close` are the same there.
//
// A reply that is not longer passes whole, and so do replies without a body. Neither
// is a hit, if the head tells it: the reasons are short, no_body and no_length.
type Truncate struct {
	// How many bytes of the body are sent. 0 sends only the head.
	Bytes *int64 `json:"bytes,omitempty"`

	// How much of the body is sent, in percent of its Content-Length, from 0 to
	// below 100. A reply without a Content-Length is not cut by this.
	Percent *float64 `json:"percent,omitempty"`

	// How the reply ends: `close` (default), `reset` or `clean`.
	End string `json:"end,omitempty"`

	// How long after its head a reply that is still going on is cut. Together
	// with bytes or percent, what comes first counts. With `clean` the reply is
	// then sent without Content-Length, which nobody can tell in time. Default:
	// no limit.
	After caddy.Duration `json:"after,omitempty" zero:"default"`
}

// The ways in which a truncated reply ends.
const (
	endClose = "close"
	endReset = "reset"
	endClean = "clean"
)

// CaddyModule returns the Caddy module information.
func (Truncate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".truncate",
		New: func() caddy.Module { return new(Truncate) },
	}
}

// Validate checks the configured fields.
func (f *Truncate) Validate() error {
	switch {
	case f.Bytes == nil && f.Percent == nil && f.After == 0:
		return errors.New("truncate needs a size such as 10KiB, a percentage such as 50%, or after")
	case f.Bytes != nil && f.Percent != nil:
		return fmt.Errorf("truncate has both bytes '%d' and percent '%v'", *f.Bytes, *f.Percent)
	case f.Bytes != nil && *f.Bytes < 0:
		return fmt.Errorf("bad truncate bytes '%d': negative", *f.Bytes)
	case f.Percent != nil && !(*f.Percent >= 0 && *f.Percent < 100):
		return fmt.Errorf("bad truncate percent '%v': want 0 to below 100", *f.Percent)
	case f.After < 0:
		return fmt.Errorf("bad truncate after '%s': negative", time.Duration(f.After))
	}
	switch f.End {
	case "", endClose, endReset, endClean:
		return nil
	}
	return fmt.Errorf("bad truncate end '%s': want close, reset or clean", f.End)
}

// Untrusted bounds the size.
func (f *Truncate) Untrusted(*faults.Limits) error { return untrustedSize(f.Bytes) }

// Reply takes a cut at the byte itself for one that can have an effect: of two at
// the same byte the outer one ends a body of known length, the inner one others.
func (f *Truncate) Reply(next faults.Reply) (faults.Reply, error) {
	size, hard := int64(0), f.Bytes != nil && f.End != endClean // a clean cut lets a part of a whole pass
	switch {
	case f.After > 0, f.End == endClean && next.Cut:
		size = faults.NoBody // it may be a long time going on without a body; and its head may tell of a longer one
	case f.Bytes != nil:
		size = *f.Bytes
	}
	if err := next.Need(size); err != nil || !hard || next.Size <= *f.Bytes {
		return next, err
	}
	if next.Cut && !next.Branch {
		return next, faults.Useless(next.From, fmt.Errorf("before it, a cut at %d bytes ends the reply", *f.Bytes))
	}
	return faults.Reply{Size: *f.Bytes, From: f, Cut: f.After == 0}, nil
}

// Conditional reports that only a reply that is longer is cut.
func (*Truncate) Conditional(uint64) bool { return true }

// Inject calls next and ends its reply early.
func (f *Truncate) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return f.cut(hit, w, r, next, nil)
}

// cut calls next and ends its reply early; where the reply ends it pauses, if
// there is a pause, before the client is told.
func (f *Truncate) cut(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, pause wire.Pause) (err error) {
	c, upstream := &cutter{f: f, pause: pause, closes: !r.ProtoAtLeast(1, 1)}, r
	if pause != nil && r.ProtoMajor == 1 && r.Body != nil && r.Body != http.NoBody {
		lent := wire.LendBody(r)
		upstream = r.WithContext(r.Context())
		upstream.Body = lent
		w = lent.TakeOver(w)
	}
	sw := newShapeWriter(hit, w, r, c)
	c.out, c.cancel = &sw.body.out, sw.cancel
	defer func() {
		sw.cancel()
		if !c.settle() {
			return
		}
		// a proxy gives up a reply that it cannot finish by a panic
		if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
			panic(p)
		}
		err = c.finish(w, r)
	}()
	return sw.serve(next, upstream.WithContext(sw.body.out.ctx))
}

// limit is how many bytes of a body of the given length may pass, -1 for all of
// them.
func (f *Truncate) limit(length int64) int64 {
	switch {
	case f.Bytes != nil && (length < 0 || *f.Bytes < length):
		return *f.Bytes
	case f.Percent != nil && length > 0:
		return partOf(length, *f.Percent)
	}
	return -1
}

// partOf is so many percent of a length, and always less than it.
func partOf(length int64, percent float64) int64 {
	part := float64(length) * percent / 100
	if part >= float64(length-1) {
		return length - 1 // also when a huge length loses its last digits
	}
	return int64(part)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	truncate [<size>|<percent>%] [close|reset|clean] {
//	    after <duration>
//	}
//
// A size has a unit, such as `10KiB`. Without size and percentage the block
// with `after` is needed.
func (f *Truncate) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 0 && !isEnd(words[0]) {
		if err := f.parseLimit(words[0]); err != nil {
			return d.WrapErr(err)
		}
		if len(words) > 1 && strings.ContainsAny(words[1][:min(1, len(words[1]))], "0123456789") {
			return d.Errf("truncate has both '%s' and '%s'", words[0], words[1])
		}
		words = words[1:]
	}
	if len(words) > 0 {
		f.End = words[0]
		words = words[1:]
	}
	if len(words) > 0 {
		return args.Unexpected(d, "truncate", words[0])
	}
	start := *d
	err := args.Options(d, "", func(name string) error {
		if name != "after" {
			return args.UnknownOption(d, "truncate")
		}
		return args.Parse(d, "truncate after", d.RemainingArgs(), args.AboveZero("truncate after", &f.After))
	})
	if err == nil && f.After == 0 && start.Val() == "truncate" {
		return args.Missing(&start, "truncate")
	}
	return err
}

func isEnd(word string) bool { return word == endClose || word == endReset || word == endClean }

// parseLimit reads a size or a percentage.
func (f *Truncate) parseLimit(arg string) error {
	if strings.HasSuffix(arg, "%") {
		percent, err := args.ParsePercent(arg)
		f.Percent = &percent
		return err
	}
	size, err := args.ParseSize(arg)
	f.Bytes = &size
	return err
}

// Line writes where the reply ends, and how.
func (f *Truncate) Line() (line string, ok bool) {
	switch {
	case f.Bytes != nil:
		line = args.FormatSize(*f.Bytes)
	case f.Percent != nil:
		line = args.FormatNumber(*f.Percent) + "%"
	}
	if f.End != "" {
		line += " " + f.End
	}
	return line, f.After == 0
}

// Interface guards
var (
	_ faults.Fault          = (*Truncate)(nil)
	_ faults.Replier        = (*Truncate)(nil)
	_ caddy.Validator       = (*Truncate)(nil)
	_ faults.Untrusted      = (*Truncate)(nil)
	_ faults.Liner          = (*Truncate)(nil)
	_ caddyfile.Unmarshaler = (*Truncate)(nil)
)
