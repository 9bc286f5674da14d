package kinds

import (
	"bufio"
	"bytes"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// A patchWriter changes one reply on its way. It keeps the reply until it is
// whole where the body has to be known, and lets all else through at once.
type patchWriter struct {
	caddyhttp.ResponseWriterWrapper // towards the client

	fault  *Patch
	hit    *faults.Hit
	r      *http.Request
	shield shield // of a text that changes
	state  patchState

	code     int         // of the held reply
	encoding string      // of its body
	held     []byte      // its body so far
	late     http.Header // what its sender sets behind the head: trailers

	muted   bool // a reply to HEAD: what is written of its old body is dropped
	padTo   int64
	written int64
}

type patchState int

const (
	patchBegins  patchState = iota // the head is still to come
	patchHolds                     // the reply is kept until it is whole
	patchStreams                   // the head has been sent
)

// WriteHeader takes the final head. An interim one may come from a goroutine of
// the upstream's transport and touches no state.
func (pw *patchWriter) WriteHeader(code int) {
	switch {
	case wire.Interim(code):
		pw.ResponseWriter.WriteHeader(code)
	case pw.state == patchBegins:
		pw.begin(code)
	}
}

// begin decides by the head what becomes of the reply.
func (pw *patchWriter) begin(code int) {
	if code == http.StatusSwitchingProtocols || pw.hit.HasEnded() {
		pw.pass(code)
		return
	}
	if !pw.fault.changesBody() || !allowsBody(code) {
		if !allowsBody(code) && allowsBody(pw.fault.newCode(code)) {
			pw.Header().Del("Content-Length") // of a body that does not come
		}
		pw.send(code)
		return
	}
	length := pw.length()
	pw.encoding = encodingOf(pw.Header())
	needsWhole := pw.fault.JSON != nil || pw.encoding != ""
	reason := pw.fault.unfit(code, strings.Join(pw.Header()["Content-Type"], ", "), pw.encoding)
	if reason == "" && needsWhole && length > pw.fault.maxSize() {
		reason = passTooLarge
	}
	switch {
	case reason != "":
		pw.skip(reason)
		pw.pass(code)
	case pw.r.Method != http.MethodHead && needsWhole:
		pw.state, pw.code, pw.late = patchHolds, code, make(http.Header)
	default:
		dropOldBody(pw.Header())
		pw.muted = pw.r.Method == http.MethodHead
		if !pw.muted {
			pw.padTo = pw.fault.Pad
		}
		if length >= 0 && !needsWhole {
			pw.setLength(max(length, pw.fault.Pad))
		}
		pw.send(code)
	}
}

func allowsBody(code int) bool { return status.Code{Code: code}.BodyAllowed() }

// length is what the head says of the body's length, -1 if nothing.
func (pw *patchWriter) length() int64 {
	length, err := strconv.ParseInt(pw.Header().Get("Content-Length"), 10, 64)
	if err != nil {
		return -1
	}
	return length
}

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
	pw.state = patchStreams
	pw.shield.raise()
	uncache(pw.Header())
	pw.fault.fields.apply(pw.Header(), text.Replacer(pw.r))
	pw.fault.line.Arm(pw.r)
	pw.ResponseWriter.WriteHeader(pw.fault.newCode(code))
}

// pass sends the head as it came.
func (pw *patchWriter) pass(code int) {
	pw.state = patchStreams
	pw.ResponseWriter.WriteHeader(code)
}

// skip tells that the reply passes unchanged, and why.
func (pw *patchWriter) skip(reason string) {
	pw.hit.Pass(reason)
	pw.fault.logger.Debug("the reply passes unpatched", zap.String("reason", reason), zap.String("uri", pw.r.RequestURI))
}

// Header is the reply's header, or what is to follow the body of a held one.
func (pw *patchWriter) Header() http.Header {
	if pw.state == patchHolds {
		return pw.late
	}
	return pw.ResponseWriter.Header()
}

// Write sends or keeps a part of the body.
func (pw *patchWriter) Write(p []byte) (int, error) {
	pw.implicitHead()
	if pw.state == patchHolds {
		if int64(len(pw.held)+len(p)) <= pw.fault.maxSize() {
			pw.held = append(pw.held, p...)
			return len(p), nil
		}
		pw.skip(passTooLarge)
		if err := pw.unhold(); err != nil {
			return 0, err
		}
	}
	if pw.muted {
		return len(p), nil
	}
	n, err := pw.ResponseWriter.Write(p)
	pw.written += int64(n)
	return n, err
}

// implicitHead takes a reply that has no head of its own.
func (pw *patchWriter) implicitHead() {
	if pw.state == patchBegins {
		pw.begin(http.StatusOK)
	}
}

// unhold sends what is held as it came.
func (pw *patchWriter) unhold() error {
	pw.pass(pw.code)
	held := pw.held
	pw.held = nil
	_, err := pw.ResponseWriter.Write(held)
	return err
}

// ReadFrom leaves the copying to the writer further out where nobody has to
// look at the body.
func (pw *patchWriter) ReadFrom(src io.Reader) (int64, error) {
	pw.implicitHead()
	if pw.state == patchStreams && pw.padTo == 0 && !pw.muted {
		return pw.ResponseWriterWrapper.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{pw}, src)
}

// FlushError sends what has been written, unless it is held.
func (pw *patchWriter) FlushError() error {
	pw.implicitHead()
	if pw.state == patchHolds {
		return nil
	}
	return http.NewResponseController(pw.ResponseWriter).Flush()
}

// HoldsReply reports whether the head has yet to reach the client.
func (pw *patchWriter) HoldsReply() bool { return pw.state != patchStreams }

// Hijack takes over the connection, which leaves nothing to patch.
func (pw *patchWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, brw, err := http.NewResponseController(pw.ResponseWriter).Hijack()
	if err == nil {
		pw.state, pw.padTo = patchStreams, 0
	}
	return conn, brw, err
}

// finish ends a reply that has come whole. A client that has gone gets nothing.
func (pw *patchWriter) finish() {
	if pw.r.Context().Err() != nil {
		return
	}
	pw.implicitHead()
	if pw.state == patchHolds {
		pw.sendHeld()
	}
	pw.pad()
	pw.sendLate()
}

// breakOff gives the client what is held of a reply that has ended in an error
// or a panic: without the fault it would have that, too.
func (pw *patchWriter) breakOff() {
	if pw.state == patchHolds && pw.r.Context().Err() == nil {
		_ = pw.unhold() // the sender has failed already
		pw.sendLate()
		_ = pw.FlushError() // the server drops what it has of a reply whose handler panics
	}
}

// sendHeld sends the held reply with its new body, if it can have one. After a
// halt it is sent as it is.
func (pw *patchWriter) sendHeld() {
	if pw.hit.HasEnded() {
		_ = pw.unhold()
		return
	}
	body, reason := pw.fault.newBody(pw.held, pw.encoding)
	if reason != "" {
		pw.skip(reason)
		_ = pw.unhold() // there is nobody to tell that the client has gone
		return
	}
	pw.state, pw.held, pw.padTo = patchStreams, nil, pw.fault.Pad
	dropOldBody(pw.Header())
	if len(pw.Header()["Trailer"])+len(pw.late) == 0 { // trailers need chunks
		pw.setLength(max(int64(len(body)), pw.padTo))
	}
	pw.send(pw.code)
	n, _ := pw.ResponseWriter.Write(body)
	pw.written = int64(n)
}

// spaces are sent over and over as padding.
var spaces = bytes.Repeat([]byte(" "), 16<<10)

// pad adds spaces until the body is long enough or the client has gone.
func (pw *patchWriter) pad() {
	for pw.written < pw.padTo {
		n, err := pw.ResponseWriter.Write(spaces[:min(int64(len(spaces)), pw.padTo-pw.written)])
		if err != nil {
			return
		}
		pw.written += int64(n)
	}
}

// sendLate sends the trailers of a reply that was held. The head must be out
// before they may stand in the header.
func (pw *patchWriter) sendLate() {
	if len(pw.late) == 0 {
		return
	}
	_ = http.NewResponseController(pw.ResponseWriter).Flush() // a connection that is gone needs no trailers
	maps.Copy(pw.ResponseWriter.Header(), pw.late)
}

// Interface guards
var (
	_ http.ResponseWriter = (*patchWriter)(nil)
	_ io.ReaderFrom       = (*patchWriter)(nil)
	_ http.Hijacker       = (*patchWriter)(nil)
	_ wire.Holder         = (*patchWriter)(nil)
)
