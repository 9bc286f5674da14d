package kinds

import (
	"fmt"
	"math/rand/v2"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

func init() {
	caddy.RegisterModule(Corrupt{})
}

// Corrupt changes some bytes of the body. The reply stays whole and has the same
// length.
//
// What the client sees: over every protocol, a whole reply with garbled content. The
// changed bytes are scattered at random over the body, and each gets another value. At
// least one byte of a body with a Content-Length is changed. Only a client that looks
// at the content can tell.
//
// `ETag`, `Last-Modified` and digests of the body are removed. `Cache-Control:
// no-store` keeps the reply out of caches. Trailers do not change.
//
// Events of a stream are garbled in the same way. The frames of a WebSocket are garbled
// with their heads, which ends most of them soon.
//
// With `seed` or `sticky`, the same reply is garbled at the same places again.
type Corrupt struct {
	// The part of the body that is changed, in percent, above 0, up to 100. Required.
	Percent float64 `json:"percent,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Corrupt) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".corrupt",
		New: func() caddy.Module { return new(Corrupt) },
	}
}

// Validate checks the configured fields.
func (f *Corrupt) Validate() error {
	if !(f.Percent > 0 && f.Percent <= 100) {
		return fmt.Errorf("bad corrupt percent '%v': must be greater than 0 and at most 100", f.Percent)
	}
	return nil
}

// Untrusted allows corrupt in every trigger.
func (*Corrupt) Untrusted(*faults.Limits) error { return nil }

// Reply requires a body.
func (*Corrupt) Reply(next faults.Reply) (faults.Reply, error) { return next, next.Need(1) }

// Conditional reports true: only a reply with a body is garbled.
func (*Corrupt) Conditional(uint64) bool { return true }

// Inject calls next with a writer that garbles.
func (f *Corrupt) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	shield, err := newShield(w)
	if err != nil {
		hit.Confirm() // the request fails instead
		return err
	}
	return serveShaped(hit, w, r, next, &garbler{
		width:  100 / f.Percent,
		rand:   hit.Rand(),
		shield: shield,
	})
}

// A garbler is the shaper of one corrupted reply. It divides the body into strata and
// changes one byte in each. A stratum is as wide as the mean distance between two
// changed bytes. The number of changed bytes is therefore right even for a small body,
// and their places are random.
type garbler struct {
	width  float64 // width of a stratum
	rand   *rand.Rand
	shield shield
	seen   int64   // bytes of the body so far
	next   int64   // the byte to change
	count  float64 // strata that have been drawn
	buf    []byte
}

// maxGarbled is the number of bytes that are copied and changed at a time.
const maxGarbled = 32 << 10

// begin draws the first byte to change, within the body if its length is known.
func (g *garbler) begin(hit *faults.Hit, header http.Header, length int64) bool {
	if length == 0 {
		hit.Pass(passNoBody)
		return false
	}
	hit.Confirm()
	g.shield.raise() // random bytes could form a template action
	dropValidators(header)
	uncache(header)
	width := g.width
	if length > 0 {
		width = min(width, float64(length))
	}
	g.next, g.count = place(g.rand.Float64()*width), 1
	return true
}

// cameTooLate reports whether the body has ended before the first byte to change.
func (g *garbler) cameTooLate() bool { return g.next >= g.seen && g.count == 1 }

// write sends a garbled copy of p. It does not change p, which belongs to the sender.
func (g *garbler) write(o *outlet, p []byte) (written int, err error) {
	if g.buf == nil {
		g.buf = make([]byte, 0, min(len(p), maxGarbled))
	}
	for len(p) > 0 && !o.ended() {
		size := min(len(p), maxGarbled)
		g.buf = append(g.buf[:0], p[:size]...)
		g.garble(g.buf)
		n, err := o.Write(g.buf)
		if written += n; err != nil {
			return written, err
		}
		p = p[size:]
	}
	return o.rest(written, p)
}

// garble changes the bytes of p that have been drawn, and draws the next.
func (g *garbler) garble(p []byte) {
	end := g.seen + int64(len(p))
	for g.next < end {
		p[g.next-g.seen] ^= byte(1 + g.rand.IntN(255))
		g.next = max(g.next+1, place((g.count+g.rand.Float64())*g.width))
		g.count++
	}
	g.seen = end
}

// place returns the byte at x. For a tiny percentage x is past the end of every body.
func place(x float64) int64 { return int64(min(x, 1<<62)) }

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	corrupt <percent>%
func (f *Corrupt) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if err := args.NoBlock(d, "corrupt"); err != nil {
		return err
	}
	switch {
	case len(words) == 0:
		return args.Missing(d, "corrupt")
	case len(words) > 1:
		return args.Unexpected(d, "corrupt", words[1])
	}
	percent, err := args.ParsePercent(words[0])
	if err != nil {
		return d.WrapErr(err)
	}
	f.Percent = percent
	return nil
}

// Line returns the percentage.
func (f *Corrupt) Line() (line string, ok bool) { return args.FormatNumber(f.Percent) + "%", true }

// Interface guards
var (
	_ faults.Fault          = (*Corrupt)(nil)
	_ faults.Replier        = (*Corrupt)(nil)
	_ caddy.Validator       = (*Corrupt)(nil)
	_ faults.Untrusted      = (*Corrupt)(nil)
	_ faults.Liner          = (*Corrupt)(nil)
	_ caddyfile.Unmarshaler = (*Corrupt)(nil)
)
