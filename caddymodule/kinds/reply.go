package kinds

import (
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

// reply is what is the same for every request. Faults share one, so that nothing in
// it changes after [Respond.Provision].
type reply struct {
	code    status.Code
	reason  text.Text
	line    *wire.StatusLine // of a reason without placeholders
	fields  fields
	content []content // what Accept chooses from; mostly one
	static  bool      // no text has a placeholder
}

// catalogueKey identifies a reply that is all from the catalogue.
type catalogueKey struct {
	code   status.Code
	format string
}

// catalogueReplies are the replies that have been in use, by [catalogueKey]. Ten
// thousand rules with `respond 503` need one. There are no more than codes and
// formats.
var catalogueReplies sync.Map

// compose sets the fields of the reply and returns its body. The replacer is
// for the reason phrase, nil if no text has a placeholder.
func (f *Respond) compose(h http.Header, r *http.Request) (repl *caddy.Replacer, body []byte) {
	if !f.static {
		repl = text.Replacer(r)
		repl.Set("http.fault.status_code", f.StatusCode)
		repl.Set("http.fault.status_text", f.code.Name)
		repl.Set("http.fault.slug", f.code.Slug())
	}
	c := &f.content[0]
	if len(f.content) > 1 {
		c = negotiate(f.content, r.Header.Values("Accept"))
		h.Set("Content-Type", c.contentType)
		h.Add("Vary", "Accept")
	}
	dropExpiry(h)
	f.fields.apply(h, repl)
	return repl, c.bytes(h, repl)
}

// statusLine is the line to ask for, nil where net/http's own will do.
func (f *Respond) statusLine(r *http.Request, repl *caddy.Replacer) *wire.StatusLine {
	if r.ProtoMajor != 1 || f.reason.Static() {
		return f.line
	}
	return wire.NewStatusLine(f.StatusCode, f.reason.Fill(repl))
}
