package kinds

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/jsonpatch"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
)

// validateBody checks the fields that concern the body.
func (f *Patch) validateBody() error {
	var ways []string
	if f.JSON != nil {
		ways = append(ways, "json")
		if _, err := parseJSONChange(f.JSON); err != nil {
			return err
		}
	}
	if f.Replace != nil {
		ways = append(ways, "replace")
	}
	if f.Body != nil {
		ways = append(ways, "body")
	}
	if len(ways) > 1 {
		return fmt.Errorf("patch has both %s and %s; write a patch block for each", ways[0], ways[1])
	}
	for i := range f.Replace {
		if err := f.Replace[i].validate(); err != nil {
			return err
		}
	}
	return nil
}

// unfit returns why a reply with this head, which may have a body, passes unchanged. It
// returns "" if the reply can be changed.
func (f *Patch) unfit(code int, header http.Header) string {
	length, encoding := lengthOf(header), encodingOf(header)
	switch {
	case code == http.StatusPartialContent:
		return passPartial
	case f.edits() && length == 0:
		return passNoBody
	case f.editsJSON() && !text.IsJSON(header["Content-Type"]):
		return passNotJSON
	case f.edits() && findFormat("", header) != nil:
		return passStream
	case f.Body == nil && encoding != "" && encoding != "gzip":
		return passEncoded
	case f.needsWhole(encoding) && length > f.maxSize():
		return passTooLarge
	case !f.edits() && f.Body == nil && encoding == "" && length >= f.Pad && !f.changesHead():
		return passNoChange
	}
	return ""
}

// needsWhole reports whether the whole body is held before it is sent.
func (f *Patch) needsWhole(encoding string) bool { return f.edits() || f.Body == nil && encoding != "" }

// encodingOf returns how a body is compressed, or "" if it is not.
func encodingOf(header http.Header) string {
	encoding := strings.ToLower(strings.Join(header.Values("Content-Encoding"), ", "))
	if encoding == "identity" {
		return ""
	}
	return encoding
}

// newBody returns the changed body, or the reason why the body cannot be changed.
func (f *Patch) newBody(hit *faults.Hit, old []byte, encoding string) (body []byte, reason string) {
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
	case f.change != nil:
		body, reason = f.change.apply(hit, old)
	case f.Replace != nil:
		body, reason = f.replaced(old)
	default:
		return old, ""
	}
	if reason == "" && !f.changesHead() && int64(len(old)) >= f.Pad && bytes.Equal(body, old) {
		return nil, passNoChange
	}
	return body, reason
}

// gunzip unpacks at most limit+1 bytes.
func gunzip(packed []byte, limit int64) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(zr, limit+1))
}

// ownBody returns the configured body for a reply with this header, and sets the media
// type if the reply has none.
func (f *Patch) ownBody(header http.Header, r *http.Request) []byte {
	contentType := f.ContentType
	if contentType == "" {
		contentType = header.Get("Content-Type")
	}
	if contentType == "" {
		contentType = guessType(*f.Body)
		header.Set("Content-Type", contentType)
	}
	return []byte(f.body.With(text.BodyEscaper(contentType, *f.Body)).Fill(text.Replacer(r)))
}

// An editor changes a JSON text for a hit.
type editor interface {
	// apply returns the changed text, or the reason why it passes unchanged.
	apply(hit *faults.Hit, document []byte) (changed []byte, reason string)
}

// A jsonChange changes a JSON text, by a merge patch or by a JSON Patch.
type jsonChange struct {
	merge []byte
	patch jsonpatch.Patch
}

func parseJSONChange(raw json.RawMessage) (change jsonChange, err error) {
	var value any // json.Valid would accept numbers that are too large for the adapter
	if err := json.Unmarshal(raw, &value); err != nil {
		return change, fmt.Errorf("bad patch json '%s': %w", raw, err)
	}
	switch v := value.(type) {
	case map[string]any:
		return jsonChange{merge: raw}, nil
	case []any:
		if len(v) == 0 || slices.ContainsFunc(v, func(step any) bool { _, ok := step.(map[string]any); return !ok }) {
			break
		}
		if change.patch, err = jsonpatch.ParsePatch(raw); err != nil {
			return change, fmt.Errorf("bad patch json '%s': %w", raw, err)
		}
		return change, nil
	}
	return change, fmt.Errorf("bad patch json '%s': want an object or a list of operations; to send this as the whole body, use body", raw)
}

// apply returns the changed document, or the reason why it passes unchanged.
func (c jsonChange) apply(_ *faults.Hit, document []byte) (changed []byte, reason string) {
	if !json.Valid(document) {
		return nil, passNotJSON
	}
	if c.merge != nil {
		return jsonpatch.Merge(document, c.merge), ""
	}
	changed, err := c.patch.Apply(document)
	if err != nil {
		return nil, passNoMember
	}
	return changed, ""
}

// Replacement replaces a part of a text.
type Replacement struct {
	// A regular expression in the syntax of Go, such as `"price": *[0-9.]+`. Required.
	Pattern string `json:"pattern"`

	// The text to write instead. `$1` or `${1}` is the text of the first group, `$$` is
	// a dollar sign. Default: empty, which removes the text.
	With string `json:"with,omitempty"`

	re *regexp.Regexp
}

// groups matches what stands for a group in the text of a replacement.
var groups = regexp.MustCompile(`\$(\$|\w+|\{\w+\})`)

func (p *Replacement) validate() error {
	if p.Pattern == "" {
		return errors.New("replace '' has no pattern; write replace <pattern> <text>")
	}
	re, err := regexp.Compile(p.Pattern)
	if err != nil {
		return fmt.Errorf("bad replace '%s': %w", p.Pattern, err)
	}
	for _, found := range groups.FindAllStringSubmatch(p.With, -1) {
		name := strings.Trim(found[1], "{}")
		i, err := strconv.Atoi(name)
		if name == "$" || err == nil && i <= re.NumSubexp() || err != nil && slices.Contains(re.SubexpNames(), name) {
			continue
		}
		return fmt.Errorf("bad replace '%s' with '%s': the pattern has no group '%s'; write %s", p.Pattern, p.With, name, otherGroup(name))
	}
	return nil
}

// otherGroup returns what to write instead of an unknown group.
func otherGroup(name string) string {
	digits := name[:len(name)-len(strings.TrimLeft(name, "0123456789"))]
	if digits == "" || digits == name {
		return "$$" + name + " for a dollar sign"
	}
	return "${" + digits + "}" + name[len(digits):]
}

// prepare prepares a replacement for use. Validate refuses a bad pattern.
func (p *Replacement) prepare() { p.re, _ = regexp.Compile(p.Pattern) }

// maxReplaced limits how often a pattern is replaced in one body, because all places are
// held in memory.
const maxReplaced = 10_000

// replaced returns the text with all replacements, or the reason why it passes unchanged.
func (f *Patch) replaced(old []byte) (body []byte, reason string) {
	if !utf8.Valid(old) {
		return nil, passNotText
	}
	body = old
	for i := range f.Replace {
		var ok bool
		if body, ok = f.Replace[i].apply(body, f.maxSize()); !ok {
			return nil, passTooLarge
		}
	}
	return body, ""
}

// apply returns the text with all matches replaced. It returns false if the result is
// larger than limit, or if there are too many matches.
func (p *Replacement) apply(old []byte, limit int64) (body []byte, ok bool) {
	matches := p.re.FindAllSubmatchIndex(old, maxReplaced+1)
	switch {
	case len(matches) == 0:
		return old, true
	case len(matches) > maxReplaced:
		return nil, false
	}
	end := 0
	for _, m := range matches {
		body = p.re.Expand(append(body, old[end:m[0]]...), []byte(p.With), old, m)
		if end = m[1]; int64(len(body)) > limit {
			return nil, false
		}
	}
	body = append(body, old[end:]...)
	return body, int64(len(body)) <= limit
}
