package kinds

import (
	"bytes"
	"strings"
)

// lineFrames reads a stream of lines. A line ends with LF or CRLF.
type lineFrames struct {
	skipsBlank bool // a blank line is not an event

	whole  bool
	filled bool // the line is not blank
	cr     bool // the last byte was a CR
	crlf   bool // the last line ended with CRLF
}

// scan reads up to the end of the line.
func (f *lineFrames) scan(p []byte) (n int, whole bool) {
	if f.whole {
		f.whole, f.filled, f.cr = false, false, false
	}
	end := bytes.IndexByte(p, '\n')
	line := p
	if end >= 0 {
		line = p[:end]
	}
	f.filled = f.filled || !f.skipsBlank || len(bytes.TrimLeft(line, " \t\r")) > 0
	if len(line) > 0 {
		f.cr = line[len(line)-1] == '\r'
	}
	if end < 0 {
		return len(p), false
	}
	f.whole, f.crlf = true, f.cr
	return end + 1, true
}

// counts reports whether the line is not blank, or blank lines count.
func (f *lineFrames) counts() bool { return f.filled }

// name returns "", because lines have no names.
func (*lineFrames) name([]byte) string { return "" }

// mark returns the length of the end of the line.
func (*lineFrames) mark(event []byte) int { return lineEndOf(event) }

// frame returns the text as a line. It ends like the last line of the stream.
func (f *lineFrames) frame(text string) []byte {
	end := "\n"
	if f.crlf {
		end = "\r\n"
	}
	return []byte(strings.TrimRight(text, "\r\n") + end)
}

// lineEndOf returns the length of the line end at the end of a text.
func lineEndOf(text []byte) int {
	switch {
	case bytes.HasSuffix(text, []byte("\r\n")):
		return 2
	case bytes.HasSuffix(text, []byte("\n")), bytes.HasSuffix(text, []byte("\r")):
		return 1
	}
	return 0
}

// Interface guards
var _ frames = (*lineFrames)(nil)
