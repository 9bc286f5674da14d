package kinds

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// content is a body that a reply can have.
type content struct {
	contentType string
	body        text.Text
	prebuilt    []byte      // the body if it has no placeholder
	repeats     *retryAfter // nil: the body repeats no header field
}

func newContent(contentType string, body text.Text) content {
	c := content{contentType: contentType, body: body}
	if body.Static() {
		c.prebuilt = []byte(body.Raw)
	}
	return c
}

// bytes returns the body of a reply with this header.
func (c *content) bytes(header http.Header, repl *caddy.Replacer) []byte {
	switch {
	case c.repeats != nil:
		return c.repeats.body(header[retryAfterField])
	case c.body.Static():
		return c.prebuilt
	}
	return []byte(c.body.Fill(repl))
}

// fixed returns a text that is sent unchanged, even if it contains braces.
func fixed(raw string) text.Text { return text.Text{Raw: raw} }

// format is a format of the catalog's body.
type format struct {
	name, contentType string
	body              func(status.Code) string
}

// formats lists all formats. The first is the default.
var formats = []format{
	{"json", "application/json", status.Code.JSON},
	{"problem", "application/problem+json", status.Code.Problem},
	{"html", "text/html; charset=utf-8", status.Code.HTML},
	{"text", "text/plain; charset=utf-8", status.Code.Text},
}

const formatAuto = "auto"

// given is an option of a reply and its value.
type given struct {
	name, value string
	isSet       bool
}

// bodies lists the options that each are a whole body.
func (f *Respond) bodies() []given {
	body := given{name: "body", isSet: f.Body != nil}
	if body.isSet {
		body.value = *f.Body
	}
	return []given{
		body,
		{"body_file", f.BodyFile, f.BodyFile != ""},
		{"body_base64", f.BodyBase64, f.BodyBase64 != ""},
		{"body_size", strconv.FormatInt(f.BodySize, 10), f.BodySize != 0},
	}
}

// validateBody checks the fields that concern the body.
func (f *Respond) validateBody() error {
	if len(f.formats()) == 0 {
		return fmt.Errorf("bad format '%s': want json, text, html, problem or auto", f.Format)
	}
	own := slices.DeleteFunc(f.bodies(), func(g given) bool { return !g.isSet })
	switch {
	case len(own) > 1:
		return fmt.Errorf("respond has both %s and %s '%s'; remove one of them", own[0].name, own[1].name, own[1].value)
	case f.BodySize < 0:
		return fmt.Errorf("bad body_size '%d': must not be negative", f.BodySize)
	case f.Format != "" && f.ownBody():
		return fmt.Errorf("format '%s' only works with the catalog's body; remove format or the body", f.Format)
	case f.Format != "" && f.ContentType != "":
		return fmt.Errorf("respond has both format '%s' and content_type '%s'; remove content_type, because format sets the media type", f.Format, f.ContentType)
	case text.Placeholder.MatchString(f.BodyFile):
		return fmt.Errorf("bad body_file '%s': placeholders are not allowed, because the file is read when the configuration loads", f.BodyFile)
	}
	if _, err := base64.StdEncoding.DecodeString(f.BodyBase64); err != nil {
		return fmt.Errorf("bad body_base64 '%s': %w", f.BodyBase64, err)
	}
	if (status.Code{Code: f.StatusCode}).BodyAllowed() {
		return nil
	}
	for _, g := range append(own, given{"content_type", f.ContentType, true}, given{"format", f.Format, true}) {
		if g.value != "" {
			return fmt.Errorf("a reply with status '%d' has no body; remove %s '%s'", f.StatusCode, g.name, g.value)
		}
	}
	return nil
}

// validContentType checks a media type, which may have placeholders.
func validContentType(contentType string) error {
	switch {
	case !httpguts.ValidHeaderFieldValue(contentType):
		return fmt.Errorf("bad content_type %q: must not contain control characters", contentType)
	case contentType != "" && !strings.ContainsAny(contentType, "/{"):
		return fmt.Errorf("bad content_type '%s': a media type has a slash; write content_type application/%[1]s", contentType)
	}
	return nil
}

var errTypeInHeader = errors.New("header 'Content-Type' cannot be set here; use content_type, which also decides how placeholders are escaped")

// formats returns the formats that the catalog's body can have in this reply.
func (f *Respond) formats() []format {
	switch f.Format {
	case "":
		return formats[:1]
	case formatAuto:
		return formats
	}
	i := slices.IndexFunc(formats, func(form format) bool { return form.name == f.Format })
	if i < 0 {
		return nil
	}
	return formats[i : i+1]
}

// provisionContent prepares the body, or the bodies from which Accept selects one.
func (f *Respond) provisionContent() error {
	switch {
	case f.BodyFile != "":
		return f.readBodyFile()
	case f.BodyBase64 != "", f.BodySize > 0:
		body, _ := base64.StdEncoding.DecodeString(f.BodyBase64) // checked by Validate
		f.setBytes(body, "")
		return nil
	case f.Body != nil:
		f.content = []content{newContent(f.ownType(*f.Body), text.New(*f.Body, text.BodyEscaper(f.ContentType, *f.Body)))}
		return nil
	}
	for _, form := range f.formats() {
		body := form.body(f.code)
		if form.name == "json" && f.RetryAfter != "" {
			body = f.code.JSONRetryAfter(f.retrySeconds())
		}
		contentType := form.contentType
		if f.ContentType != "" {
			contentType = f.ContentType
		}
		if body == "" {
			contentType = ""
		}
		c := newContent(contentType, fixed(body))
		if form.name == "json" && f.code.RetryAfter() > 0 && f.RetryAfter == "" {
			c.repeats = newRetryAfter(f.code)
		}
		f.content = append(f.content, c)
	}
	return nil
}

// nameValue is a header field with a fixed value.
type nameValue struct{ name, value string }

// baseFields returns the fields of a reply that the configuration does not change.
func (f *Respond) baseFields() []nameValue {
	var base []nameValue
	if len(f.content) == 1 && f.content[0].contentType != "" {
		base = append(base, nameValue{"Content-Type", f.content[0].contentType})
	}
	if seconds := f.retrySeconds(); seconds >= 0 && !f.RetryAfterDate {
		base = append(base, nameValue{retryAfterField, strconv.FormatInt(seconds, 10)})
	}
	return base
}

// maxBodyFile limits the size of a body file, because Caddy keeps it in memory.
const maxBodyFile = 16 << 20

func (f *Respond) readBodyFile() error {
	info, err := os.Stat(f.BodyFile)
	if err != nil {
		return fmt.Errorf("reading body_file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxBodyFile {
		return fmt.Errorf("bad body_file '%s': must be a regular file of at most %d bytes, because it is kept in memory", f.BodyFile, maxBodyFile)
	}
	body, err := os.ReadFile(f.BodyFile)
	if err != nil {
		return fmt.Errorf("reading body_file: %w", err)
	}
	f.setBytes(body, mime.TypeByExtension(filepath.Ext(f.BodyFile)))
	return nil
}

// setBytes sets a body that is not a text, and its usual media type.
func (f *Respond) setBytes(body []byte, contentType string) {
	contentType = cmp.Or(f.ContentType, contentType, "application/octet-stream")
	f.content = []content{newContent(contentType, fixed(string(body)))}
}

// ownType returns the media type of a body from the configuration.
func (f *Respond) ownType(body string) string {
	if f.ContentType != "" {
		return f.ContentType
	}
	return guessType(body)
}

// guessType returns the media type of a body that comes without one.
func guessType(body string) string {
	switch {
	case body == "":
		return ""
	case text.LooksLikeJSON(body):
		return "application/json"
	default:
		return "text/plain; charset=utf-8"
	}
}

// negotiate selects an offer by the values of an Accept field (RFC 9110, section
// 12.5.1). The most specific range that covers a type determines its quality. For equal
// qualities, and if the request accepts no offer, the earlier offer is selected.
func negotiate(offers []content, accept []string) *content {
	best, bestQuality := &offers[0], 0.0
	ranges := strings.Split(strings.Join(accept, ","), ",")
	for i := range offers {
		if q := quality(offers[i].contentType, ranges); q > bestQuality {
			best, bestQuality = &offers[i], q
		}
	}
	return best
}

// quality returns the quality that a list of media ranges assigns to a type.
func quality(contentType string, ranges []string) float64 {
	offered, _, _ := strings.Cut(contentType, ";")
	family, _, _ := strings.Cut(offered, "/")
	result, specificity := 0.0, 0
	for _, r := range ranges {
		mediaRange, params, err := mime.ParseMediaType(r)
		if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
			continue
		}
		rank := slices.Index([]string{"", "*/*", family + "/*", offered}, mediaRange)
		if rank <= specificity {
			continue
		}
		q, err := strconv.ParseFloat(params["q"], 64)
		if err != nil {
			q = 1
		}
		result, specificity = q, rank
	}
	return result
}
