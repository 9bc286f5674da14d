package e2e

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A framer is an HTTP/2 client that shows each frame of the server.
type framer struct {
	*http2.Framer
	net.Conn
	t    *testing.T
	next uint32 // the number of the next stream
}

// dialFrames opens an HTTP/2 connection, which is closed at the end of the test.
func (s *site) dialFrames(t *testing.T) *framer {
	t.Helper()
	conn, err := s.dialTCP("h2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	f := &framer{http2.NewFramer(conn, conn), conn, t, 1}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.must(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}))
	f.must(f.WriteWindowUpdate(0, 1<<30))
	return f
}

func (f *framer) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// get requests a page and returns the number of its stream.
func (f *framer) get(s *site, path string) uint32 {
	f.t.Helper()
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", s.scheme()}, {":authority", host}, {":path", path}} {
		f.must(enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
	}
	stream := f.next
	f.next += 2
	f.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true}))
	return stream
}

// read returns the next frame that belongs to a stream or ends the connection.
func (f *framer) read() (http2.Frame, error) {
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return nil, err
		}
		switch frame.(type) {
		case *http2.SettingsFrame, *http2.WindowUpdateFrame, *http2.PingFrame:
		default:
			return frame, nil
		}
	}
}

// wantHead reads the head of a reply.
func (f *framer) wantHead(stream uint32) {
	f.t.Helper()
	frame, err := f.read()
	if head, ok := frame.(*http2.MetaHeadersFrame); !ok || head.StreamID != stream || head.PseudoValue("status") != "200" {
		f.t.Fatalf("got %v, error %v, want the head of stream %d", frame, err, stream)
	}
}

// wantReset reads a RST_STREAM frame. Before it there may be a body on other streams.
func (f *framer) wantReset(stream uint32, code http2.ErrCode) {
	f.t.Helper()
	for {
		frame, err := f.read()
		if data, ok := frame.(*http2.DataFrame); ok && data.StreamID != stream {
			continue
		}
		if reset, ok := frame.(*http2.RSTStreamFrame); !ok || reset.StreamID != stream || reset.ErrCode != code {
			f.t.Fatalf("got %v, error %v, want a reset of stream %d with %v", frame, err, stream, code)
		}
		return
	}
}

// wantData reads more of a body.
func (f *framer) wantData(stream uint32) {
	f.t.Helper()
	frame, err := f.read()
	if data, ok := frame.(*http2.DataFrame); !ok || data.StreamID != stream {
		f.t.Fatalf("got %v, error %v, want more of stream %d", frame, err, stream)
	}
}

// rest reads to the end of the connection. It returns the GOAWAY frame, if there was
// one, and the error of the end. It accepts data of all streams before the frame.
func (f *framer) rest() (away *http2.GoAwayFrame, err error) {
	f.t.Helper()
	for {
		frame, err := f.read()
		if err != nil {
			return away, err
		}
		switch frame := frame.(type) {
		case *http2.GoAwayFrame:
			away = &http2.GoAwayFrame{LastStreamID: frame.LastStreamID, ErrCode: frame.ErrCode}
		case *http2.DataFrame:
			if away != nil {
				f.t.Errorf("after GOAWAY: got %v", frame)
			}
		default:
			f.t.Errorf("got %v", frame)
		}
	}
}

// closed reports whether an error is the orderly end of a connection.
func closed(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
