package kinds

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/mergepatch"
	"github.com/caddyfault/caddyfault/caddymodule/status"
	"github.com/caddyfault/caddyfault/caddymodule/wire"
)

func init() {
	caddy.RegisterModule(Patch{})
}

// Patch changes the upstream's own reply: members of its JSON, header fields,
// the status, the length.
//
// What the client sees is the same over HTTP/1.1, HTTP/2 and HTTP/3: a whole
// and valid reply that is not quite the one it should be. Its Content-Length is
// true. Where the body changes, the fields that vouched for the old one are
// gone (ETag, Last-Modified, Content-Digest and the like), and a body that came
// in gzip is sent plain, which the encode directive may pack again. No cache keeps
// the reply: it has `Cache-Control: no-store` unless `headers` sets the field. Over
// HTTP/1.1 a status that Go has no phrase for carries its own where the site
// has the listener wrapper `fault`.
//
// With `json` the reply is held in memory until it is whole, and so is one in
// gzip with `pad`. One that is larger than `max_size`, no JSON, a part (206), or
// packed in another way passes unchanged in all respects, counted and logged at
// level DEBUG as too_large, not_json, partial or encoded. All other replies
// stay streams. Replies without a body (204, 304, HEAD) get header and status;
// WebSockets are left alone.
type Patch struct {
	// A JSON merge patch (RFC 7396) for a body of the type application/json or
	// one that ends in +json: an object whose members replace those of the body,
	// or remove them where they are null. Anything but an object replaces the
	// whole body. What it does not name stays as it is, byte for byte. Caddy's
	// Caddyfile adapter sorts the members of a patch and keeps 15 digits of its
	// numbers. Default: none.
	JSON json.RawMessage `json:"json,omitempty"`

	// Changes to the header of the reply; they win over everything else here.
	// Default: none.
	Headers *HeaderOps `json:"headers,omitempty"`

	// The status to send, from 200 to 999 and not one that has no body (204,
	// 205, 304). Default: the upstream's.
	StatusCode int `json:"status_code,omitempty" zero:"default"`

	// How many bytes the body has at least: spaces are added at its end, which
	// mean nothing in JSON. Default: 0, none are added.
	Pad int64 `json:"pad,omitempty" zero:"default"`

	// The largest body to hold in memory, in bytes, packed and unpacked.
	// Default: 1048576.
	MaxSize int64 `json:"max_size,omitempty" zero:"default"`

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

// Provision builds what is the same for every reply.
func (f *Patch) Provision(ctx caddy.Context) error {
	f.logger = ctx.Logger()
	f.fields = f.Headers.prepare()
	if f.StatusCode != 0 {
		code, _ := status.Find("", f.StatusCode)
		f.line = wire.NewStatusLine(f.StatusCode, code.Name)
	}
	return nil
}

// Validate checks the configured fields.
func (f *Patch) Validate() error {
	switch {
	case f.JSON == nil && f.Headers == nil && f.StatusCode == 0 && f.Pad == 0:
		return errors.New("patch changes nothing: it needs json, header, status or pad")
	case f.Pad < 0:
		return fmt.Errorf("bad patch pad '%d': negative", f.Pad)
	case f.MaxSize < 0:
		return fmt.Errorf("bad patch max_size '%d': negative", f.MaxSize)
	}
	if f.JSON != nil {
		var patch any // more than json.Valid: a number may be too big for the adapter
		if err := json.Unmarshal(f.JSON, &patch); err != nil {
			return fmt.Errorf("bad patch json '%s': %w", f.JSON, err)
		}
	}
	if f.StatusCode != 0 {
		if err := withBody("patch", f.StatusCode); err != nil {
			return err
		}
	}
	return f.Headers.validate()
}

// Reply needs a body for json alone, a head for the rest.
func (f *Patch) Reply(next faults.Reply) (faults.Reply, error) {
	switch {
	case f.Headers == nil && f.StatusCode == 0 && f.Pad == 0:
		return faults.AnyReply(), next.Need(1)
	case f.changesBody() && next.Size > faults.NoHead:
		return faults.AnyReply(), nil
	}
	return next, next.Need(faults.NoBody)
}

// Conditional reports that only a reply is changed that can be.
func (*Patch) Conditional(uint64) bool { return true }

// Inject calls next with a writer that changes its reply.
func (f *Patch) Inject(hit *faults.Hit, w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	var shield shield
	if f.changesText() {
		var err error
		if shield, err = newShield(w); err != nil {
			hit.Confirm() // by failing
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
		return err // a client that has gone gets nothing
	}
	pw.finish()
	return nil
}

// maxSize is the bound of what is held in memory.
func (f *Patch) maxSize() int64 {
	if f.MaxSize == 0 {
		return defaultMaxSize
	}
	return f.MaxSize
}

// newCode is the status in place of code.
func (f *Patch) newCode(code int) int {
	if f.StatusCode == 0 {
		return code
	}
	return f.StatusCode
}

func (f *Patch) changesBody() bool { return f.JSON != nil || f.Pad > 0 }

// changesText reports whether the body changes, or what it is taken for.
func (f *Patch) changesText() bool { return f.changesBody() || f.Headers.sets("Content-Type") }

// changesHead reports whether there is something to change in each reply.
func (f *Patch) changesHead() bool { return f.Headers != nil || f.StatusCode != 0 }

// unfit tells from the head of a reply that has a body why that cannot be changed;
// "" says that it may.
func (f *Patch) unfit(code int, header http.Header) string {
	length, encoding := lengthOf(header), encodingOf(header)
	switch {
	case code == http.StatusPartialContent:
		return passPartial
	case f.JSON != nil && length == 0:
		return passNoBody
	case f.JSON != nil && !isJSON(strings.Join(header["Content-Type"], ", ")):
		return passNotJSON
	case encoding != "" && encoding != "gzip":
		return passEncoded
	case f.needsWhole(encoding) && length > f.maxSize():
		return passTooLarge
	case f.JSON == nil && encoding == "" && length >= f.Pad && !f.changesHead():
		return passNoChange
	}
	return ""
}

// needsWhole reports whether the body has to be held until it is whole.
func (f *Patch) needsWhole(encoding string) bool { return f.JSON != nil || encoding != "" }

// isJSON reports whether a Content-Type is one of JSON (RFC 8259, and RFC 6839
// section 3.1 for the suffix). Two types are none.
func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") && !strings.Contains(mediaType, ",")
}

// encodingOf is how a body is packed; "" is not at all.
func encodingOf(header http.Header) string {
	encoding := strings.ToLower(strings.Join(header.Values("Content-Encoding"), ", "))
	if encoding == "identity" {
		return ""
	}
	return encoding
}

// newBody makes the new body out of the old one. A reason says why it cannot.
func (f *Patch) newBody(old []byte, encoding string) (body []byte, reason string) {
	if encoding == "gzip" {
		plain, err := gunzip(old, f.maxSize())
		switch {
		case err != nil:
			return nil, passEncoded
		case int64(len(plain)) > f.maxSize():
			return nil, passTooLarge
		}
		old = plain
	}
	switch {
	case f.JSON == nil:
		return old, ""
	case !json.Valid(old):
		return nil, passNotJSON
	}
	body = mergepatch.Apply(old, f.JSON)
	if !f.changesHead() && int64(len(old)) >= f.Pad && bytes.Equal(body, old) {
		return nil, passNoChange
	}
	return body, ""
}

// gunzip unpacks no more than one byte above limit, however much there is.
func gunzip(packed []byte, limit int64) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(zr, limit+1))
}

// UnmarshalCaddyfile sets up the fault from Caddyfile tokens. Syntax:
//
//	patch {
//	    json     <merge patch>
//	    header   [+|-]<field> [<value>]
//	    status   <code>
//	    pad      <size>
//	    max_size <size>
//	}
//
// A size has a unit, such as 64B or 10KiB.
func (f *Patch) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		return args.Unexpected(d, "patch", d.Val())
	}
	return args.Options(d, "header", func(name string) error { return f.unmarshalOption(d, name) })
}

func (f *Patch) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	switch name {
	case "json":
		var patch string
		err := args.One(d, "patch json", &patch)
		f.JSON = json.RawMessage(patch)
		return err
	case "header":
		if f.Headers == nil {
			f.Headers = new(HeaderOps)
		}
		return f.Headers.unmarshalOption(d, "patch header")
	case "status":
		return args.Parse(d, "patch "+name, d.RemainingArgs(), f.parseStatus)
	case "pad":
		return args.Parse(d, "patch "+name, d.RemainingArgs(), atLeastOneByte(name, &f.Pad))
	case "max_size":
		return args.Parse(d, "patch "+name, d.RemainingArgs(), atLeastOneByte(name, &f.MaxSize))
	default:
		return args.UnknownOption(d, "patch")
	}
}

func (f *Patch) parseStatus(arg string) error {
	code, err := parseStatus(arg)
	if err != nil {
		return err
	}
	if code.family != "" {
		return fmt.Errorf("bad status '%s': the patch fault takes a code without a family", code)
	}
	f.StatusCode = code.code
	return nil
}

// atLeastOneByte stores a size that is not zero, which means the default.
func atLeastOneByte(name string, target *int64) func(string) error {
	return func(arg string) error {
		size, err := args.ParseSize(arg)
		switch {
		case err != nil:
			return fmt.Errorf("bad patch %s: %w", name, err)
		case size == 0:
			return fmt.Errorf("bad patch %s '%s': want at least one byte", name, arg)
		}
		*target = size
		return nil
	}
}

// Interface guards
var (
	_ faults.Fault          = (*Patch)(nil)
	_ faults.Replier        = (*Patch)(nil)
	_ caddy.Provisioner     = (*Patch)(nil)
	_ caddy.Validator       = (*Patch)(nil)
	_ caddyfile.Unmarshaler = (*Patch)(nil)
)
