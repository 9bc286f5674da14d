package kinds

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// A patchWriter changes one reply. It holds the reply if the whole body is needed, and
// otherwise passes the body on at once.
type patchWriter struct {
	wire.HeadWriter // the client's side

	fault  *Patch
	hit    *faults.Hit
	r      *http.Request
	shield shield // for a changed text

	held heldReply  // Tail while the reply is held
	body paddedBody // Tail of a body whose length changes
}

// newPatchWriter wraps w for one reply to r.
func newPatchWriter(f *Patch, hit *faults.Hit, w http.ResponseWriter, r *http.Request, s shield) *patchWriter {
	pw := &patchWriter{fault: f, hit: hit, r: r, shield: s}
	pw.HeadWriter = wire.NewHeadWriter(w, pw)
	pw.held.pw, pw.body.Writer = pw, w
	return pw
}

// TakeHead decides by the head whether and how the reply changes.
func (pw *patchWriter) TakeHead(code int) {
	isHead := wire.SentHead(pw.r)
	switch noBody := isHead || !allowsBody(code); {
	case pw.hit.HasEnded():
		pw.ResponseWriter.WriteHeader(code)
		return
	case code == http.StatusSwitchingProtocols, noBody && !pw.fault.changesHead():
		pw.pass(passNoBody, code)
		return
	case !pw.fault.changesBody(), !allowsBody(code):
		if !allowsBody(code) && allowsBody(pw.fault.newCode(code)) {
			pw.Header().Del("Content-Length") // the new reply has no such body
		}
		pw.send(code)
		return
	}
	if reason := pw.fault.unfit(code, pw.Header()); reason != "" {
		pw.pass(reason, code)
		return
	}
	pw.takeBody(code, isHead)
}

// takeBody holds a reply whose whole body is needed. Otherwise it sends the head.
func (pw *patchWriter) takeBody(code int, isHead bool) {
	if pw.fault.Body != nil {
		pw.sendOwnBody(code, isHead)
		return
	}
	length, needsWhole := lengthOf(pw.Header()), pw.fault.needsWhole(encodingOf(pw.Header()))
	if needsWhole && !isHead {
		pw.held.code, pw.held.late = code, make(http.Header)
		pw.Tail = &pw.held
		return
	}
	dropOldBody(pw.Header())
	pw.body.muted = isHead
	pw.Tail = &pw.body
	if length >= 0 && !needsWhole {
		pw.setLength(max(length, pw.fault.Pad))
	}
	pw.send(code)
}

// sendOwnBody sends the head and the configured body. It drops the body that follows.
func (pw *patchWriter) sendOwnBody(code int, isHead bool) {
	body := pw.fault.ownBody(pw.Header(), pw.r)
	dropOldBody(pw.Header())
	if !hasTrailers(pw.Header()) { // trailers require a chunked body
		pw.setLength(max(int64(len(body)), pw.fault.Pad))
	}
	pw.Tail = &pw.body
	pw.send(code)
	if !isHead {
		_, _ = pw.body.Write(body) // an error appears again in pad
		pw.body.pad(pw.fault.Pad)
	}
	pw.body.muted = true
}

func allowsBody(code int) bool { return status.Code{Code: code}.BodyAllowed() }

func (pw *patchWriter) setLength(length int64) {
	pw.Header().Set("Content-Length", strconv.FormatInt(length, 10))
}

// dropOldBody removes the header fields that describe the unchanged body.
func dropOldBody(header http.Header) {
	dropValidators(header)
	for _, name := range []string{"Accept-Ranges", "Content-Encoding", "Content-Length"} {
		header.Del(name)
	}
}

// send sends the head with its changes.
func (pw *patchWriter) send(code int) {
	pw.hit.Confirm()
	pw.shield.raise()
	uncache(pw.Header())
	sent := pw.fault.newCode(code)
	if code == http.StatusPartialContent && sent != code {
		pw.Header().Del("Content-Range") // only a 206 has it for a part of a whole
	}
	pw.fault.fields.apply(pw.Header(), text.Replacer(pw.r))
	pw.fault.line.Arm(pw.r)
	pw.ResponseWriter.WriteHeader(sent)
}

// pass sends the head unchanged.
func (pw *patchWriter) pass(reason string, code int) {
	pw.skip(reason)
	pw.ResponseWriter.WriteHeader(code)
}

// skip reports that the reply passes unchanged, and why.
func (pw *patchWriter) skip(reason string) {
	pw.hit.Pass(reason)
	pw.fault.logger.Debug("the reply passes unchanged", zap.String("reason", reason), zap.String("uri", pw.r.RequestURI))
}

// finish ends a reply that has come whole.
func (pw *patchWriter) finish() {
	pw.ImplicitHead()
	if pw.holds() {
		pw.sendHeld()
	}
	if pw.Tail == &pw.body {
		pw.body.pad(pw.fault.Pad)
	}
	pw.sendLate()
}

// breakOff sends the held part of a reply that has ended in an error or a panic.
// Without the fault, the client would have received that part as well. The context of r
// does not say whether the client has left, because it may be the context of an
// upstream.
func (pw *patchWriter) breakOff() {
	if pw.holds() {
		_ = pw.unhold() // the sender has already failed
		pw.sendLate()
		_ = pw.FlushError() // if a handler panics, the server drops unsent bytes
	}
}

// HoldsReply reports whether the head has not been sent to the client yet.
func (pw *patchWriter) HoldsReply() bool { return pw.HeadWriter.HoldsReply() || pw.holds() }

// holds reports whether the reply is held until it is whole.
func (pw *patchWriter) holds() bool { return pw.Tail == &pw.held }

// unhold sends the held reply unchanged.
func (pw *patchWriter) unhold() error {
	pw.Tail = pw.ResponseWriter
	pw.ResponseWriter.WriteHeader(pw.held.code)
	held := pw.held.body
	pw.held.body = nil
	_, err := pw.Tail.Write(held)
	return err
}

// sendHeld sends the held reply with its new body. After a halt, or if the body cannot
// be changed, it sends the reply unchanged.
func (pw *patchWriter) sendHeld() {
	if pw.hit.HasEnded() {
		_ = pw.unhold()
		return
	}
	body, reason := pw.fault.newBody(pw.hit, pw.held.body, encodingOf(pw.ResponseWriter.Header()))
	if reason != "" {
		pw.skip(reason)
		_ = pw.unhold() // an error means that the client has left
		return
	}
	pw.Tail, pw.held.body = &pw.body, nil
	dropOldBody(pw.Header())
	if len(pw.held.late) == 0 && !hasTrailers(pw.Header()) { // trailers require a chunked body
		pw.setLength(max(int64(len(body)), pw.fault.Pad))
	}
	pw.send(pw.held.code)
	_, _ = pw.body.Write(body) // an error appears again in pad
}

// sendLate sends the trailers of a held reply. The head must be sent before trailers
// are added to the header.
func (pw *patchWriter) sendLate() {
	if len(pw.held.late) == 0 {
		return
	}
	_ = http.NewResponseController(pw.ResponseWriter).Flush() // an error means that the connection is gone
	maps.Copy(pw.ResponseWriter.Header(), pw.held.late)
}

// A heldReply holds a reply for a patchWriter.
type heldReply struct {
	pw *patchWriter

	code int
	body []byte // so far
	late http.Header
}

// Header returns the fields that the sender sets after the head: trailers.
func (h *heldReply) Header() http.Header { return h.late }

// Write stores a part of the body. If the body is too large, it sends all of it
// instead.
func (h *heldReply) Write(p []byte) (int, error) {
	if int64(len(h.body)+len(p)) <= h.pw.fault.maxSize() {
		h.body = append(h.body, p...)
		return len(p), nil
	}
	h.pw.skip(passTooLarge)
	if err := h.pw.unhold(); err != nil {
		return 0, err
	}
	return h.pw.Tail.Write(p)
}

// FlushError does nothing, because the reply is held.
func (*heldReply) FlushError() error { return nil }

// A paddedBody adds spaces at the end of a body. In a reply to HEAD, it drops the body.
type paddedBody struct {
	io.Writer // the client's side

	muted   bool // drop the old body
	written int64
}

// Write sends and counts a part of the body.
func (b *paddedBody) Write(p []byte) (int, error) {
	if b.muted {
		return len(p), nil
	}
	n, err := b.Writer.Write(p)
	b.written += int64(n)
	return n, err
}

// spaces are written repeatedly as padding.
var spaces = bytes.Repeat([]byte(" "), 16<<10)

// pad adds spaces until the body has the given size or the client has left.
func (b *paddedBody) pad(size int64) {
	for !b.muted && b.written < size {
		if _, err := b.Write(spaces[:min(int64(len(spaces)), size-b.written)]); err != nil {
			return
		}
	}
}

// Interface guards
var _ wire.HeadTaker = (*patchWriter)(nil)
