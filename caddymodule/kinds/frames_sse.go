package kinds

import (
	"bytes"
	"strings"
)

// sseFrames reads server-sent events, as the HTML standard defines them. An event is a
// block of lines that ends with an empty line. A line ends with LF, CRLF or CR.
//
// After the CR of an empty line, an LF may still follow. If the line before ended with
// CRLF, it belongs to the event. Otherwise the event is whole at once, and the LF would
// be the first byte of the next event. The borders therefore do not depend on how the
// bytes arrive.
type sseFrames struct {
	whole  bool
	later  bool   // the event is not the first
	data   bool   // the block has a data line
	column int    // bytes of the line so far, up to that of "data:"
	other  bool   // the line has another field
	cr     bool   // the last byte was a CR, and an LF may belong to it
	skips  bool   // the last event ended with a CR, and an LF adds nothing
	bom    int    // bytes of the byte order mark so far
	end    string // of the last line
}

// dataField begins a line of data.
const dataField = "data:"

// byteOrderMark may begin a stream.
const byteOrderMark = "\xef\xbb\xbf"

// scan reads up to the end of the block.
func (f *sseFrames) scan(p []byte) (n int, whole bool) {
	if f.whole {
		f.whole, f.data, f.column, f.other, f.later = false, false, 0, false, true
	}
	for n < len(p) && !f.whole {
		switch c := p[n]; {
		case f.cr:
			n += f.endCR(c)
		case f.skips:
			if f.skips = false; c == '\n' {
				n++
			}
		case f.bom < len(byteOrderMark):
			n += f.readMark(c)
		case c == '\n':
			n++
			f.endLine("\n")
		case c == '\r':
			n++
			f.beginCR()
		default:
			n += f.readLine(p[n:])
		}
	}
	return n, f.whole
}

// readMark reads a byte at the beginning of the stream, where a byte order mark may be.
func (f *sseFrames) readMark(c byte) (n int) {
	if c == byteOrderMark[f.bom] {
		f.bom++
		return 1
	}
	f.field(byteOrderMark[:f.bom])
	f.bom = len(byteOrderMark)
	return 0
}

// readLine reads the bytes up to the end of the line.
func (f *sseFrames) readLine(p []byte) (n int) {
	if end := bytes.IndexByte(p, '\n'); end >= 0 {
		p = p[:end]
	}
	if end := bytes.IndexByte(p, '\r'); end >= 0 {
		p = p[:end]
	}
	if f.column < len(dataField) {
		f.field(string(p[:min(len(p), len(dataField)-f.column)]))
	}
	return len(p)
}

// field compares the beginning of a line with the field data.
func (f *sseFrames) field(part string) {
	f.other = f.other || part != dataField[f.column:f.column+len(part)]
	f.column += len(part)
}

// beginCR reads a CR. An empty line ends at once, unless an LF is expected.
func (f *sseFrames) beginCR() {
	if f.column == 0 && f.end != "\r\n" {
		f.endLine("\r")
		f.skips = true
		return
	}
	f.cr = true
}

// endCR reads the byte after a CR and returns whether it belongs to the end of the line.
func (f *sseFrames) endCR(c byte) (n int) {
	f.cr = false
	if c == '\n' {
		f.endLine("\r\n")
		return 1
	}
	f.endLine("\r")
	return 0
}

// endLine ends a line, and the block if the line is empty.
func (f *sseFrames) endLine(end string) {
	f.data = f.data || f.isData()
	f.whole = f.column == 0
	f.column, f.other, f.end = 0, false, end
}

// counts reports whether the block has data. Its last line need not have ended.
func (f *sseFrames) counts() bool { return f.data || f.isData() }

// isData reports whether the line is one of data.
func (f *sseFrames) isData() bool { return !f.other && f.column >= len("data") }

// name returns the value of the field event.
func (f *sseFrames) name(event []byte) (name string) {
	if !f.later {
		event = bytes.TrimPrefix(event, []byte(byteOrderMark))
	}
	for rest := event; len(rest) > 0; {
		line := rest
		if end := bytes.IndexAny(rest, "\r\n"); end >= 0 {
			line, rest = rest[:end], rest[end+1:]
		} else {
			rest = nil
		}
		if value, ok := bytes.CutPrefix(line, []byte("event:")); ok {
			name = string(bytes.TrimPrefix(value, []byte(" ")))
		}
	}
	return name
}

// mark returns the length of the empty line.
func (*sseFrames) mark(event []byte) int { return lineEndOf(event) }

// frame returns the lines of a text as an event. They end like the lines of the stream.
func (f *sseFrames) frame(text string) []byte {
	end := f.end
	if end == "" {
		end = "\n"
	}
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	return []byte(strings.Join(lines, end) + end + end)
}

// Interface guards
var _ frames = (*sseFrames)(nil)
