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

// A patchWriter changes one reply on its way. It keeps the reply until it is
// whole where the body has to be known, and lets all else through at once.
type patchWriter struct {
	wire.HeadWriter // towards the client

	fault  *Patch
	hit    *faults.Hit
	r      *http.Request
	shield shield // of a text that changes

	held heldReply  // Tail while it is kept
	body paddedBody // Tail of a body that changes in length
}

// newPatchWriter wraps w for one reply to r.
func newPatchWriter(f *Patch, hit *faults.Hit, w http.ResponseWriter, r *http.Request, s shield) *patchWriter {
	pw := &patchWriter{fault: f, hit: hit, r: r, shield: s}
	pw.HeadWriter = wire.NewHeadWriter(w, pw)
	pw.held.pw, pw.body.Writer = pw, w
	return pw
}

// TakeHead decides by the head what becomes of the reply.
func (pw *patchWriter) TakeHead(code int) {
	isHead := pw.r.Method == http.MethodHead
	switch noBody := isHead || !allowsBody(code); {
	case pw.hit.HasEnded():
		pw.ResponseWriter.WriteHeader(code)
		return
	case code == http.StatusSwitchingProtocols, noBody && !pw.fault.changesHead():
		pw.pass(passNoBody, code)
		return
	case !pw.fault.changesBody(), !allowsBody(code):
		if !allowsBody(code) && allowsBody(pw.fault.newCode(code)) {
			pw.Header().Del("Content-Length") // of a body that does not come
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

// takeBody holds a reply whose body has to be known, and sends the head of another.
func (pw *patchWriter) takeBody(code int, isHead bool) {
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

func allowsBody(code int) bool { return status.Code{Code: code}.BodyAllowed() }

func (pw *patchWriter) setLength(length int64) {
	pw.Header().Set("Content-Length", strconv.FormatInt(length, 10))
}

// dropOldBody takes out of a header what describes the body before the change.
func dropOldBody(header http.Header) {
	dropValidators(header)
	for _, name := range []string{"Accept-Ranges", "Content-Encoding", "Content-Length"} {
		header.Del(name)
	}
}

// send sends the head, changed as configured.
func (pw *patchWriter) send(code int) {
	pw.hit.Confirm()
	pw.shield.raise()
	uncache(pw.Header())
	pw.fault.fields.apply(pw.Header(), text.Replacer(pw.r))
	pw.fault.line.Arm(pw.r)
	pw.ResponseWriter.WriteHeader(pw.fault.newCode(code))
}

// pass sends the head as it is.
func (pw *patchWriter) pass(reason string, code int) {
	pw.skip(reason)
	pw.ResponseWriter.WriteHeader(code)
}

// skip tells that the reply passes unchanged, and why.
func (pw *patchWriter) skip(reason string) {
	pw.hit.Pass(reason)
	pw.fault.logger.Debug("the reply passes unpatched", zap.String("reason", reason), zap.String("uri", pw.r.RequestURI))
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

// breakOff gives the client what is held of a reply that has ended in an error
// or a panic: without the fault it would have that, too. The context of r does not
// tell whether there is a client: it may be that of an upstream meanwhile.
func (pw *patchWriter) breakOff() {
	if pw.holds() {
		_ = pw.unhold() // the sender has failed already
		pw.sendLate()
		_ = pw.FlushError() // the server drops what it has of a reply whose handler panics
	}
}

// HoldsReply reports whether the head has yet to reach the client.
func (pw *patchWriter) HoldsReply() bool { return pw.HeadWriter.HoldsReply() || pw.holds() }

// holds reports whether the reply is kept until it is whole.
func (pw *patchWriter) holds() bool { return pw.Tail == &pw.held }

// unhold sends what is held as it came.
func (pw *patchWriter) unhold() error {
	pw.Tail = pw.ResponseWriter
	pw.ResponseWriter.WriteHeader(pw.held.code)
	held := pw.held.body
	pw.held.body = nil
	_, err := pw.Tail.Write(held)
	return err
}

// sendHeld sends the held reply with its new body, if it can have one. After a
// halt it is sent as it is.
func (pw *patchWriter) sendHeld() {
	if pw.hit.HasEnded() {
		_ = pw.unhold()
		return
	}
	body, reason := pw.fault.newBody(pw.held.body, encodingOf(pw.ResponseWriter.Header()))
	if reason != "" {
		pw.skip(reason)
		_ = pw.unhold() // there is nobody to tell that the client has gone
		return
	}
	pw.Tail, pw.held.body = &pw.body, nil
	dropOldBody(pw.Header())
	if len(pw.Header()["Trailer"])+len(pw.held.late) == 0 { // trailers need chunks
		pw.setLength(max(int64(len(body)), pw.fault.Pad))
	}
	pw.send(pw.held.code)
	_, _ = pw.body.Write(body) // what is wrong shows in the padding
}

// sendLate sends the trailers of a reply that was held. The head must be out
// before they may stand in the header.
func (pw *patchWriter) sendLate() {
	if len(pw.held.late) == 0 {
		return
	}
	_ = http.NewResponseController(pw.ResponseWriter).Flush() // a connection that is gone needs no trailers
	maps.Copy(pw.ResponseWriter.Header(), pw.held.late)
}

// A heldReply keeps a reply for a patchWriter.
type heldReply struct {
	pw *patchWriter

	code int
	body []byte // so far
	late http.Header
}

// Header takes what the sender sets after the head: trailers.
func (h *heldReply) Header() http.Header { return h.late }

// Write keeps a part of the body, or sends it if there is more than may be kept.
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

// FlushError keeps what is held.
func (*heldReply) FlushError() error { return nil }

// A paddedBody is a body that gets spaces at its end, or in a reply to HEAD none
// at all.
type paddedBody struct {
	io.Writer // towards the client

	muted   bool // what is written of the old body is dropped
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

// spaces are sent over and over as padding.
var spaces = bytes.Repeat([]byte(" "), 16<<10)

// pad adds spaces until the body has a size or the client has gone.
func (b *paddedBody) pad(size int64) {
	for !b.muted && b.written < size {
		if _, err := b.Write(spaces[:min(int64(len(spaces)), size-b.written)]); err != nil {
			return
		}
	}
}

// Interface guards
var _ wire.HeadTaker = (*patchWriter)(nil)
