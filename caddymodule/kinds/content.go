package kinds

import (
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

	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/status"
)

// content is one body that a reply may have.
type content struct {
	contentType string
	body        text.Text
	prebuilt    []byte      // the body when it has no placeholder
	repeats     *retryAfter // nil: the body repeats no field of the header
}

func newContent(contentType string, body text.Text) content {
	c := content{contentType: contentType, body: body}
	if body.Static() {
		c.prebuilt = []byte(body.Raw)
	}
	return c
}

// bytes is the body for one request, of a reply with this header.
func (c *content) bytes(header http.Header, repl *caddy.Replacer) []byte {
	switch {
	case c.repeats != nil:
		return c.repeats.body(header[retryAfterField])
	case c.body.Static():
		return c.prebuilt
	}
	return []byte(c.body.Fill(repl))
}

// fixed is a text that is sent as it is, whatever braces it has.
func fixed(raw string) text.Text { return text.Text{Raw: raw} }

// format is a form of the catalogue's body.
type format struct {
	name, contentType string
	body              func(status.Code) string
}

// formats are all of them, the default first.
var formats = []format{
	{"json", "application/json", status.Code.JSON},
	{"problem", "application/problem+json", status.Code.Problem},
	{"html", "text/html; charset=utf-8", status.Code.HTML},
	{"text", "text/plain; charset=utf-8", status.Code.Text},
}

const formatAuto = "auto"

// validateBody checks what has to do with the body.
func (f *Respond) validateBody() error {
	if len(f.formats()) == 0 {
		return fmt.Errorf("bad format '%s': want json, text, html, problem or auto", f.Format)
	}
	body, hasBody := "", f.Body != nil
	if hasBody {
		body = *f.Body
	}
	switch {
	case hasBody && f.BodyFile != "":
		return fmt.Errorf("respond has both a body and body_file '%s'", f.BodyFile)
	case f.Format != "" && f.ownBody():
		return fmt.Errorf("format '%s' is for the catalogue's body, not for one of your own", f.Format)
	case f.Format != "" && f.ContentType != "":
		return fmt.Errorf("format '%s' decides the type, so content_type '%s' cannot stand beside it", f.Format, f.ContentType)
	case text.Placeholder.MatchString(f.BodyFile):
		return fmt.Errorf("bad body_file '%s': it is read when the configuration loads, so it takes no placeholder", f.BodyFile)
	}
	if (status.Code{Code: f.StatusCode}).BodyAllowed() {
		return nil
	}
	for _, given := range []struct{ name, value string }{
		{"body", body},
		{"body_file", f.BodyFile},
		{"content_type", f.ContentType},
		{"format", f.Format},
	} {
		if given.value != "" {
			return fmt.Errorf("a reply with status '%d' has no body, so %s '%s' cannot be sent", f.StatusCode, given.name, given.value)
		}
	}
	return nil
}

// formats are the forms the catalogue's body may take for this reply.
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

// provisionContent finds the body, or the bodies to choose from.
func (f *Respond) provisionContent() error {
	switch {
	case f.BodyFile != "":
		return f.readBodyFile()
	case f.Body != nil:
		f.content = []content{newContent(f.ownType(*f.Body), text.New(*f.Body, text.BodyEscaper(f.ContentType, *f.Body)))}
		return nil
	}
	for _, form := range f.formats() {
		body := form.body(f.code)
		contentType := form.contentType
		if f.ContentType != "" {
			contentType = f.ContentType
		}
		if body == "" {
			contentType = ""
		}
		c := newContent(contentType, fixed(body))
		if form.name == "json" && f.code.RetryAfter() > 0 {
			c.repeats = newRetryAfter(f.code)
		}
		f.content = append(f.content, c)
	}
	return nil
}

// nameValue is a header field of fixed value.
type nameValue struct{ name, value string }

// baseFields are those a reply has unless the configuration says otherwise.
func (f *Respond) baseFields() []nameValue {
	var base []nameValue
	if len(f.content) == 1 && f.content[0].contentType != "" {
		base = append(base, nameValue{"Content-Type", f.content[0].contentType})
	}
	if f.sendsDefaultRetryAfter() {
		base = append(base, nameValue{retryAfterField, strconv.Itoa(f.code.RetryAfter())})
	}
	return base
}

// maxBodyFile bounds what a configuration can make the server keep.
const maxBodyFile = 16 << 20

func (f *Respond) readBodyFile() error {
	info, err := os.Stat(f.BodyFile)
	if err != nil {
		return fmt.Errorf("reading body_file: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxBodyFile {
		return fmt.Errorf("bad body_file '%s': want a regular file of at most %d bytes, for it is kept in memory", f.BodyFile, maxBodyFile)
	}
	body, err := os.ReadFile(f.BodyFile)
	if err != nil {
		return fmt.Errorf("reading body_file: %w", err)
	}
	contentType := f.ContentType
	if contentType == "" {
		contentType = mime.TypeByExtension(filepath.Ext(f.BodyFile))
	}
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	f.content = []content{newContent(contentType, fixed(string(body)))}
	return nil
}

// ownType is the type of a body from the configuration.
func (f *Respond) ownType(body string) string {
	switch {
	case f.ContentType != "":
		return f.ContentType
	case body == "":
		return ""
	case text.LooksLikeJSON(body):
		return "application/json"
	default:
		return "text/plain; charset=utf-8"
	}
}

// negotiate chooses by the values of an Accept field, as RFC 9110 section
// 12.5.1 has it: the most specific range that covers a type gives its quality.
// Equal qualities go to the earlier one, and so does a request that accepts
// none of them.
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

// quality is what a list of media ranges gives to a type.
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
