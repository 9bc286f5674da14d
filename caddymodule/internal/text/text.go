// Package text is the configured texts of faults: split at load into literals and
// placeholders, and escaped for where they stand. It knows Caddy's replacer and
// the syntax of header fields, and no fault.
package text

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Placeholder is what counts as one in a configured text. It is narrower than
// what Caddy accepts, so that the braces of JSON and CSS stay what they are.
var Placeholder = regexp.MustCompile(`\{[A-Za-z0-9._/-]+\}`)

// Text is a configured text, split at load into literals and placeholders.
// Caddy's own replacer works on the finished text, where it cannot tell the
// braces of JSON from a placeholder and has nowhere to escape a value.
type Text struct {
	Raw    string // the whole text
	parts  []part // nil: no placeholder, raw is the result
	escape Escaper
}

// part is a literal or, with a key, a placeholder.
type part struct{ literal, key string }

// Escaper makes a placeholder's value safe for the text around it.
type Escaper func(string) string

// New splits a configured text. Its values are escaped by escape.
func New(raw string, escape Escaper) Text {
	t := Text{Raw: raw, escape: escape}
	end := 0
	for _, loc := range Placeholder.FindAllStringIndex(raw, -1) {
		t.parts = append(t.parts, part{literal: raw[end:loc[0]]}, part{key: raw[loc[0]+1 : loc[1]-1]})
		end = loc[1]
	}
	if t.parts != nil {
		t.parts = append(t.parts, part{literal: raw[end:]})
	}
	return t
}

// Static reports whether the text is the same for every request.
func (t Text) Static() bool { return t.parts == nil }

// Fill is the text for one request. A placeholder that nobody knows stays as
// it is written.
func (t Text) Fill(repl *caddy.Replacer) string {
	if t.parts == nil {
		return t.Raw
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.key == "" {
			b.WriteString(p.literal)
			continue
		}
		value, known := repl.Get(p.key)
		if !known {
			b.WriteString("{" + p.key + "}")
			continue
		}
		b.WriteString(t.escape(caddy.ToString(value)))
	}
	return b.String()
}

// Replacer is the one that came with the request, or an empty one.
func Replacer(r *http.Request) *caddy.Replacer {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		return repl
	}
	return caddy.NewEmptyReplacer()
}

// BodyEscaper is how values are escaped in a body of the given type. Without a
// type the text decides: what begins with a brace or a bracket is JSON.
func BodyEscaper(contentType, body string) Escaper {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	switch {
	case strings.HasSuffix(mediaType, "json"), mediaType == "" && LooksLikeJSON(body):
		return escapeJSON
	case strings.HasSuffix(mediaType, "html"), strings.HasSuffix(mediaType, "xml"):
		return html.EscapeString // whose entities XML knows, too
	default:
		return EscapeNone
	}
}

// LooksLikeJSON reports whether body begins like a JSON object or array; one
// without placeholders must be valid, too.
func LooksLikeJSON(body string) bool {
	trimmed := strings.TrimSpace(body)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") {
		return false
	}
	loc := Placeholder.FindStringIndex(trimmed)
	if loc == nil {
		return json.Valid([]byte(trimmed))
	}
	return loc[0] != 0 // else the brace is the placeholder's own
}

// EscapeNone returns s as it is.
func EscapeNone(s string) string { return s }

// escapeJSON makes s the inside of a JSON string.
func escapeJSON(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}
