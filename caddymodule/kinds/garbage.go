package kinds

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"

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

// Garbage sends bytes that are not HTTP, then closes the connection. They are random
// unless you choose them. At a point with `seed` or `sticky`, the same request gets the
// same bytes again.
//
// What the client sees: over HTTP/1, with and without TLS, noise where the status line
// should be, then the end of the stream (curl: 1). With TLS, the noise is inside the
// encrypted connection. HTTP/2 and HTTP/3 have no room for noise. There, the stream is
// reset with `INTERNAL_ERROR` or `H3_INTERNAL_ERROR`. Other streams continue.
//
// In a transport, the attempt fails after the request has been sent. Caddy then tries
// GET again, or the requests that `lb_retry_match` names.
type Garbage struct {
	// The number of bytes to send, from 1 to 1048576. Default: 64.
	Bytes *int64 `json:"bytes,omitempty"`

	// The bytes to send instead of random ones, in base64. Default: none.
	Base64 string `json:"base64,omitempty"`
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

// Validate checks the size and the bytes.
func (f *Garbage) Validate() error {
	if f.Base64 != "" {
		return f.validateBase64()
	}
	switch {
	case f.Bytes == nil:
		return nil
	case *f.Bytes < 0:
		return fmt.Errorf("bad garbage bytes '%d': must not be negative", *f.Bytes)
	case *f.Bytes == 0:
		return errors.New("bad garbage bytes '0': must be 1 or greater; to send nothing, use the fault close")
	case *f.Bytes > maxGarbage:
		return fmt.Errorf("bad garbage bytes '%d': must be at most %d", *f.Bytes, maxGarbage)
	}
	return nil
}

func (f *Garbage) validateBase64() error {
	given, err := base64.StdEncoding.DecodeString(f.Base64)
	switch {
	case err != nil:
		return fmt.Errorf("bad garbage base64 '%s': %w", f.Base64, err)
	case f.Bytes != nil:
		return fmt.Errorf("garbage has both bytes '%d' and base64; remove one of them", *f.Bytes)
	case len(given) > maxGarbage:
		return fmt.Errorf("bad garbage base64: must be at most %d bytes", maxGarbage)
	}
	return nil
}

// Terminal reports true: nothing runs after garbage.
func (*Garbage) Terminal() bool { return true }

// Reply reports that no reply reaches the client.
func (f *Garbage) Reply(faults.Reply) (faults.Reply, error) {
	return faults.Reply{Size: faults.NoHead, From: f}, nil
}

// Untrusted allows random bytes, whose number is limited. Behind another proxy, chosen
// bytes could be read as the replies to other requests.
func (f *Garbage) Untrusted(*faults.Limits) error {
	if f.Base64 != "" {
		return errors.New("garbage base64 is not allowed in a trigger; write garbage alone")
	}
	return nil
}

// Inject sends the bytes, or resets the stream over HTTP/2 and HTTP/3.
func (f *Garbage) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.ProtoMajor == 1 {
		f.send(hit, w, r)
	}
	panic(http.ErrAbortHandler)
}

// send hijacks the connection and writes the bytes.
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
		case <-hit.Ended: // a client that does not read must not prevent the end
			_ = conn.Close()
		case <-done:
		}
	}()
	var limits wire.WriteLimits
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok {
		limits = wire.WriteTimeouts(srv, r)
	}
	if f.Base64 != "" {
		given, _ := base64.StdEncoding.DecodeString(f.Base64) // checked by Validate
		for piece := range slices.Chunk(given, noisePiece) {
			if !writePiece(conn, piece, limits) {
				break
			}
		}
		return
	}
	size := int64(defaultGarbage)
	if f.Bytes != nil {
		size = *f.Bytes
	}
	writeNoise(conn, hit.Rand(), size, limits)
}

// noisePiece is the number of random bytes in memory at a time.
const noisePiece = 4 << 10

// writeNoise sends random bytes in pieces until all are sent or writing fails.
func writeNoise(conn net.Conn, random *rand.Rand, size int64, limits wire.WriteLimits) {
	buf := make([]byte, min(size, noisePiece)+8) // 8 more, because each number fills 8 bytes
	for first := true; size > 0; first = false {
		piece := buf[:min(size, noisePiece)]
		for i := 0; i < len(piece); i += 8 {
			binary.LittleEndian.PutUint64(buf[i:], random.Uint64())
		}
		if first {
			piece[0] |= 0x80 // not ASCII: cannot be read as HTTP/ or as an empty line
		}
		if !writePiece(conn, piece, limits) {
			return
		}
		size -= int64(len(piece))
	}
}

// writePiece reports whether a piece could be written.
func writePiece(conn net.Conn, piece []byte, limits wire.WriteLimits) bool {
	if conn.SetWriteDeadline(limits.Next()) != nil {
		return false
	}
	_, err := conn.Write(piece)
	return err == nil
}

// RoundTrip fails the attempt after the request has been sent. The size has no effect
// in a transport.
func (*Garbage) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	return nil, failSent(r, errGarbage)
}

var errGarbage = errors.New("malformed HTTP response")

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	garbage [<size>|base64 <bytes>]
//
// A size has a unit, such as 64B or 10KiB.
func (f *Garbage) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	switch {
	case len(words) > 0 && words[0] == "base64":
		if len(words) < 2 {
			return args.Missing(d, "garbage")
		}
		f.Base64, words = words[1], words[1:]
	case len(words) > 0:
		size, err := args.ParseSize(words[0])
		if err != nil {
			return d.WrapErr(err)
		}
		f.Bytes = &size
	}
	if len(words) > 1 {
		return args.Unexpected(d, "garbage", words[1])
	}
	return args.NoBlock(d, "garbage")
}

// Line returns the size or the bytes, if they are set.
func (f *Garbage) Line() (line string, ok bool) {
	if f.Base64 != "" {
		return "base64 " + f.Base64, true
	}
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
