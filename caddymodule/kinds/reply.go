package kinds

import (
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// reply holds what is the same for every request. Faults share it, so it must not change
// after [Respond.Provision].
type reply struct {
	code     status.Code
	reason   text.Text
	line     *wire.StatusLine // of a reason without placeholders
	fields   fields
	instants []instant
	content  []content // usually one; otherwise Accept selects
	static   bool      // no text has a placeholder
}

// catalogKey identifies a reply that comes entirely from the catalog.
type catalogKey struct {
	code   status.Code
	format string
}

// catalogReplies caches such replies by [catalogKey], so that ten thousand rules with
// `respond 503` share one. The number of codes and formats limits its size.
var catalogReplies sync.Map

// compose sets the header fields and returns the body. It also returns the replacer for
// the reason phrase, or nil if no text has a placeholder.
func (f *Respond) compose(h http.Header, r *http.Request) (repl *caddy.Replacer, body []byte) {
	if !f.static {
		repl = text.Replacer(r)
		repl.Set("http.fault.status_code", f.StatusCode)
		repl.Set("http.fault.status_text", f.code.Name)
		repl.Set("http.fault.slug", f.code.Slug())
	}
	var now time.Time // read once, so that all fields and the body agree
	if f.RetryAfterDate || len(f.instants) > 0 {
		now = time.Now().UTC()
	}
	for i := range f.instants {
		repl.Set(f.instants[i].key, f.instants[i].after(now))
	}
	c := &f.content[0]
	if len(f.content) > 1 {
		c = negotiate(f.content, r.Header.Values("Accept"))
		h.Set("Content-Type", c.contentType)
		h.Add("Vary", "Accept")
	}
	dropExpiry(h)
	if f.RetryAfterDate {
		f.setRetryDate(h, now)
	}
	f.fields.apply(h, repl)
	return repl, c.bytes(h, repl)
}

// statusLine returns the status line to write, or nil if net/http writes the right one.
func (f *Respond) statusLine(r *http.Request, repl *caddy.Replacer) *wire.StatusLine {
	if r.ProtoMajor != 1 || f.reason.Static() {
		return f.line
	}
	return wire.NewStatusLine(f.StatusCode, f.reason.Fill(repl))
}

// autoLength is the length from which net/http, which buffers 2048 bytes, sends a body
// in chunks. For a shorter body, net/http writes the Content-Length itself, as the last
// field. Inject sets the Content-Length if a fault further out needs it.
const autoLength = 2048

// send writes the reply, with its reason phrase on HTTP/1.
func (f *Respond) send(w http.ResponseWriter, r *http.Request, line *wire.StatusLine, body []byte) error {
	if line != nil && !line.Arm(r) && f.BodySize == 0 {
		if done, err := line.HandBack(w, r, body); done {
			return err
		}
	}
	w.WriteHeader(f.StatusCode)
	switch {
	case f.BodySize > 0 && !wire.SentHead(r):
		_, _ = io.Copy(w, f.filler()) // an error means that the client has left
	case len(body) > 0:
		_, _ = w.Write(body) // also for HEAD, where net/http uses the length; an error means that the client has left
	}
	return nil
}
