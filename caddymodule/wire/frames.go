package wire

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/net/http2"
)

// frames follows the frames that a server sends on an HTTP/2 connection. It changes the
// code of chosen RST_STREAM frames, and it can end the connection by a GOAWAY frame.
// The bytes of a frame may come in several Writes.
//
// The server writes one frame after the other, so one Write at a time uses the fields
// without a lock.
type frames struct {
	protocol atomic.Uint32 // known after the first Write

	head  [9]byte // of the next frame
	have  int     // bytes of head so far
	left  int     // bytes of the current payload that are still to come
	block bool    // the field block continues in the next frame
	reset bool    // the current payload is replaced by code
	code  [4]byte

	goAway atomic.Pointer[http2.ErrCode] // of the frame that ends the connection
	over   atomic.Bool                   // whether nothing is sent any more

	mu    sync.Mutex
	codes map[uint32]http2.ErrCode // by the streams that will be reset
}

// The values of protocol.
const (
	protocolUnknown uint32 = iota
	protocolHTTP2
	protocolOther
)

// maxCodes is more than the number of streams that a client may have open. A stream
// whose client resets it first has no RST_STREAM frame, and its code would remain.
const maxCodes = 256

// lastOfAll is the largest number of a stream. As the last stream of a GOAWAY frame, it
// says that each request may have been processed.
const lastOfAll = math.MaxInt32

// are reports whether p is a part of frames. The first frame of an HTTP/2 server is
// SETTINGS on stream 0 (RFC 9113 section 3.4). An HTTP/1 reply begins with a letter,
// and a TLS record with its type.
func (f *frames) are(p []byte) bool {
	if protocol := f.protocol.Load(); protocol != protocolUnknown {
		return protocol == protocolHTTP2
	}
	protocol := protocolOther
	if len(p) >= len(f.head) && p[0] == 0 && http2.FrameType(p[3]) == http2.FrameSettings && binary.BigEndian.Uint32(p[5:]) == 0 {
		protocol = protocolHTTP2
	}
	f.protocol.Store(protocol)
	return protocol == protocolHTTP2
}

// resetBy requests a code for the next RST_STREAM frame of a stream. It returns false
// on a connection without frames.
func (f *frames) resetBy(stream uint32, code http2.ErrCode) bool {
	if f.protocol.Load() == protocolOther {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.codes == nil {
		f.codes = make(map[uint32]http2.ErrCode)
	}
	if len(f.codes) >= maxCodes {
		delete(f.codes, slices.Min(slices.Collect(maps.Keys(f.codes))))
	}
	f.codes[stream] = code
	return true
}

// endBy requests a GOAWAY frame instead of the next frame. It returns false on a
// connection without frames.
func (f *frames) endBy(code http2.ErrCode) bool {
	if f.protocol.Load() == protocolOther {
		return false
	}
	f.goAway.Store(&code)
	return true
}

// next returns what to send instead of p, which it does not change. It reports true if
// that ends in the last frame of the connection.
func (f *frames) next(p []byte) (out []byte, last bool) {
	out = p
	for i := 0; i < len(p); {
		if f.left == 0 && f.have == 0 && !f.block {
			if code := f.goAway.Load(); code != nil {
				return appendGoAway(out[:i:i], *code), true
			}
		}
		if f.left == 0 {
			n := copy(f.head[f.have:], p[i:])
			i, f.have = i+n, f.have+n
			if f.have == len(f.head) {
				f.begin()
			}
			continue
		}
		n := min(f.left, len(p)-i)
		if f.reset {
			out = slices.Clone(out)
			copy(out[i:i+n], f.code[len(f.code)-f.left:])
		}
		i, f.left = i+n, f.left-n
	}
	return out, false
}

// begin reads the head of a frame.
func (f *frames) begin() {
	f.have, f.reset = 0, false
	f.left = int(binary.BigEndian.Uint32(f.head[:]) >> 8)
	kind := http2.FrameType(f.head[3])
	if kind == http2.FrameHeaders || kind == http2.FramePushPromise || kind == http2.FrameContinuation {
		f.block = !http2.Flags(f.head[4]).Has(http2.FlagHeadersEndHeaders)
	}
	if kind == http2.FrameRSTStream {
		f.beginReset(binary.BigEndian.Uint32(f.head[5:]))
	}
}

// beginReset takes the code of a stream that is reset.
func (f *frames) beginReset(stream uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	code, ok := f.codes[stream]
	if !ok || f.left != len(f.code) {
		return
	}
	delete(f.codes, stream)
	f.reset = true
	binary.BigEndian.PutUint32(f.code[:], uint32(code))
}

// appendGoAway appends a GOAWAY frame (RFC 9113 section 6.8).
func appendGoAway(p []byte, code http2.ErrCode) []byte {
	p = append(p, 0, 0, 8, byte(http2.FrameGoAway), 0, 0, 0, 0, 0)
	p = binary.BigEndian.AppendUint32(p, lastOfAll)
	return binary.BigEndian.AppendUint32(p, uint32(code))
}
