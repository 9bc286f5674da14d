package wire

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// StatusLine is the first line of an HTTP/1 reply with a reason phrase of its
// own, such as "551 User Not Local", where net/http would write
// "551 status code 551". It is built once and never changes.
//
// It reaches the wire in one of two ways. Where the listener wrapper is on the
// server, Arm asks the connection for it and the reply is written as any other.
// Elsewhere HandBack writes the whole reply itself. HTTP/2 and HTTP/3 carry no
// reason phrase (RFC 9113 section 8.3.2, RFC 9114 section 4.3.2).
//
// A nil StatusLine is valid and changes nothing.
type StatusLine struct {
	code int
	from []byte // what net/http writes behind the version, with its CRLF
	to   []byte // what stands there instead
}

// NewStatusLine returns the line for code and reason, or nil when net/http
// writes that reason by itself. The reason must have passed validReason or
// cleanField.
func NewStatusLine(code int, reason string) *StatusLine {
	native := http.StatusText(code)
	if native == "" {
		native = fmt.Sprintf("status code %d", code)
	}
	if reason == native {
		return nil
	}
	return &StatusLine{
		code: code,
		from: fmt.Appendf(nil, "%03d %s\r\n", code, native),
		to:   fmt.Appendf(nil, "%03d %s\r\n", code, reason),
	}
}

// ValidReason reports why reason cannot be a reason phrase. RFC 9112 section 4
// allows tab, space, visible ASCII and bytes from 0x80; an empty one is valid.
func ValidReason(reason string) error {
	for i := range len(reason) {
		if !reasonByte(reason[i]) {
			return fmt.Errorf("byte 0x%02x at offset %d cannot stand in a status line", reason[i], i)
		}
	}
	return nil
}

// CleanField returns a text for the status line or a header field, known only
// when the request is there, with a space for each byte that cannot stand in
// either: the rule for both is the same (RFC 9110 section 5.5).
func CleanField(text string) string {
	if !strings.ContainsFunc(text, func(c rune) bool { return c < 0x80 && !reasonByte(byte(c)) }) {
		return text
	}
	clean := []byte(text)
	for i, c := range clean {
		if !reasonByte(c) {
			clean[i] = ' '
		}
	}
	return string(clean)
}

// reasonByte reports whether c is HTAB, SP, VCHAR or obs-text.
func reasonByte(c byte) bool { return c >= ' ' && c != 0x7f || c == '\t' }

// A LineWriter is a connection that can write a status line of ours. The
// listener wrapper's connections present one as their local address, which
// net/http puts in http.LocalAddrContextKey: so a handler finds it with no hook,
// and through whatever wraps the connection.
type LineWriter interface {
	// WriteLine arms the connection: the next final head has this line instead
	// of net/http's for the same code; a final head of another code disarms it.
	// It returns false when the connection cannot do that; encrypted tells it
	// that the request came through TLS.
	WriteLine(line *StatusLine, encrypted bool) bool
}

// Arm asks the connection of r to write this line for the reply to come. It
// returns false over HTTP/2 and HTTP/3, and when the server has no listener
// wrapper.
func (s *StatusLine) Arm(r *http.Request) bool {
	if s == nil || r.ProtoMajor != 1 {
		return false
	}
	conn, ok := r.Context().Value(http.LocalAddrContextKey).(LineWriter)
	return ok && conn.WriteLine(s, r.TLS != nil)
}

// versionSize is the size of "HTTP/1.1 ", which stays as net/http wrote it.
const versionSize = len("HTTP/1.1 ")

// Interim reports whether a head with this status is followed by another: each
// 1xx but 101, which ends HTTP on the connection (RFC 9110 section 15.2).
func Interim(code int) bool {
	return code >= 100 && code <= 199 && code != http.StatusSwitchingProtocols
}

// FinalHead reports whether p begins with the head of a final HTTP/1 reply.
// Every request has exactly one. An interim head, which is each 1xx but 101
// (RFC 9110 section 15.2), is followed by another.
func FinalHead(p []byte) bool {
	if len(p) < versionSize+len("200") || string(p[:7]) != "HTTP/1." || p[8] != ' ' {
		return false
	}
	return p[versionSize] != '1' || string(p[versionSize:versionSize+3]) == "101"
}

// WriteHead writes p, which begins with a final head, to w in one Write, with
// this line in place of the one that net/http writes for the same code. A head
// with any other line is written as it is. It counts and fails as io.Writer
// does, in bytes of p, and does not change p.
func (s *StatusLine) WriteHead(w io.Writer, p []byte) (int, error) {
	if !FinalHead(p) || !bytes.HasPrefix(p[versionSize:], s.from) {
		return w.Write(p)
	}
	buf := headBuffers.Get().(*bytes.Buffer)
	defer putHeadBuffer(buf)
	buf.Write(p[:versionSize])
	buf.Write(s.to)
	buf.Write(p[versionSize+len(s.from):])
	n, err := w.Write(buf.Bytes())
	n = s.consumed(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return n, err
}

// consumed is how much of the original head lies in the first n bytes of the
// rewritten one. A line cut in two counts as not written whole.
func (s *StatusLine) consumed(n int) int {
	if n < versionSize+len(s.to) {
		return min(n, versionSize+len(s.from)-1)
	}
	return n - len(s.to) + len(s.from)
}

// headBuffers are for heads on their way to the wire. net/http writes a head in
// pieces of 4 KiB, the pieces of HandBack have maxPiece.
var headBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putHeadBuffer(buf *bytes.Buffer) {
	if buf.Cap() > 2*maxPiece {
		return // an exception must not stay in memory
	}
	buf.Reset()
	headBuffers.Put(buf)
}
