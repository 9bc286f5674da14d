package kinds

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Garbage{})
}

// Garbage answers with random bytes that are no HTTP, then ends the connection
// in good order. A seeded or sticky injection point sends the same bytes again.
//
// What the client sees: over HTTP/1.1, plain and TLS, noise where the status
// line should be, then the end of the stream (Go: malformed HTTP response;
// curl: 1, HTTP/0.9 is not allowed). With TLS the noise is inside of the
// encrypted connection. HTTP/2 and HTTP/3 have no room for it: only this stream
// is reset, with INTERNAL_ERROR and H3_INTERNAL_ERROR; the other streams of the
// connection live on.
//
// In a transport the attempt fails once the request has been sent, which Caddy
// tries again for GET, or for what `lb_retry_match` says instead.
type Garbage struct {
	// How many bytes to send, from 1 to 1048576. Default: 64.
	Bytes *int64 `json:"bytes,omitempty"`
}

const (
	defaultGarbage = 64
	maxGarbage     = 1 << 20
)

// CaddyModule returns the Caddy module information.
func (Garbage) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".garbage",
		New: func() caddy.Module { return new(Garbage) },
	}
}

// Validate checks the size.
func (f *Garbage) Validate() error {
	switch {
	case f.Bytes == nil:
		return nil
	case *f.Bytes < 0:
		return fmt.Errorf("bad garbage bytes '%d': negative", *f.Bytes)
	case *f.Bytes == 0:
		return errors.New("bad garbage bytes '0': to send nothing use the close fault")
	case *f.Bytes > maxGarbage:
		return fmt.Errorf("bad garbage bytes '%d': more than the %d that are allowed", *f.Bytes, maxGarbage)
	}
	return nil
}

// Terminal reports that nothing comes after garbage.
func (*Garbage) Terminal() bool { return true }

// Reply says that no reply passes.
func (f *Garbage) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows it to everybody: its size is bounded anyway.
func (*Garbage) Untrusted(*faults.Limits) error { return nil }

// Inject sends the bytes, or over HTTP/2 and 3 resets the stream.
func (f *Garbage) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ProtoMajor == 1 {
		f.send(hit, w, r)
	}
	panic(http.ErrAbortHandler)
}

// send takes over the connection and writes the bytes to it.
func (f *Garbage) send(hit *faults.Hit, w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer wire.LingerAfter(conn, r)
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-hit.Ended: // a client that does not read must not hold up the end
			_ = conn.Close()
		case <-done:
		}
	}()
	size := int64(defaultGarbage)
	if f.Bytes != nil {
		size = *f.Bytes
	}
	var limits wire.WriteLimits
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		limits = wire.WriteTimeouts(srv, r)
	}
	writeNoise(conn, hit.Rand(), size, limits)
}

// noisePiece is how much garbage is in memory at a time.
const noisePiece = 4 << 10

// writeNoise sends random bytes in pieces, until somebody has had enough.
func writeNoise(conn net.Conn, random *rand.Rand, size int64, limits wire.WriteLimits) {
	buf := make([]byte, min(size, noisePiece)+8) // room for the last number
	for first := true; size > 0; first = false {
		piece := buf[:min(size, noisePiece)]
		for i := 0; i < len(piece); i += 8 {
			binary.LittleEndian.PutUint64(buf[i:], random.Uint64())
		}
		if first {
			piece[0] |= 0x80 // no ASCII: neither HTTP/ nor an empty line before it
		}
		if conn.SetWriteDeadline(limits.Next()) != nil {
			return
		}
		if _, err := conn.Write(piece); err != nil {
			return
		}
		size -= int64(len(piece))
	}
}

// RoundTrip fails the attempt behind the request. How many bytes come makes no
// difference there.
func (*Garbage) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, errGarbage)
}

var errGarbage = errors.New("malformed HTTP response")

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	garbage [<size>]
//
// A size has a unit, such as 64B or 10KiB.
func (f *Garbage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		size, err := args.ParseSize(d.Val())
		if err != nil {
			return d.WrapErr(err)
		}
		f.Bytes = &size
	}
	if d.NextArg() {
		return args.Unexpected(d, "garbage", d.Val())
	}
	return args.NoBlock(d, "garbage")
}

// Line writes the size, if there is one.
func (f *Garbage) Line() (line string, ok bool) {
	if f.Bytes == nil {
		return "", true
	}
	return args.FormatSize(*f.Bytes), true
}

// Interface guards
var (
	_ faults.Fault          = (*Garbage)(nil)
	_ faults.Replier        = (*Garbage)(nil)
	_ faults.RoundTripper   = (*Garbage)(nil)
	_ faults.Terminal       = (*Garbage)(nil)
	_ caddy.Validator       = (*Garbage)(nil)
	_ faults.Untrusted      = (*Garbage)(nil)
	_ faults.Liner          = (*Garbage)(nil)
	_ caddyfile.Unmarshaler = (*Garbage)(nil)
)
