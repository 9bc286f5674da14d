package kinds

import "strings"

// recordSeparator begins each text of a JSON text sequence (RFC 7464).
const recordSeparator = 0x1e

// seqFrames reads a JSON text sequence. A text is whole at the first LF after its value,
// so that it need not wait for the next one. An incomplete text ends before the next
// separator. Bytes between two texts belong to the second one.
type seqFrames struct {
	whole   bool
	begun   bool // past the separator
	value   bool // the text has a value
	depth   int  // open objects and lists
	quoted  bool // inside a string
	escaped bool // after a backslash in a string
}

// scan reads up to the end of the text.
func (f *seqFrames) scan(p []byte) (n int, whole bool) {
	if f.whole {
		*f = seqFrames{}
	}
	for n < len(p) && !f.whole {
		c := p[n]
		if c == recordSeparator {
			if f.whole = f.begun; f.whole {
				break
			}
			*f = seqFrames{begun: true}
		} else {
			f.read(c)
		}
		n++
	}
	return n, f.whole
}

// read reads one byte other than a separator.
func (f *seqFrames) read(c byte) {
	switch {
	case f.escaped:
		f.escaped = false
	case f.quoted:
		f.escaped, f.quoted = c == '\\', c != '"'
	case c == '\n':
		f.whole = f.begun && f.value && f.depth <= 0
	case c == ' ', c == '\t', c == '\r':
	default:
		f.value = true
		switch c {
		case '"':
			f.quoted = true
		case '{', '[':
			f.depth++
		case '}', ']':
			f.depth--
		}
	}
}

// counts reports whether the text has a value. RFC 7464 ignores other texts.
func (f *seqFrames) counts() bool { return f.begun && f.value }

// name returns "", because texts have no names.
func (*seqFrames) name([]byte) string { return "" }

// mark returns the length of the LF at the end. An incomplete text may have none.
func (*seqFrames) mark(event []byte) int { return lineEndOf(event) }

// frame returns the text between a separator and an LF.
func (*seqFrames) frame(text string) []byte {
	return []byte(string(rune(recordSeparator)) + strings.TrimRight(text, "\r\n") + "\n")
}

// Interface guards
var _ frames = (*seqFrames)(nil)
