package kinds

import (
	"encoding/binary"
	"net/http"
	"strings"
)

// grpcFrames reads the messages of a gRPC, gRPC-Web or Connect stream. A message has a
// prefix: one byte of flags, and the length in four bytes.
type grpcFrames struct {
	prefix [grpcPrefix]byte
	read   int   // bytes of the prefix so far
	left   int64 // bytes of the message that are still to come
}

const grpcPrefix = 5

// grpcCompressed is the flag of a compressed message.
const grpcCompressed = 0x01

// scan reads up to the end of the message.
func (f *grpcFrames) scan(p []byte) (n int, whole bool) {
	if f.read == grpcPrefix && f.left == 0 {
		f.read = 0
	}
	if f.read < grpcPrefix {
		n = copy(f.prefix[f.read:], p)
		if f.read += n; f.read < grpcPrefix {
			return n, false
		}
		f.left = int64(binary.BigEndian.Uint32(f.prefix[1:]))
	}
	part := min(f.left, int64(len(p)-n))
	f.left -= part
	return n + int(part), f.left == 0
}

// counts reports whether the message is not the end of a gRPC-Web or Connect stream.
func (f *grpcFrames) counts() bool {
	return f.read == grpcPrefix && f.prefix[0]&(webTrailers|connectEnd) == 0
}

// headRead reports whether the prefix of the message has been read.
func (f *grpcFrames) headRead() bool { return f.read == grpcPrefix }

// text returns the message. ok is false if the message is compressed.
func (*grpcFrames) text(event []byte) (text []byte, ok bool) {
	if len(event) < grpcPrefix {
		return nil, true
	}
	return event[grpcPrefix:], event[0]&grpcCompressed == 0
}

// name returns the word that selects the end of a gRPC-Web or Connect stream, or "" for
// a message.
func (f *grpcFrames) name([]byte) string {
	if f.headRead() && !f.counts() {
		return eventsEnd
	}
	return ""
}

// mark returns 0, because messages have no end mark.
func (*grpcFrames) mark([]byte) int { return 0 }

// frame returns nil, because a text is not a message.
func (*grpcFrames) frame(string) []byte { return nil }

// sendStatus ends a stream of messages with a status, in the form of its protocol.
func (s *streamer) sendStatus(o *outlet, code GRPCCode, message string) error {
	status := &GRPC{Code: code}
	switch base, _, _ := strings.Cut(s.contentType, "+"); base {
	case "application/grpc-web":
		return s.send(o, status.endFrame(grpcWeb, message))
	case "application/connect":
		return s.send(o, status.endFrame(connectStream, message))
	}
	_ = o.flush() // trailers follow the head
	if w, ok := o.Writer.(http.ResponseWriter); ok {
		status.setTrailers(w.Header(), message)
	}
	return nil
}

// Interface guards
var (
	_ frames     = (*grpcFrames)(nil)
	_ headFrames = (*grpcFrames)(nil)
	_ textFrames = (*grpcFrames)(nil)
)
