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

// Truncate ends the body of a reply early: after a size, a percentage or a time. What
// came until then reaches the client. With `request`, it ends the upload instead.
//
// What the client sees: the status, the header and the beginning of the body. Then,
// over HTTP/1.1, the connection closes before the promised end (curl: 18). With
// `reset`, the client gets a TCP reset (curl: 56), which can overtake bytes that a slow
// client has not received yet. Over HTTP/2 and HTTP/3, the stream is reset with
// `INTERNAL_ERROR` or `H3_INTERNAL_ERROR`. Other streams continue.
//
// With `clean`, the client gets a whole reply that is shorter, over every protocol. Its
// Content-Length is corrected. `ETag`, `Last-Modified` and digests are removed, and
// `Cache-Control: no-store` keeps the reply out of caches. A reply that is a part of a
// whole (206) then passes unchanged, with the reason partial.
//
// An event stream is cut at the byte or the time. The client gets all events until
// then. A WebSocket over HTTP/1.1 is cut at a byte of its frames, without a close
// frame. There, `clean` is the same as `close`.
//
// What the upstream sees with `request`: the beginning of the body. Then the connection
// or the stream ends, as if the client had left, and `reverse_proxy` answers 502. With
// `clean`, the upstream gets a whole request that is shorter.
//
// A reply that is not longer than the size passes unchanged, and so does a reply
// without a body. If the head of the reply shows this, the request is not a hit. The
// reasons are short, no_body and no_length.
type Truncate struct {
	// How many bytes of the body are sent. 0 sends the head only. Either `bytes`,
	// `percent` or `after` is required.
	Bytes *int64 `json:"bytes,omitempty"`

	// The part of the Content-Length that is sent, in percent, from 0 to below 100. A
	// reply without a Content-Length is not cut.
	Percent *float64 `json:"percent,omitempty"`

	// How the reply ends: `close`, `reset` or `clean`. Default: `close`.
	End string `json:"end,omitempty"`

	// Cut a reply that still runs this long after its head. With `bytes` or `percent`,
	// the earlier of the two counts. With `clean` and `after`, the reply has no
	// Content-Length, because the new length is not known in time. Default: no limit.
	After caddy.Duration `json:"after,omitempty" zero:"default"`

	// Which body ends early: `response` or `request`. With `request`, `after` and the end
	// `reset` are refused. Default: `response`.
	Direction string `json:"direction,omitempty"`
}

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
		return errors.New("truncate needs a size such as 10KiB, a percentage such as 50%, or a block with after")
	case f.Bytes != nil && f.Percent != nil:
		return fmt.Errorf("truncate has both bytes '%d' and percent '%v'; remove one of them", *f.Bytes, *f.Percent)
	case f.Bytes != nil && *f.Bytes < 0:
		return fmt.Errorf("bad truncate bytes '%d': must not be negative", *f.Bytes)
	case f.Percent != nil && !(*f.Percent >= 0 && *f.Percent < 100):
		return fmt.Errorf("bad truncate percent '%v': must be 0 or greater and less than 100", *f.Percent)
	case f.After < 0:
		return fmt.Errorf("bad truncate after '%s': must not be negative", time.Duration(f.After))
	}
	switch f.End {
	case "", endClose, endReset, endClean:
		return f.checkRequest()
	}
	return fmt.Errorf("bad truncate end '%s': want close, reset or clean", f.End)
}

// Untrusted limits the size.
func (f *Truncate) Untrusted(*faults.Limits) error { return untrustedSize(f.Bytes) }

// Reply accepts two cuts at the same byte, because both can have an effect. The outer
// one ends a body of known length, the inner one a body of unknown length.
func (f *Truncate) Reply(next faults.Reply) (faults.Reply, error) {
	if f.Direction == directionRequest {
		return next, nil
	}
	size, hard := int64(0), f.Bytes != nil && f.End != endClean // a clean cut lets a part of a whole pass
	switch {
	case f.After > 0, f.End == endClean && next.Cut:
		size = faults.NoBody // a reply can run long without a body, and the head before a clean cut can promise a longer one
	case f.Bytes != nil && next.Cut:
		size = *f.Bytes
	case f.Bytes != nil:
		if err := next.NeedMore(*f.Bytes); err != nil {
			return next, err
		}
	}
	if err := next.Need(size); err != nil || !hard || next.Size <= *f.Bytes {
		return next, err
	}
	if next.Cut && !next.Branch {
		return next, faults.Useless(next.From, fmt.Errorf("a cut before it already ends the reply at %d bytes", *f.Bytes))
	}
	return faults.Reply{Size: *f.Bytes, From: f, Cut: f.After == 0}, nil
}

// Conditional reports true: only a longer reply is cut.
func (*Truncate) Conditional(uint64) bool { return true }

// Inject calls next and ends the reply, or the request, early.
func (f *Truncate) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if f.Direction == directionRequest {
		return f.cutRequest(hit, w, r, next, nil)
	}
	return f.cut(hit, w, r, next, nil)
}

// cut calls next and ends the reply early. If pause is not nil, cut pauses after the
// last byte, before it ends the reply.
func (f *Truncate) cut(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler, pause wire.Pause) error {
	t := &truncator{cutter: cutter{end: f.End, pause: pause}, f: f, closes: !r.ProtoAtLeast(1, 1)}
	return t.serve(newShapeWriter(hit, w, r, t), next, r)
}

// limit returns how many bytes of a body of the given length are sent, or -1 for all.
func (f *Truncate) limit(length int64) int64 {
	switch {
	case f.Bytes != nil && (length < 0 || *f.Bytes < length):
		return *f.Bytes
	case f.Percent != nil && length > 0:
		return partOf(length, *f.Percent)
	}
	return -1
}

// unfit returns why a body of the given length is not cut at the limit, or "" if it is
// cut.
func (f *Truncate) unfit(length, limit int64) string {
	byTime := f.After > 0
	switch {
	case length == 0:
		return passNoBody
	case f.Percent != nil && length < 0 && !byTime:
		return passNoLength
	case limit < 0 && !byTime:
		return passShort
	}
	return ""
}

// partOf returns a percentage of a length. The result is always less than the length.
func partOf(length int64, percent float64) int64 {
	part := float64(length) * percent / 100
	if part >= float64(length-1) {
		return length - 1 // also for a huge length that float64 rounds
	}
	return int64(part)
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	truncate [<size>|<percent>%] [close|reset|clean] {
//	    after <duration>
//	    request
//	}
//
// A size has a unit, such as `10KiB`. Without a size and a percentage, after is required.
// With request, the body of the request ends early.
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
		switch name {
		case "after":
			return args.Parse(d, "truncate after", d.RemainingArgs(), args.AboveZero("truncate after", &f.After))
		case directionRequest:
			f.Direction = directionRequest
			return args.None(d, "truncate request")
		default:
			return args.UnknownOption(d, "truncate")
		}
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

// Line returns where and how the reply ends. If more is set, ok is false.
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
	return line, f.After == 0 && f.Direction == ""
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
