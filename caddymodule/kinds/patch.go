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

// Patch changes the upstream's own reply: members of its JSON, header fields, the
// status, the length.
//
// What the client sees: over every protocol, a whole and valid reply that is slightly
// wrong. Its Content-Length is right.
//
// If the body changes, `ETag`, `Last-Modified` and digests are removed. A body in gzip
// is sent unpacked, and `encode` can pack it again. The reply has `Cache-Control:
// no-store`, unless `headers` sets that field. Over HTTP/1.1, the exact reason phrase
// of a status needs the listener wrapper `fault`.
//
// With `json`, the body is held in memory. With `pad`, only a body in gzip is. All
// other replies stay streams.
//
// A reply passes unchanged if its body is larger than `max_size`, not JSON, a part of a
// whole (206), or compressed in another way. Caddy counts it with the reason too_large,
// not_json, partial or encoded, and logs it at level DEBUG.
//
// Replies without a body (204, 304, HEAD) get the header and the status. WebSockets
// pass unchanged.
type Patch struct {
	// A JSON merge patch (RFC 7396) for a body of type `application/json` or a type
	// that ends in `+json`. The members of the patch replace those of the body. A
	// member that is null removes the member of the body. A patch that is not an object
	// replaces the whole body. What the patch does not name stays byte for byte. The
	// Caddyfile adapter sorts the members of the patch and keeps 15 digits of its
	// numbers. Default: none.
	JSON json.RawMessage `json:"json,omitempty"`

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
		return errors.New("patch changes nothing; write json, header, status or pad")
	case f.Pad < 0:
		return fmt.Errorf("bad patch pad '%d': must not be negative", f.Pad)
	case f.MaxSize < 0:
		return fmt.Errorf("bad patch max_size '%d': must not be negative", f.MaxSize)
	}
	if f.JSON != nil {
		var patch any // json.Valid would accept numbers that are too large for the adapter
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

// Reply requires a body for JSON alone, and a head for other changes.
func (f *Patch) Reply(next faults.Reply) (faults.Reply, error) {
	switch {
	case f.Headers == nil && f.StatusCode == 0 && f.Pad == 0:
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

func (f *Patch) changesBody() bool { return f.JSON != nil || f.Pad > 0 }

// changesText reports whether the body or its media type changes.
func (f *Patch) changesText() bool { return f.changesBody() || f.Headers.sets("Content-Type") }

// changesHead reports whether the head of each reply changes.
func (f *Patch) changesHead() bool { return f.Headers != nil || f.StatusCode != 0 }

// unfit returns why a reply with this head, which has a body, passes unchanged. It
// returns "" if the reply can be changed.
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

// needsWhole reports whether the whole body is held before it is sent.
func (f *Patch) needsWhole(encoding string) bool { return f.JSON != nil || encoding != "" }

// isJSON reports whether a Content-Type is JSON (RFC 8259, and RFC 6839, section 3.1
// for the suffix). A field with two types is not JSON.
func isJSON(contentType string) bool {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "application/json" || strings.HasSuffix(mediaType, "+json") && !strings.Contains(mediaType, ",")
}

// encodingOf returns how a body is compressed, or "" if it is not.
func encodingOf(header http.Header) string {
	encoding := strings.ToLower(strings.Join(header.Values("Content-Encoding"), ", "))
	if encoding == "identity" {
		return ""
	}
	return encoding
}

// newBody returns the changed body, or the reason why the body cannot be changed.
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

// gunzip unpacks at most limit+1 bytes.
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

// atLeastOneByte returns a parser for a size above 0. In JSON, 0 means the default.
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
