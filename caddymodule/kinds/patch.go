package kinds

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Patch{})
}

// Patch changes the upstream's own reply: its JSON, its text, the whole body, header
// fields, the status, the length.
//
// What the client sees: over every protocol, a whole and valid reply that is slightly
// wrong. Its Content-Length is right.
//
// If the body changes, `ETag`, `Last-Modified` and digests are removed. A body in gzip
// is sent unpacked, and `encode` can pack it again. The reply has `Cache-Control:
// no-store`, unless `headers` sets that field. Over HTTP/1.1, the exact reason phrase
// of a status needs the listener wrapper `fault`.
//
// With `json` and `replace`, the body is held in memory. With `pad`, only a body in gzip
// is. All other replies stay streams. A block changes the body in one way: `json`,
// `replace` or `body`. For two ways, write two blocks. The outer one comes first.
//
// If the fault cannot change a reply, or changes nothing, the reply passes and is not a
// hit. Caddy counts it with the reason, such as too_large, not_json or no_member, and
// logs it at level DEBUG.
//
// Replies without a body (204, 304, HEAD) get the header and the status. WebSockets
// pass unchanged.
type Patch struct {
	// The change of a body of type `application/json` or a type that ends in `+json`.
	//
	// An object is a JSON merge patch (RFC 7396). Its members replace those of the body.
	// A member that is null removes the member of the body.
	//
	// An array is a JSON Patch (RFC 6902): operations that change one value each. The
	// operation `set` is added to those of the RFC. It replaces a value or adds a member,
	// as `add` does. In an array it replaces an element, where `add` inserts one. If an
	// operation fails, the reply passes with the reason no_member.
	//
	// What the patch does not name stays byte for byte. The Caddyfile adapter sorts the
	// members of the patch and keeps 15 digits of its numbers. Default: none.
	JSON json.RawMessage `json:"json,omitempty"`

	// Changes to the text of the body, one after the other. The body must be UTF-8.
	// Default: none.
	Replace []Replacement `json:"replace,omitempty"`

	// The new body, instead of the upstream's. It can have placeholders, see `respond`.
	// Default: the upstream's body.
	Body *string `json:"body,omitempty"`

	// The media type to send. It also decides how placeholders in `body` are escaped.
	// Default: the upstream's, or a guess if the upstream's reply has none.
	ContentType string `json:"content_type,omitempty"`

	// Changes to the header of the reply. They override all other changes of the fault.
	// Default: none.
	Headers *HeaderOps `json:"headers,omitempty"`

	// The status to send, from 200 to 999, except 204, 205 and 304, which have no body.
	// Default: the upstream's status.
	StatusCode int `json:"status_code,omitempty" zero:"default"`

	// The smallest size of the body, in bytes. Spaces are added at its end, which JSON
	// ignores. Default: 0, nothing is added.
	Pad int64 `json:"pad,omitempty" zero:"default"`

	// The largest body to hold in memory, in bytes, packed or unpacked. Default:
	// 1048576.
	MaxSize int64 `json:"max_size,omitempty" zero:"default"`

	change editor // of JSON
	body   text.Text
	fields fields
	line   *wire.StatusLine
	logger *zap.Logger
}

const defaultMaxSize = 1 << 20

// CaddyModule returns the Caddy module information.
func (Patch) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  faults.Namespace + ".patch",
		New: func() caddy.Module { return new(Patch) },
	}
}

// Provision prepares what is the same for every reply.
func (f *Patch) Provision(ctx caddy.Context) error {
	f.logger = ctx.Logger()
	f.fields = f.Headers.prepare()
	if f.ContentType != "" {
		f.fields.setField("Content-Type", f.ContentType)
	}
	if f.Body != nil {
		f.body = text.New(*f.Body, nil)
	}
	for i := range f.Replace {
		f.Replace[i].prepare()
	}
	if f.JSON != nil {
		f.change, _ = parseJSONChange(f.JSON) // checked by Validate
	}
	if f.StatusCode != 0 {
		code, _ := status.Find("", f.StatusCode)
		f.line = wire.NewStatusLine(f.StatusCode, code.Name)
	}
	return nil
}

// Validate checks the configured fields, separately and together.
func (f *Patch) Validate() error {
	switch {
	case f.Pad < 0:
		return fmt.Errorf("bad patch pad '%d': must not be negative", f.Pad)
	case !f.changesBody() && !f.changesHead():
		return errors.New("patch changes nothing; write json, set, remove, replace, body, content_type, header, status or pad")
	case f.MaxSize < 0:
		return fmt.Errorf("bad patch max_size '%d': must not be negative", f.MaxSize)
	}
	if err := f.validateBody(); err != nil {
		return err
	}
	if f.StatusCode != 0 {
		if err := withBody("patch", f.StatusCode); err != nil {
			return err
		}
	}
	if err := validContentType(f.ContentType); err != nil {
		return err
	}
	if f.Headers.puts("Content-Type") {
		return errTypeInHeader
	}
	return f.Headers.validate()
}

// Reply requires a body for JSON alone, and a head for other changes.
func (f *Patch) Reply(next faults.Reply) (faults.Reply, error) {
	switch {
	case !f.changesHead() && f.Pad == 0 && f.Body == nil:
		return faults.AnyReply(), next.Need(1)
	case f.changesBody() && next.Size > faults.NoHead:
		return faults.AnyReply(), nil
	}
	return next, next.Need(faults.NoBody)
}

// Conditional reports true: some replies pass unchanged.
func (*Patch) Conditional(uint64) bool { return true }

// Inject calls next with a writer that changes the reply.
func (f *Patch) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	var shield shield
	if f.changesText() {
		var err error
		if shield, err = newShield(w); err != nil {
			hit.Confirm() // the request fails instead
			return err
		}
	}
	pw := newPatchWriter(f, hit, w, r, shield)
	defer func() {
		if r.Context().Err() == nil {
			pw.breakOff()
		}
	}()
	if err := next.ServeHTTP(pw, r); err != nil || r.Context().Err() != nil {
		return err // a client that has left gets nothing
	}
	pw.finish()
	return nil
}

// maxSize returns the limit for a body held in memory.
func (f *Patch) maxSize() int64 {
	if f.MaxSize == 0 {
		return defaultMaxSize
	}
	return f.MaxSize
}

// newCode returns the status to send instead of code.
func (f *Patch) newCode(code int) int {
	if f.StatusCode == 0 {
		return code
	}
	return f.StatusCode
}

// edits reports whether the change depends on the upstream's body.
func (f *Patch) edits() bool { return f.editsJSON() || f.Replace != nil }

func (f *Patch) editsJSON() bool { return f.JSON != nil || f.change != nil }

func (f *Patch) changesBody() bool { return f.edits() || f.Body != nil || f.Pad > 0 }

// changesText reports whether the body or its media type changes.
func (f *Patch) changesText() bool {
	return f.changesBody() || f.ContentType != "" || f.Headers.sets("Content-Type")
}

// changesHead reports whether the head of each reply changes.
func (f *Patch) changesHead() bool {
	return f.Headers != nil || f.StatusCode != 0 || f.ContentType != ""
}

// Interface guards
var (
	_ faults.Fault          = (*Patch)(nil)
	_ faults.Replier        = (*Patch)(nil)
	_ caddy.Provisioner     = (*Patch)(nil)
	_ caddy.Validator       = (*Patch)(nil)
	_ caddyfile.Unmarshaler = (*Patch)(nil)
)
