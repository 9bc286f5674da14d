package kinds

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// maxRest limits how much of the rest of a cleanly cut reply is read from the upstream
// and dropped. Reading the rest keeps the upstream's connection usable.
const maxRest = 1 << 20

// A truncator is the shaper of one truncated reply.
type truncator struct {
	cutter
	f *Truncate

	length int64 // of the whole body, -1 if unknown
	limit  int64 // how much of it is sent, -1 for all
	sent   int64
	mended bool // the head promises limit bytes and no more
	closes bool // over HTTP/1.0, where closing the connection can mean the end of the body
}

// begin determines the place of the cut.
func (t *truncator) begin(hit *faults.Hit, header http.Header, length int64) bool {
	t.length, t.limit = length, t.f.limit(length)
	if reason := t.unfit(header); reason != "" {
		hit.Pass(reason)
		return false
	}
	if t.f.Percent != nil && length < 0 {
		hit.Pass(passNoLength) // it is cut by time only
	}
	hit.Confirm()
	if t.end == endClean {
		t.mend(header)
	}
	if t.end == endClean || t.closes && length < 0 { // a cache cannot tell that the reply is incomplete (RFC 9111, section 3.3)
		uncache(header)
	}
	return true
}

// unfit returns why the reply is not cut, or "" if it is cut.
func (t *truncator) unfit(header http.Header) string {
	reason := t.f.unfit(t.length, t.limit)
	if reason == "" && t.end == endClean && partial(header) {
		return passPartial
	}
	return reason
}

// cameTooLate reports whether the reply has ended before the cut.
func (t *truncator) cameTooLate() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.cut && !t.over
}

// headSent starts the timer of the cut. The timer must not expire before the head is
// sent. A fault further out can panic when it sees the head. That panic must not look
// like one of a sender that has been cut.
func (t *truncator) headSent() {
	if t.f.After > 0 {
		t.cutAfter(time.Duration(t.f.After))
	}
}

// partial reports whether the head says that the body is a part of a whole.
func partial(header http.Header) bool {
	return len(header["Content-Range"]) > 0 || slices.ContainsFunc(header["Content-Type"], func(line string) bool {
		return strings.HasPrefix(strings.ToLower(line), "multipart/byteranges")
	})
}

// mend adjusts the head to the shorter body.
func (t *truncator) mend(header http.Header) {
	dropValidators(header)
	switch {
	case t.f.After > 0:
		header.Del("Content-Length") // the new length is not known
	case t.length >= 0:
		header.Set("Content-Length", strconv.FormatInt(t.limit, 10))
	}
	t.mended = t.f.After == 0 && t.length >= 0
	t.drains = t.mended && t.length-t.limit <= maxRest
}

// write passes bytes on up to the limit.
func (t *truncator) write(o *outlet, p []byte) (int, error) {
	if t.isCut() {
		return t.drop(p)
	}
	pass := p
	if t.limit >= 0 && (t.mended || !o.ended()) {
		pass = p[:min(int64(len(p)), max(0, t.limit-t.sent))]
	}
	n, err := o.Write(pass)
	t.sent += int64(n)
	t.begun = t.sent > 0
	if err != nil {
		return n, err
	}
	if len(pass) == len(p) && (t.sent != t.limit || t.length < 0) {
		return n, nil
	}
	_ = o.flush()
	t.stop()
	if len(pass) == len(p) {
		return n, nil
	}
	m, err := t.drop(p[n:])
	return n + m, err
}

// Interface guards
var _ ender = (*truncator)(nil)
