package kinds

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Respond{})
}

// Respond answers with a reply of your choice: a status, its reason phrase, header
// fields and a body. What you omit comes from the catalog of status codes.
//
// What the client sees: that reply. Over HTTP/1.1 it has its exact reason phrase, and
// the connection stays usable. HTTP/2 and HTTP/3 have no reason phrase. In phase
// `response`, the upstream's header fields stay, except those about body and caching.
//
// In a transport, the proxy receives the reply like one of an upstream: passive health
// checks and `lb_retry_match` see its status. The reply has no fields of the upstream.
// The proxy sends its own reason phrase.
//
// The texts can have any placeholder of Caddy and these:
//
// Placeholder | Description
// ------------|-------------
// `{http.fault.status_code}` | The status of the reply
// `{http.fault.status_text}` | Its name in the catalog, such as `User Not Local`
// `{http.fault.slug}` | The name as one word, such as `user_not_local`
// `{http.fault.in.<seconds>.<form>}` | The time of the reply plus a number of seconds, as `unix`, `unix_ms`, `http` or `rfc3339`
//
// Values are escaped for the text around them: inside JSON strings and in HTML. Control
// characters never reach a header field or the reason phrase. A backslash before a
// placeholder makes it literal: `\{name}` is sent as `{name}`.
type Respond struct {
	// The status, from 200 to 999. Required, unless `status_codes` is set.
	StatusCode int `json:"status_code,omitempty"`

	// Statuses of which each reply gets one, at random. A number from 2 to 9 is a class:
	// 5 means all codes from 500 to 599 that have a name at IANA. At a point with `seed`
	// or `sticky`, the same request gets the same status again. Default: none.
	StatusCodes []int `json:"status_codes,omitempty"`

	// The catalog of the code, such as `smtp`, `sip` or `nginx`. Default: `http` if
	// the code has a name at IANA. Otherwise the best-known name is used: SMTP for 550
	// to 556, Cloudflare for 520 to 527 and 530, and so on.
	Family string `json:"family,omitempty"`

	// The reason phrase. An empty one is sent as such. Default: the name in the
	// catalog.
	Reason *string `json:"reason,omitempty"`

	// The body. An empty one is really empty. Default: the body of the catalog, see
	// `format`. The catalog's body of 503 repeats the seconds of its `Retry-After`
	// field: 300, unless `retry_after` or `headers` sets another value.
	Body *string `json:"body,omitempty"`

	// A file to send as the body, up to 16 MiB. It is read once when the configuration
	// loads, and sent without placeholders. Default: none.
	BodyFile string `json:"body_file,omitempty"`

	// The body in base64, for bytes that are not text. It is sent without placeholders.
	// Default: none.
	BodyBase64 string `json:"body_base64,omitempty"`

	// The size of a body of letters and digits, in bytes. It is not kept in memory, and
	// compressing it does not save much. Default: none.
	BodySize int64 `json:"body_size,omitempty" zero:"default"`

	// The media type of the body. Default for the catalog's body: the type of its
	// `format`. Default for your own body: `application/json` if it begins like JSON,
	// otherwise `text/plain; charset=utf-8`. Default for a file: by its extension,
	// otherwise `application/octet-stream`. Default for bytes: the same.
	ContentType string `json:"content_type,omitempty"`

	// The format of the catalog's body: `json`, `text`, `html`, `problem` (RFC 9457)
	// or `auto`. With `auto`, the request's `Accept` field selects one of the others.
	// Default: `json`.
	Format string `json:"format,omitempty"`

	// The time in the `Retry-After` field of the reply: whole seconds, such as `5s` or
	// `2m`, or `off` for no field. Default: 300 seconds with 503 and the
	// catalog's body, otherwise no field of the fault.
	RetryAfter string `json:"retry_after,omitempty"`

	// Send `retry_after` as a date: the `Date` of the reply plus the time to wait.
	// Default: send the number of seconds.
	RetryAfterDate bool `json:"retry_after_date,omitempty"`

	// Changes to the header of the reply. They override all other fields of the fault.
	// Default: none.
	Headers *HeaderOps `json:"headers,omitempty"`

	// Close the connection after the reply. Over HTTP/2, the client is asked to leave
	// when its streams are done. Over HTTP/3 and in a transport, `close` does nothing.
	// Default: false.
	Close bool `json:"close,omitempty"`

	*reply
	choices []*Respond // one for each of several statuses
}

// CaddyModule returns the Caddy module information.
func (Respond) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".respond",
		New: func() caddy.Module { return new(Respond) },
	}
}

// Provision prepares what is the same for every request.
func (f *Respond) Provision(caddy.Context) error {
	if err := f.Validate(); err != nil {
		return err
	}
	if f.StatusCodes != nil {
		return f.provisionChoices()
	}
	return f.provision()
}

// provision prepares a reply with one status.
func (f *Respond) provision() error {
	code, known := status.Find(f.Family, f.StatusCode)
	key := catalogKey{code, f.Format}
	fromCatalog := f.Reason == nil && !f.ownBody() && f.ContentType == "" && f.RetryAfter == "" && f.Headers == nil
	if fromCatalog {
		if shared, ok := catalogReplies.Load(key); ok {
			f.reply = shared.(*reply)
			return nil
		}
	}
	f.reply = &reply{code: code, reason: text.New(code.Name, wire.CleanField)}
	if f.Reason != nil {
		f.reason = text.New(*f.Reason, wire.CleanField)
		if !known && f.reason.Static() && *f.Reason != "" {
			f.code.Name = f.reason.Raw // the only name that is known for the code
		}
	}
	if f.reason.Static() {
		f.line = wire.NewStatusLine(f.StatusCode, f.reason.Raw)
	}
	if err := f.provisionContent(); err != nil {
		return err
	}
	f.instants = f.instantsOf()
	f.fields = f.Headers.prepare()
	if f.RetryAfter == retryOff {
		f.fields.deleted = append(f.fields.deleted, retryAfterField) // an upstream may have sent one
	}
	for _, base := range f.baseFields() {
		if !f.Headers.sets(base.name) {
			f.fields.setField(base.name, base.value)
		}
	}
	if !f.Headers.replaces("Cache-Control") { // like uncache
		f.fields.setField("Cache-Control", noStore)
	}
	f.expectRetryAfter()
	f.static = f.fields.static && f.reason.Static() && f.content[0].body.Static()
	if fromCatalog {
		catalogReplies.Store(key, f.reply)
	}
	return nil
}

func (f *Respond) ownBody() bool {
	return f.Body != nil || f.BodyFile != "" || f.BodyBase64 != "" || f.BodySize > 0
}

// Validate checks the configured fields, separately and together.
func (f *Respond) Validate() error {
	if f.StatusCodes != nil {
		return f.validateChoices()
	}
	if f.StatusCode == 0 {
		return errors.New("respond needs a status, such as respond 503 or respond smtp:551")
	}
	if err := sendable(f.StatusCode); err != nil {
		return err
	}
	if f.Family != "" {
		if _, err := status.Parse(f.Family + ":" + strconv.Itoa(f.StatusCode)); err != nil {
			return err
		}
	}
	if f.Reason != nil {
		if err := wire.ValidReason(*f.Reason); err != nil {
			return fmt.Errorf("bad reason %q: %w", *f.Reason, err)
		}
	}
	if err := validContentType(f.ContentType); err != nil {
		return err
	}
	if err := f.validateBody(); err != nil {
		return err
	}
	if err := f.validateRetryAfter(); err != nil {
		return err
	}
	if err := f.validateInstants(); err != nil {
		return err
	}
	if f.Headers.sets("Content-Type") {
		return errTypeInHeader
	}
	return f.Headers.validate()
}

// Terminal reports true: nothing runs after a reply.
func (*Respond) Terminal() bool { return true }

// EndsWith returns the status.
func (f *Respond) EndsWith(faults.Place) faults.Ending { return faults.Ending{Status: f.StatusCode} }

// Reply returns the size of the body if the configuration determines it.
func (f *Respond) Reply(faults.Reply) (faults.Reply, error) {
	if f.StatusCode != 0 && !(status.Code{Code: f.StatusCode}).BodyAllowed() || f.Body != nil && *f.Body == "" {
		return faults.Reply{Size: faults.NoBody, From: f}, nil
	}
	switch {
	case f.Body != nil:
		if body := text.New(*f.Body, nil); body.Static() {
			return faults.Reply{Size: int64(len(body.Raw)), From: f}, nil
		}
	case f.BodySize > 0:
		return faults.Reply{Size: f.BodySize, From: f}, nil
	}
	return faults.AnyReply(), nil
}

// Untrusted allows a status or several, Retry-After, and the size of a body. The rest of
// the reply comes from the catalog or from a preset, cannot be cached, and is not sniffed
// for its type.
func (f *Respond) Untrusted(l *faults.Limits) error {
	if !l.Texts && !reflect.DeepEqual(*f, Respond{
		StatusCode: f.StatusCode, StatusCodes: f.StatusCodes, Family: f.Family,
		RetryAfter: f.RetryAfter, RetryAfterDate: f.RetryAfterDate, BodySize: f.BodySize,
	}) {
		return errors.New("in a trigger, respond takes only statuses and retry_after, such as respond 503; retry_after 5s")
	}
	if err := untrustedSize(&f.BodySize); err != nil {
		return err
	}
	if f.Headers == nil {
		f.Headers = new(HeaderOps)
	}
	if f.Headers.Set == nil {
		f.Headers.Set = make(http.Header)
	}
	f.Headers.Set.Set("X-Content-Type-Options", "nosniff")
	return nil
}

// Inject writes the reply.
func (f *Respond) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	f = f.choose(hit)
	shield, holds, err := lookOut(w, f.StatusCode)
	if err != nil {
		return err
	}
	shield.raise()
	h := w.Header()
	repl, body := f.compose(h, r)
	if f.Close && r.ProtoMajor < 3 { // HTTP/3 clients refuse a reply with this field (RFC 9114, section 4.2)
		h.Set("Connection", "close")
	}
	wire.CloseIfExpected(w, r)
	if size := f.size(body); size >= autoLength || size > 0 && holds {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	return f.send(w, r, f.statusLine(r, repl), body)
}

// RoundTrip returns the reply instead of the upstream's. It sets the reason phrase,
// which a proxy does not pass on.
func (f *Respond) RoundTrip(hit *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	f = f.choose(hit)
	header := make(http.Header)
	repl, body := f.compose(header, r)
	resp := newResponse(r, f.StatusCode, f.reason.Fill(repl), header, body)
	if f.BodySize > 0 {
		f.fill(resp)
	}
	return resp, nil
}

// Interface guards
var (
	_ faults.Fault          = (*Respond)(nil)
	_ faults.Hinter         = (*Respond)(nil)
	_ faults.Replier        = (*Respond)(nil)
	_ faults.RoundTripper   = (*Respond)(nil)
	_ faults.Terminal       = (*Respond)(nil)
	_ caddy.Provisioner     = (*Respond)(nil)
	_ caddy.Validator       = (*Respond)(nil)
	_ faults.Untrusted      = (*Respond)(nil)
	_ faults.Liner          = (*Respond)(nil)
	_ faults.Continued      = (*Respond)(nil)
	_ caddyfile.Unmarshaler = (*Respond)(nil)
)
