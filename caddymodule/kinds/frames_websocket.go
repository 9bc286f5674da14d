package kinds

import (
	"encoding/binary"
	"unicode/utf8"
)

// webSocketFrames reads the messages of a WebSocket (RFC 6455). A message is one frame or
// several fragments. A control frame is an event without a number, also if it comes
// between two fragments.
type webSocketFrames struct {
	head       [maxWebSocketHead]byte
	read       int    // bytes of the frame's head so far
	left       uint64 // bytes of the frame's payload that are still to come
	ended      bool   // the frame is whole
	fragmented bool   // more fragments of a message follow
}

// maxWebSocketHead is the size of the longest head: two bytes, the length and the mask.
const maxWebSocketHead = 2 + 8 + 4

// The bits of a head, and the opcodes that have a meaning here.
const (
	webSocketFin     = 0x80
	webSocketRSV1    = 0x40 // the message is compressed
	webSocketControl = 0x08 // of the opcode
	webSocketMasked  = 0x80

	webSocketText  = 0x1
	webSocketClose = 0x8
	webSocketPing  = 0x9
	webSocketPong  = 0xa
)

// headSize returns the size of the head, as far as its first two bytes are known.
func (f *webSocketFrames) headSize() int {
	size := 2
	if f.read < size {
		return size
	}
	switch f.head[1] &^ webSocketMasked {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.head[1]&webSocketMasked != 0 {
		size += 4
	}
	return size
}

// readHead reads up to the end of the head.
func (f *webSocketFrames) readHead(p []byte) (n int) {
	for !f.headRead() && n < len(p) {
		copied := copy(f.head[f.read:f.headSize()], p[n:])
		f.read, n = f.read+copied, n+copied
	}
	if !f.headRead() {
		return n
	}
	switch f.left = uint64(f.head[1] &^ webSocketMasked); f.left {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(f.head[2:])
	}
	return n
}

// headRead reports whether the head of the frame has been read.
func (f *webSocketFrames) headRead() bool { return f.read == f.headSize() }

// scan reads up to the end of the frame. A frame that is not the last of its message does
// not end the event.
func (f *webSocketFrames) scan(p []byte) (n int, whole bool) {
	if f.ended {
		f.ended, f.read = false, 0
	}
	if !f.headRead() {
		if n = f.readHead(p); !f.headRead() {
			return n, false
		}
	}
	part := min(f.left, uint64(len(p)-n))
	f.left -= part
	if f.ended = f.left == 0; !f.ended {
		return n + int(part), false
	}
	whole = f.isControl() || f.head[0]&webSocketFin != 0
	if !f.isControl() {
		f.fragmented = !whole
	}
	return n + int(part), whole
}

// interrupts reports whether a control frame that begins with c comes between two
// fragments.
func (f *webSocketFrames) interrupts(c byte) bool {
	return f.ended && f.fragmented && c&webSocketControl != 0
}

func (f *webSocketFrames) opcode() byte { return f.head[0] & 0x0f }

func (f *webSocketFrames) isControl() bool { return f.opcode()&webSocketControl != 0 }

// counts reports whether the event is a message.
func (f *webSocketFrames) counts() bool { return f.read > 0 && !f.isControl() }

// name returns the word that selects the control frame, or "" for other events. The end
// of a WebSocket is its close frame.
func (f *webSocketFrames) name([]byte) string {
	if f.read == 0 {
		return ""
	}
	switch f.opcode() {
	case webSocketPing:
		return eventsPing
	case webSocketPong:
		return eventsPong
	case webSocketClose:
		return eventsEnd
	}
	return ""
}

// mark returns 0, because messages have no end mark.
func (*webSocketFrames) mark([]byte) int { return 0 }

// frame returns the text as a message that is not compressed.
func (*webSocketFrames) frame(text string) []byte {
	return webSocketFrame(webSocketText, []byte(text))
}

// text returns the payload of a message. ok is false if the message is compressed or
// masked.
func (*webSocketFrames) text(event []byte) (text []byte, ok bool) {
	for f := new(webSocketFrames); len(event) > 0; {
		head := f.readHead(event)
		if f.head[0]&webSocketRSV1 != 0 || f.head[1]&webSocketMasked != 0 {
			return nil, false
		}
		end := head + int(min(f.left, uint64(len(event)-head)))
		if text == nil {
			text = event[head:end:end]
		} else {
			text = append(text, event[head:end]...)
		}
		event, f.read = event[end:], 0
	}
	return text, true
}

// webSocketFrame returns a whole message or control frame.
func webSocketFrame(opcode byte, payload []byte) []byte {
	frame := []byte{webSocketFin | opcode}
	switch size := len(payload); {
	case size < 126:
		frame = append(frame, byte(size))
	case size <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(size))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(size))
	}
	return append(frame, payload...)
}

// maxReason is the size of the longest reason in a close frame.
const maxReason = 125 - 2

// closeFrame returns the frame that closes a WebSocket. A reason that is too long is cut.
func closeFrame(code stopCode, reason string) []byte {
	for len(reason) > maxReason {
		_, size := utf8.DecodeLastRuneInString(reason)
		reason = reason[:len(reason)-size]
	}
	return webSocketFrame(webSocketClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}

// Interface guards
var (
	_ frames       = (*webSocketFrames)(nil)
	_ headFrames   = (*webSocketFrames)(nil)
	_ nestedFrames = (*webSocketFrames)(nil)
	_ textFrames   = (*webSocketFrames)(nil)
)
