package wire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// recordingConn keeps what is written to it.
type recordingConn struct {
	net.Conn
	bytes.Buffer
	fails      error
	halfClosed bool
	closed     atomic.Pointer[time.Time] // set by the goroutine of a timer
}

func (c *recordingConn) Read([]byte) (int, error) { return 0, io.EOF }

func (c *recordingConn) Write(p []byte) (int, error) {
	if c.fails != nil {
		return 0, c.fails
	}
	return c.Buffer.Write(p)
}

func (c *recordingConn) CloseWrite() error { c.halfClosed = true; return nil }

func (c *recordingConn) Close() error { now := time.Now(); c.closed.Store(&now); return nil }

// sent is what a server sends: a SETTINGS frame, two replies, one of which has a field
// block in two frames, and the resets of three streams.
func sent(t *testing.T, codes ...http2.ErrCode) []byte {
	t.Helper()
	var buf bytes.Buffer
	f := http2.NewFramer(&buf, nil)
	for _, err := range []error{
		f.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}),
		f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte("head"), EndHeaders: false}),
		f.WriteContinuation(1, true, []byte("rest")),
		f.WriteData(1, false, bytes.Repeat([]byte{3}, 300)),
		f.WriteRSTStream(3, codes[0]),
		f.WriteRSTStream(5, codes[1]),
		f.WriteData(1, true, nil),
		f.WriteRSTStream(3, codes[2]),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return buf.Bytes()
}

// A code changes the first reset of its stream, wherever the frames are cut. The bytes
// that the server writes do not change.
func TestResetBy(t *testing.T) {
	const internal, calm = http2.ErrCodeInternal, http2.ErrCodeEnhanceYourCalm
	frames, want := sent(t, internal, internal, internal), sent(t, calm, internal, internal)
	for size := 9; size <= len(frames); size++ { // the server sends SETTINGS at once
		inside := new(recordingConn)
		c := &faultConn{Conn: inside}
		if !c.frames.resetBy(3, calm) {
			t.Fatal("a new connection takes no code")
		}
		for rest := bytes.Clone(frames); len(rest) > 0; {
			n := min(size, len(rest))
			if got, err := c.Write(rest[:n:n]); got != n || err != nil {
				t.Fatalf("pieces of %d: got %d, %v", size, got, err)
			}
			if !bytes.HasSuffix(frames, rest) {
				t.Fatalf("pieces of %d: the server's bytes have changed", size)
			}
			rest = rest[n:]
		}
		if !bytes.Equal(inside.Bytes(), want) {
			t.Errorf("pieces of %d: got\n%x\nwant\n%x", size, inside.Bytes(), want)
		}
	}
}

// A GOAWAY frame comes between two frames, and never between those of a field block.
// Then nothing else is sent. The connection closes after a while, even if the client
// does not close it.
func TestEndBy(t *testing.T) {
	frames := sent(t, 2, 2, 2)
	settings, block := 9+6, 9+4+9+4
	away := appendGoAway(nil, http2.ErrCodeCancel)
	for armed := settings; armed < len(frames); armed++ {
		synctest.Test(t, func(t *testing.T) {
			inside := new(recordingConn)
			c := &faultConn{Conn: inside}
			for i := range frames {
				if i == armed && !c.frames.endBy(http2.ErrCodeCancel) {
					t.Fatal("the connection takes no code")
				}
				switch {
				case i == 0:
					c.mustWrite(t, frames[:settings])
				case i >= settings:
					c.mustWrite(t, frames[i:i+1])
				}
			}
			before, found := bytes.CutSuffix(inside.Bytes(), away)
			switch at := len(before); {
			case armed > len(frames)-13 && !found: // in the last frame
				if !bytes.Equal(before, frames) {
					t.Errorf("at %d: got %x", armed, before)
				}
				return
			case !found || !bytes.HasPrefix(frames, before) || at < armed:
				t.Errorf("at %d: got %x", armed, inside.Bytes())
			case at > settings && at < settings+block:
				t.Errorf("at %d: GOAWAY in a field block", armed)
			}
			if !inside.halfClosed || inside.closed.Load() != nil {
				t.Errorf("at %d: not half closed", armed)
			}
			began := time.Now()
			time.Sleep(lingerTime)
			synctest.Wait()
			if closed := inside.closed.Load(); closed == nil || closed.Sub(began) != lingerTime {
				t.Errorf("at %d: closed at %v, want %v after %v", armed, closed, lingerTime, began)
			}
		})
	}
}

func (c *faultConn) mustWrite(t *testing.T, p []byte) {
	t.Helper()
	if n, err := c.Write(p); n != len(p) || err != nil {
		t.Fatalf("got %d, %v", n, err)
	}
}

// A connection of HTTP/1 or with encrypted bytes has no frames.
func TestNoFrames(t *testing.T) {
	for _, first := range []string{"HTTP/1.1 200 OK\r\n\r\n", "\x16\x03\x03\x04\x00\x00\x00\x00\x00\x00", "\x00", ""} {
		inside := new(recordingConn)
		c := &faultConn{Conn: inside}
		c.mustWrite(t, []byte(first))
		if c.frames.resetBy(1, 2) || c.frames.endBy(2) {
			t.Errorf("%q: takes a code", first)
		}
		rest := string(sent(t, 2, 2, 2))
		c.mustWrite(t, []byte(rest))
		if inside.String() != first+rest {
			t.Errorf("%q: got %q", first, inside.String())
		}
	}
}

// The codes of streams that were never reset are not kept without a limit. The newest
// ones are kept.
func TestCodesLimited(t *testing.T) {
	var f frames
	for stream := uint32(1); stream < 10*maxCodes; stream += 2 {
		f.resetBy(stream, 2)
	}
	if _, ok := f.codes[10*maxCodes-1]; len(f.codes) != maxCodes || !ok {
		t.Errorf("got %d codes, the newest: %t", len(f.codes), ok)
	}
}

// An error of the connection reaches the server.
func TestFramesError(t *testing.T) {
	gone := errors.New("gone")
	c := &faultConn{Conn: &recordingConn{fails: gone}}
	if n, err := c.Write(sent(t, 2, 2, 2)); n != 0 || !errors.Is(err, gone) {
		t.Errorf("got %d, %v", n, err)
	}
}

// BenchmarkWrapperWrite measures what the wrapper adds to a Write of 4 KiB.
func BenchmarkWrapperWrite(b *testing.B) {
	var data bytes.Buffer
	_ = http2.NewFramer(&data, nil).WriteData(1, false, make([]byte, 4096-9))
	settings := make([]byte, 9)
	settings[3] = byte(http2.FrameSettings)
	for _, bm := range []struct {
		name         string
		first, write []byte
	}{
		{"HTTP1", []byte("HTTP/1.1 200 OK\r\n\r\n"), []byte(strings.Repeat("x", 4096))},
		{"HTTP2", settings, data.Bytes()},
	} {
		b.Run(bm.name, func(b *testing.B) {
			c := &faultConn{Conn: discardConn{}}
			_, _ = c.Write(bm.first)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Write(bm.write)
			}
		})
	}
}

type discardConn struct{ net.Conn }

func (discardConn) Write(p []byte) (int, error) { return len(p), nil }
