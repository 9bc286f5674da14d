package wire

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// StatusLine is the first line of an HTTP/1 reply with a custom reason phrase, such as
// "551 User Not Local", where net/http would write "551 status code 551". A StatusLine
// never changes.
//
// It is sent in one of two ways. If the server has the listener wrapper, Arm requests
// the line from the connection, and the reply is written like any other. Otherwise
// HandBack writes the whole reply. HTTP/2 and HTTP/3 have no reason phrase (RFC 9113
// section 8.3.2, RFC 9114 section 4.3.2).
//
// A nil StatusLine is valid and changes nothing.
type StatusLine struct {
	code int
	from []byte // what net/http writes after the version, with its CRLF
	to   []byte // what replaces it
}

// NewStatusLine returns the line for code and reason, or nil if net/http writes that
// reason anyway. The reason must have passed ValidReason or CleanField.
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

// ValidReason returns an error if reason is not a valid reason phrase. RFC 9112 section
// 4 allows tab, space, visible ASCII and bytes from 0x80. An empty phrase is valid.
func ValidReason(reason string) error {
	for i := range len(reason) {
		if !reasonByte(reason[i]) {
			return fmt.Errorf("byte 0x%02x at offset %d is not allowed in a status line", reason[i], i)
		}
	}
	return nil
}

// CleanField returns text with each byte replaced by a space that is not allowed in a
// status line or a header field, for texts that are only known at the time of the
// request. The rule is the same for both (RFC 9110 section 5.5).
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

// A LineWriter is a connection that can write a custom status line. The connections of
// the listener wrapper return one as their local address, which net/http stores under
// http.LocalAddrContextKey. A handler therefore finds it without a hook, whatever wraps
// the connection.
type LineWriter interface {
	// WriteLine arms the connection. The next final head then has this line instead of
	// the one of net/http for the same code. A final head with another code disarms the
	// connection. WriteLine returns false if the connection cannot write the line. The
	// argument encrypted says that the request came through TLS.
	WriteLine(line *StatusLine, encrypted bool) bool
}

// Arm requests this line from the connection of r for the next reply. It returns false
// over HTTP/2 and HTTP/3, and if the server does not have the listener wrapper.
func (s *StatusLine) Arm(r *http.Request) bool {
	if s == nil || r.ProtoMajor != 1 {
		return false
	}
	conn, ok := r.Context().Value(http.LocalAddrContextKey).(LineWriter)
	return ok && conn.WriteLine(s, r.TLS != nil)
}

// versionSize is the size of "HTTP/1.1 ", which is never rewritten.
const versionSize = len("HTTP/1.1 ")

// Interim reports whether another head follows a head with this status, as after each
// 1xx other than 101. A 101 ends HTTP on the connection (RFC 9110 section 15.2).
func Interim(code int) bool {
	return code >= 100 && code <= 199 && code != http.StatusSwitchingProtocols
}

// FinalHead reports whether p begins with the head of a final HTTP/1 reply, of which
// every request has exactly one. See Interim.
func FinalHead(p []byte) bool {
	if len(p) < versionSize+len("200") || string(p[:7]) != "HTTP/1." || p[8] != ' ' {
		return false
	}
	return p[versionSize] != '1' || string(p[versionSize:versionSize+3]) == "101"
}

// WriteHead writes p, which begins with a final head, to w in one Write. It replaces
// the line that net/http writes for the same code with this line. A head with any other
// line is written unchanged. The result is as for io.Writer, in bytes of p.
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

// consumed returns how much of the original head the first n bytes of the rewritten one
// represent. A partial line counts as not completely written.
func (s *StatusLine) consumed(n int) int {
	if n < versionSize+len(s.to) {
		return min(n, versionSize+len(s.from)-1)
	}
	return n - len(s.to) + len(s.from)
}

// headBuffers are for heads that are being written. net/http writes a head in pieces of
// 4 KiB, HandBack in pieces of maxPiece.
var headBuffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func putHeadBuffer(buf *bytes.Buffer) {
	if buf.Cap() > 2*maxPiece {
		return // an unusually large buffer must not stay in memory
	}
	buf.Reset()
	headBuffers.Put(buf)
}
