package kinds

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

func init() {
	caddy.RegisterModule(Dribble{})
}

// Dribble sends the body in pieces of equal size, spread evenly over a time.
//
// What the client sees: over every protocol, the head at once, with its Content-Length.
// Then the whole body, piece by piece. The first piece comes after one part of the
// time, the last one at its end. If the body has fewer bytes than pieces, it comes byte
// by byte.
//
// A reply without a Content-Length passes unchanged, as event streams and WebSockets
// do. So does a reply without a body.
//
// If the reply has no Content-Type, the head goes out without one, because Go guesses
// it from the body. The reply is not held in memory. The upstream has to wait.
type Dribble struct {
	// The number of pieces, 1 or more. Required.
	Chunks int `json:"chunks,omitempty"`

	// How long the whole body takes. If the upstream is slower, the body takes as long
	// as the upstream. Required.
	Duration caddy.Duration `json:"duration,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (Dribble) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".dribble",
		New: func() caddy.Module { return new(Dribble) },
	}
}

// Validate checks the configured fields.
func (f *Dribble) Validate() error {
	if f.Chunks < 1 {
		return fmt.Errorf("bad dribble chunks '%d': must be 1 or greater", f.Chunks)
	}
	if f.Duration <= 0 {
		return fmt.Errorf("bad dribble duration '%s': must be greater than 0", time.Duration(f.Duration))
	}
	return nil
}

// Untrusted takes the duration from the limits.
func (f *Dribble) Untrusted(l *faults.Limits) error { return l.Take(time.Duration(f.Duration)) }

// Reply requires a body.
func (*Dribble) Reply(next faults.Reply) (faults.Reply, error) { return next, next.Need(1) }

// Conditional reports true: only a body of known length is sent in pieces.
func (*Dribble) Conditional(uint64) bool { return true }

// Inject calls next with a writer that dribbles.
func (f *Dribble) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return serveShaped(hit, w, r, next, &dribbler{f: f})
}

// A dribbler is the shaper of one reply.
type dribbler struct {
	f      *Dribble
	start  time.Time
	length uint64 // of the body
	chunks uint64
	sent   uint64
	chunk  uint64 // the piece that is being sent, counted from 1
	end    uint64 // where it ends
}

// begin divides the body.
func (d *dribbler) begin(hit *faults.Hit, _ http.Header, length int64) bool {
	switch {
	case length < 0:
		hit.Pass(passNoLength)
		return false
	case length == 0:
		hit.Pass(passNoBody)
		return false
	}
	hit.Confirm()
	d.length = uint64(length)
	d.chunks = min(uint64(d.f.Chunks), d.length)
	d.start = time.Now()
	return true
}

// write sends p. It waits at the beginning of each piece.
func (d *dribbler) write(o *outlet, p []byte) (written int, err error) {
	for len(p) > 0 && d.sent < d.length && !o.ended() {
		if d.sent == d.end {
			if err := d.nextChunk(o); err != nil {
				return written, err
			}
		}
		n, err := o.Write(p[:min(uint64(len(p)), d.end-d.sent)])
		written += n
		d.sent += uint64(n)
		if err != nil {
			return written, err
		}
		if d.sent == d.end {
			_ = o.flush()
		}
		p = p[n:]
	}
	return o.rest(written, p)
}

// nextChunk waits until the next piece is due.
func (d *dribbler) nextChunk(o *outlet) error {
	if d.chunk == 0 {
		_ = o.flush() // the head does not wait
	}
	d.chunk++
	d.end = share(d.length, d.chunk, d.chunks)
	due := time.Duration(share(uint64(d.f.Duration), d.chunk, d.chunks))
	return o.wait(time.Until(d.start.Add(due)))
}

// share returns i n-ths of the whole, rounded down. i must be at most n.
func share(whole, i, n uint64) uint64 {
	hi, lo := bits.Mul64(whole, i)
	quotient, _ := bits.Div64(hi, lo, n)
	return quotient
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	dribble <chunks> <duration>
func (f *Dribble) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if err := args.NoBlock(d, "dribble"); err != nil {
		return err
	}
	switch {
	case len(words) < 2:
		return args.Missing(d, "dribble")
	case len(words) > 2:
		return args.Unexpected(d, "dribble", words[2])
	}
	chunks, err := strconv.Atoi(words[0])
	switch {
	case errors.Is(err, strconv.ErrRange), chunks > math.MaxInt32:
		return d.Errf("bad chunks '%s': too large", words[0])
	case err != nil:
		return d.Errf("bad chunks '%s': want a whole number, such as 10", words[0])
	}
	f.Chunks = chunks
	return args.Parse(d, "dribble", words[1:], args.DurationParser(&f.Duration))
}

// Line returns both settings.
func (f *Dribble) Line() (line string, ok bool) {
	return strconv.Itoa(f.Chunks) + " " + args.FormatDuration(f.Duration), f.Chunks <= math.MaxInt32
}

// Interface guards
var (
	_ faults.Fault          = (*Dribble)(nil)
	_ faults.Replier        = (*Dribble)(nil)
	_ caddy.Validator       = (*Dribble)(nil)
	_ faults.Untrusted      = (*Dribble)(nil)
	_ faults.Liner          = (*Dribble)(nil)
	_ caddyfile.Unmarshaler = (*Dribble)(nil)
)
