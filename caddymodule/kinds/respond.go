package kinds

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Respond{})
}

// Respond answers with a reply of its own: a status, its reason phrase, header
// fields and a body. What is not configured comes from the catalogue of status
// codes.
//
// What the client sees: that reply. The reason phrase exists on HTTP/1.1 only;
// there it is sent exactly, with the connection kept. In phase response the
// upstream's header fields stay, but for those that describe its body and those
// that let caches keep it.
//
// The texts may have any placeholder of Caddy and these:
//
// Placeholder | Description
// ------------|-------------
// `{http.fault.status_code}` | The status of the reply
// `{http.fault.status_text}` | Its name in the catalogue, such as `User Not Local`
// `{http.fault.slug}` | The name as one word, such as `user_not_local`
//
// In a transport it is a reply like one of the upstream's: passive health checks
// and `lb_retry_match` see its status. It carries nothing of a reply that it
// replaces, and the proxy sends its own reason phrase.
//
// Values are escaped for the text they stand in: as the inside of a JSON
// string when the body is JSON, as HTML when it is HTML; control characters
// never reach a header field or the status line.
type Respond struct {
	// The status, from 200 to 999. Required.
	StatusCode int `json:"status_code,omitempty"`

	// Which catalogue the code is from, such as `smtp`, `sip` or `nginx`.
	// Default: IANA's name for HTTP when the code has one, else the well-known
	// one (SMTP for 550 to 556, Cloudflare for 520 to 527 and 530, ...).
	Family string `json:"family,omitempty"`

	// The reason phrase. Default: the name in the catalogue. An empty one is
	// sent as such.
	Reason *string `json:"reason,omitempty"`

	// The body. Default: the catalogue's, see `format`. That of 503 repeats the
	// Retry-After of its reply in seconds: 300, unless `headers` says otherwise.
	// An empty one is really empty.
	Body *string `json:"body,omitempty"`

	// A file to send as the body, read once when the configuration loads and
	// sent as it is, without placeholders.
	BodyFile string `json:"body_file,omitempty"`

	// The type of the body. Default: that of the catalogue's body; for a body
	// of your own `application/json` if it begins like JSON, else
	// `text/plain; charset=utf-8`; for a file by its extension.
	ContentType string `json:"content_type,omitempty"`

	// The form of the catalogue's body: `json` (default), `text`, `html`,
	// `problem` (RFC 9457) or `auto`, which follows the request's Accept field.
	Format string `json:"format,omitempty"`

	// Changes to the header of the reply; they win over everything else here.
	Headers *HeaderOps `json:"headers,omitempty"`

	// Close the connection after the reply. Over HTTP/2 the client is told to
	// go away once its streams are done, over HTTP/3 it does nothing.
	Close bool `json:"close,omitempty"`

	*reply
}

// CaddyModule returns the Caddy module information.
func (Respond) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".respond",
		New: func() caddy.Module { return new(Respond) },
	}
}

// Provision builds the reply as far as it is the same for every request.
func (f *Respond) Provision(caddy.Context) error {
	if err := f.Validate(); err != nil {
		return err
	}
	code, known := status.Find(f.Family, f.StatusCode)
	key := catalogueKey{code, f.Format}
	fromCatalogue := f.Reason == nil && !f.ownBody() && f.ContentType == "" && f.Headers == nil
	if fromCatalogue {
		if shared, ok := catalogueReplies.Load(key); ok {
			f.reply = shared.(*reply)
			return nil
		}
	}
	f.reply = &reply{code: code, reason: text.New(code.Name, wire.CleanField)}
	if f.Reason != nil {
		f.reason = text.New(*f.Reason, wire.CleanField)
		if !known && f.reason.Static() && *f.Reason != "" {
			f.code.Name = *f.Reason // the best name there is for it
		}
	}
	if f.reason.Static() {
		f.line = wire.NewStatusLine(f.StatusCode, f.reason.Raw)
	}
	if err := f.provisionContent(); err != nil {
		return err
	}
	f.fields = f.Headers.prepare()
	for _, base := range f.baseFields() {
		if !f.Headers.sets(base.name) {
			f.fields.setField(base.name, base.value)
		}
	}
	if !f.Headers.replaces("Cache-Control") { // as uncache does
		f.fields.setField("Cache-Control", noStore)
	}
	f.expectRetryAfter()
	f.static = f.fields.static && f.reason.Static() && f.content[0].body.Static()
	if fromCatalogue {
		catalogueReplies.Store(key, f.reply)
	}
	return nil
}

func (f *Respond) ownBody() bool { return f.Body != nil || f.BodyFile != "" }

// Validate checks the configured fields, each by itself and together.
func (f *Respond) Validate() error {
	if f.StatusCode == 0 {
		return errors.New("respond needs a status, such as 503 or smtp:551")
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
	if !httpguts.ValidHeaderFieldValue(f.ContentType) {
		return fmt.Errorf("bad content_type %q: control characters cannot stand in a header", f.ContentType)
	}
	if f.ContentType != "" && !strings.ContainsAny(f.ContentType, "/{") {
		return fmt.Errorf("bad content_type '%s': no media type is without a slash; write content_type application/%[1]s", f.ContentType)
	}
	if err := f.validateBody(); err != nil {
		return err
	}
	if f.Headers.sets("Content-Type") {
		return errors.New("header 'Content-Type' cannot be set here: write content_type, which also decides how placeholders are escaped")
	}
	return f.Headers.validate()
}

// Terminal reports that nothing comes after a reply.
func (*Respond) Terminal() bool { return true }

// EndsWith returns the status.
func (f *Respond) EndsWith(faults.Place) faults.Ending { return faults.Ending{Status: f.StatusCode} }

// Reply bounds the body where the configuration tells its size.
func (f *Respond) Reply(faults.Reply) (faults.Reply, error) {
	switch {
	case !(status.Code{Code: f.StatusCode}).BodyAllowed(), f.Body != nil && *f.Body == "":
		return faults.Reply{Size: faults.NoBody, From: f}, nil
	case f.Body == nil || !text.New(*f.Body, text.EscapeNone).Static():
		return faults.AnyReply(), nil
	}
	return faults.Reply{Size: int64(len(*f.Body)), From: f}, nil
}

// Untrusted allows the status and nothing else: the rest is the catalogue's, and
// neither kept nor taken for something that it is not.
func (f *Respond) Untrusted(*faults.Limits) error {
	if !reflect.DeepEqual(*f, Respond{StatusCode: f.StatusCode, Family: f.Family}) {
		return errors.New("respond takes a status in a trigger, and nothing else")
	}
	f.Headers = &HeaderOps{Set: http.Header{"X-Content-Type-Options": {"nosniff"}}}
	return nil
}

// Inject writes the reply.
func (f *Respond) Inject(_ *faults.Hit, w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	shield, holds, err := lookOut(w, f.StatusCode)
	if err != nil {
		return err
	}
	shield.raise()
	h := w.Header()
	repl, body := f.compose(h, r)
	if f.Close && r.ProtoMajor < 3 { // HTTP/3 clients refuse a reply with that field
		h.Set("Connection", "close")
	}
	wire.CloseIfExpected(w, r)
	if len(body) >= autoLength || len(body) > 0 && holds {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return f.send(w, r, f.statusLine(r, repl), body)
}

// RoundTrip replies in the upstream's place. The reply has the reason phrase,
// which a proxy does not pass on.
func (f *Respond) RoundTrip(_ *faults.Hit, r *http.Request, _ http.RoundTripper) (*http.Response, error) {
	header := make(http.Header)
	repl, body := f.compose(header, r)
	return newResponse(r, f.StatusCode, f.reason.Fill(repl), header, body), nil
}

// autoLength is the length from which net/http, which holds back 2048 bytes,
// would send a body in chunks instead of counting it. Below it the
// Content-Length is left to net/http, which writes it last, unless a fault
// further out has to know it.
const autoLength = 2048

// send writes the reply, with its reason phrase on HTTP/1.
func (f *Respond) send(w http.ResponseWriter, r *http.Request, line *wire.StatusLine, body []byte) error {
	if line != nil && !line.Arm(r) {
		if done, err := line.HandBack(w, r, body); done {
			return err
		}
	}
	w.WriteHeader(f.StatusCode)
	if len(body) > 0 {
		_, _ = w.Write(body) // also for HEAD, where net/http takes the length; a client that has gone needs no error
	}
	return nil
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	respond <status>|<family>:<code> [<body>] {
//	    reason       <text>
//	    body         <text>
//	    body_file    <path>
//	    content_type <type>
//	    format       json|text|html|problem|auto
//	    header       [+|-]<field> [<value>]
//	    close
//	}
//
// As with Caddy's respond directive the body may also come first.
func (f *Respond) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	words := d.RemainingArgs()
	if len(words) > 2 {
		return args.Unexpected(d, "respond", words[2])
	}
	code, body, err := statusAndText(words)
	if err != nil {
		return d.WrapErr(err)
	}
	f.Family, f.StatusCode, f.Body = code.family, code.code, body
	return args.Options(d, "header", func(name string) error { return f.unmarshalOption(d, name) })
}

func (f *Respond) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	switch name {
	case "reason":
		f.Reason = new(string)
		return args.Text(d, "respond reason", f.Reason)
	case "body":
		if f.Body != nil {
			return d.Err("body already specified")
		}
		f.Body = new(string)
		return args.Text(d, "respond body", f.Body)
	case "body_file":
		return args.One(d, "respond body_file", &f.BodyFile)
	case "content_type":
		return args.One(d, "respond content_type", &f.ContentType)
	case "format":
		return args.One(d, "respond format", &f.Format)
	case "header":
		if f.Headers == nil {
			f.Headers = new(HeaderOps)
		}
		return f.Headers.unmarshalOption(d, "respond header")
	case "close":
		f.Close = true
		return args.None(d, "respond close")
	default:
		return args.UnknownOption(d, "respond")
	}
}

// Line writes status and body, unless more is set.
func (f *Respond) Line() (line string, ok bool) {
	line, ok = statusArg{f.Family, f.StatusCode}.line(f.Body)
	return line, ok && f.Reason == nil && f.BodyFile == "" && f.ContentType == "" && f.Format == "" && f.Headers == nil && !f.Close
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
	_ caddyfile.Unmarshaler = (*Respond)(nil)
)
