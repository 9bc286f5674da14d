package importer

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// reply is a reply that a rule sends.
type reply struct {
	at          value
	status      int
	reason      string
	contentType string
	body        body
	catalog     bool // the body of the catalog
	fields      []field
}

// field is a header field.
type field struct {
	name, value string
	add         bool // added to others of the name
	remove      bool
	raw         bool // the value has our placeholders
}

// body is the body of a reply: a text that may have placeholders, or bytes.
type body struct {
	parts []bodyPart // a text
	bytes []byte     // if parts is nil
}

// bodyPart is a literal, or a placeholder.
type bodyPart struct{ literal, placeholder string }

// literalBody returns a body without placeholders.
func literalBody(s string) body { return body{parts: []bodyPart{{literal: s}}} }

// statusOf checks a status.
func statusOf(v value, otherwise int) int {
	if !v.is() {
		return otherwise
	}
	n := v.whole()
	if n < 200 || n > 999 {
		v.cannot("the status is %s, want 200 to 999", v.shown())
	}
	return n
}

// line returns the reply as a fault.
func (r *reply) line() line {
	l := said("respond", strconv.Itoa(r.status))
	var block []line
	if r.reason != "" {
		block = append(block, said("reason", r.text(r.reason)))
	}
	bodyLine, contentType := r.bodyLine()
	if contentType != "" {
		block = append(block, said("content_type", contentType))
	}
	fields := r.fieldLines()
	if r.catalog {
		l.block = append(block, fields...)
		if len(l.block) == 0 {
			l.block = nil
		}
		return l
	}
	if len(block) == 0 && len(fields) == 0 && bodyLine.words[0] == "body" {
		l.words = append(l.words, bodyLine.words[1])
		return l
	}
	l.block = append(append(block, bodyLine), fields...)
	return l
}

// bodyLine returns the line of the body, and the media type that must be written.
func (r *reply) bodyLine() (l line, contentType string) {
	contentType = r.contentType
	if contentType != "" && (!strings.Contains(contentType, "/") || !survives(contentType) || strings.ContainsAny(contentType, "{\n")) {
		r.at.cannot("the media type %s cannot be sent", quoted(contentType))
		contentType = ""
	}
	if r.body.parts != nil {
		if text, ok := r.body.text(); ok && survives(text) && utf8.ValidString(text) {
			return said("body", text), contentType
		}
		if len(r.body.parts) > 1 {
			r.at.cannot("a Caddyfile cannot contain the body")
			return said("body", ""), contentType
		}
		r.body.bytes = []byte(r.body.parts[0].literal)
		if contentType == "" {
			contentType = "text/plain; charset=utf-8"
			if json.Valid(r.body.bytes) {
				contentType = "application/json"
			}
		}
	}
	return said("body_base64", base64.StdEncoding.EncodeToString(r.body.bytes)), contentType
}

// framing are the fields that frame a message. Caddy sets them.
var framing = map[string]bool{
	"Connection": true, "Content-Length": true, "Keep-Alive": true, "Proxy-Connection": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// fieldLines returns the lines of the header fields.
func (r *reply) fieldLines() []line {
	var all []line
	for _, f := range r.fields {
		name := canonical(f.name)
		switch {
		case framing[name]:
			r.at.note(Remark, "the field %s is not imported: Caddy sets it", name)
			continue
		case !fieldName.MatchString(f.name) || !survives(f.name) || strings.Contains(f.name, "{"):
			r.at.cannot("%s is not the name of a header field", quoted(f.name))
			continue
		case f.remove:
			all = append(all, said("header", "-"+name))
			continue
		case f.raw:
			all = append(all, said("header", name, f.value))
			continue
		case name == "Retry-After" && !f.add && seconds.MatchString(f.value):
			all = append(all, said("retry_after", f.value+"s"))
			continue
		}
		if f.add {
			name = "+" + name
		}
		all = append(all, said("header", name, r.text(f.value)))
	}
	return all
}

var seconds = regexp.MustCompile(`^[1-9][0-9]{0,6}$`)

// add adds a header field of a source. The media type has a separate line.
func (r *reply) add(name, value string) {
	if strings.EqualFold(name, "Content-Type") && r.contentType == "" {
		r.contentType = value
		return
	}
	for _, f := range r.fields {
		if strings.EqualFold(f.name, name) {
			r.fields = append(r.fields, field{name: name, value: value, add: true})
			return
		}
	}
	r.fields = append(r.fields, field{name: name, value: value})
}

// text returns a literal text as faults take it.
func (r *reply) text(s string) string {
	escaped := escapeBraces(s)
	if !survives(escaped) || strings.ContainsAny(s, "\n\x00") {
		r.at.cannot("a Caddyfile cannot contain the text %s", quoted(s))
	}
	return escaped
}

// text returns the body as faults take it, and whether they can.
func (b body) text() (string, bool) {
	var all, literal strings.Builder
	for _, part := range b.parts {
		literal.WriteString(part.literal)
		if part.placeholder == "" {
			continue
		}
		if strings.HasSuffix(literal.String(), `\`) {
			return "", false // it would make the placeholder literal
		}
		all.WriteString(escapeBraces(literal.String()) + "{" + part.placeholder + "}")
		literal.Reset()
	}
	all.WriteString(escapeBraces(literal.String()))
	return all.String(), true
}

// placeholderLike matches what faults take for a placeholder.
var placeholderLike = regexp.MustCompile(`\{[A-Za-z0-9._/-]+\}`)

// escapeBraces returns a text without placeholders: a backslash makes each literal.
func escapeBraces(s string) string {
	return placeholderLike.ReplaceAllStringFunc(s, func(found string) string { return `\` + found })
}

// jsonText returns a value as JSON. An absent one is null.
func jsonText(n *node) string {
	if n == nil {
		return "null"
	}
	var b strings.Builder
	writeJSON(&b, n)
	return b.String()
}

func writeJSON(b *strings.Builder, n *node) {
	switch n.kind {
	case null:
		b.WriteString("null")
	case boolean:
		b.WriteString(strings.ToLower(n.text))
	case number:
		if json.Valid([]byte(n.text)) {
			b.WriteString(n.text)
		} else {
			writeJSONText(b, n.text)
		}
	case text:
		writeJSONText(b, n.text)
	case list, object:
		brackets := "[]"
		if n.kind == object {
			brackets = "{}"
		}
		b.WriteByte(brackets[0])
		for i := range n.children {
			if i > 0 {
				b.WriteByte(',')
			}
			if n.kind == object {
				writeJSONText(b, n.children[i].name)
				b.WriteByte(':')
			}
			writeJSON(b, &n.children[i].node)
		}
		b.WriteByte(brackets[1])
	}
}

func writeJSONText(b *strings.Builder, s string) {
	var quoted strings.Builder
	e := json.NewEncoder(&quoted)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a text always encodes
	b.WriteString(strings.TrimSuffix(quoted.String(), "\n"))
}

// decodeBase64 returns the bytes of a text in base64.
func decodeBase64(v value) []byte {
	decoded, err := base64.StdEncoding.DecodeString(v.str())
	if err != nil {
		v.cannot("the text is not base64")
	}
	return decoded
}
