// Package text handles the configured texts of faults. It splits them at load into
// literals and placeholders, and escapes the values for the surrounding text. It
// depends on Caddy's replacer and on the syntax of header fields. It has no notion of
// faults.
package text

import (
	"encoding/json"
	"html"
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Placeholder matches a placeholder in a configured text. It is narrower than the
// syntax that Caddy accepts, so that the braces of JSON and CSS remain unchanged.
var Placeholder = regexp.MustCompile(`\{[A-Za-z0-9._/-]+\}`)

// escapable matches a placeholder that may have a backslash before it.
var escapable = regexp.MustCompile(`\\?` + Placeholder.String())

// Text is a configured text, split at load into literals and placeholders. A backslash
// before a placeholder makes it literal: \{name} is the text {name}. Caddy's replacer
// works on the finished text. It cannot distinguish the braces of JSON from a
// placeholder, and cannot escape a value.
type Text struct {
	Raw    string // the result if there is no placeholder
	parts  []part // nil if there is no placeholder
	escape Escaper
}

// part is a literal or, if it has a key, a placeholder.
type part struct{ literal, key string }

// Escaper makes the value of a placeholder safe for the text around it.
type Escaper func(string) string

// New splits a configured text. Fill escapes the values with escape.
func New(raw string, escape Escaper) Text {
	t := Text{escape: escape}
	var literal strings.Builder
	end := 0
	for _, loc := range escapable.FindAllStringIndex(raw, -1) {
		literal.WriteString(raw[end:loc[0]])
		end = loc[1]
		if found := raw[loc[0]:end]; found[0] == '\\' {
			literal.WriteString(found[1:])
		} else {
			t.parts = append(t.parts, part{literal: literal.String()}, part{key: found[1 : len(found)-1]})
			literal.Reset()
		}
	}
	literal.WriteString(raw[end:])
	if t.parts == nil {
		t.Raw = literal.String()
	} else {
		t.parts = append(t.parts, part{literal: literal.String()})
	}
	return t
}

// With returns the text with another escaper.
func (t Text) With(escape Escaper) Text {
	t.escape = escape
	return t
}

// Static reports whether the text is the same for every request.
func (t Text) Static() bool { return t.parts == nil }

// Fill returns the text for one request. An unknown placeholder remains as written.
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

// Replacer returns the replacer of the request, or an empty one.
func Replacer(r *http.Request) *caddy.Replacer {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		return repl
	}
	return caddy.NewEmptyReplacer()
}

// BodyEscaper returns the escaper for a body of this type. Without a type, the text
// decides: a text that begins with a brace or a bracket is JSON.
func BodyEscaper(contentType, body string) Escaper {
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	mediaType = strings.TrimSpace(mediaType)
	switch {
	case strings.HasSuffix(mediaType, "json"), mediaType == "" && LooksLikeJSON(body):
		return escapeJSON
	case strings.HasSuffix(mediaType, "html"), strings.HasSuffix(mediaType, "xml"):
		return html.EscapeString // XML also has these entities
	default:
		return EscapeNone
	}
}

// LooksLikeJSON reports whether body begins like a JSON object or array. A body without
// placeholders must also be valid JSON.
func LooksLikeJSON(body string) bool {
	trimmed := strings.TrimSpace(body)
	if !strings.HasPrefix(trimmed, "{") && !strings.HasPrefix(trimmed, "[") {
		return false
	}
	t := New(trimmed, nil)
	if t.Static() {
		return json.Valid([]byte(t.Raw))
	}
	return t.parts[0].literal != "" // otherwise the brace belongs to the placeholder
}

// EscapeNone returns s unchanged.
func EscapeNone(s string) string { return s }

// escapeJSON returns s as the inside of a JSON string.
func escapeJSON(s string) string {
	quoted, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return ""
	}
	return string(quoted[1 : len(quoted)-1])
}
