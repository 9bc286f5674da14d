package text

import (
	"encoding/json"
	"html"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func TestTextFill(t *testing.T) {
	repl := caddy.NewEmptyReplacer()
	repl.Set("a", "A")
	repl.Set("n", 7)
	repl.Set("evil", "\"\\\r\n<b>&\x00é")
	tests := []struct {
		name   string
		raw    string
		escape Escaper
		want   string
		static bool
	}{
		{"plain", "hello", EscapeNone, "hello", true},
		{"empty", "", EscapeNone, "", true},
		{"one", "x{a}y", EscapeNone, "xAy", false},
		{"neighbours", "{a}{n}{a}", EscapeNone, "A7A", false},
		{"unknown stays", "{nobody.knows}", EscapeNone, "{nobody.knows}", false},
		{"JSON", `{"id": "{a}", "n": {n}}`, escapeJSON, `{"id": "A", "n": 7}`, false},
		{"JSON without placeholders", `{"id": {"x": 1}}`, escapeJSON, `{"id": {"x": 1}}`, true},
		{"JSON nested", `{"o":{"id":"{a}"}}`, escapeJSON, `{"o":{"id":"A"}}`, false},
		{"CSS", "p { margin: 0 } {a}", EscapeNone, "p { margin: 0 } A", false},
		{"braces", "{} {{a}} { a }", EscapeNone, "{} {A} { a }", false},
		{"escaped", `\{a}`, EscapeNone, "{a}", true},
		{"escaped and not", `\{a}{a}\{a}{a}\{n}`, EscapeNone, "{a}A{a}A{n}", false},
		{"escaped in JSON", `{"t": "\{a} {a}"}`, escapeJSON, `{"t": "{a} A"}`, false},
		{"nothing to escape", `\{ \{} \a \`, EscapeNone, `\{ \{} \a \`, true},
		{"two backslashes", `\\{a}`, EscapeNone, `\{a}`, true},
		{"open", "{a", EscapeNone, "{a", true},
		{"HTML", "{evil}", html.EscapeString, "&#34;\\\r\n&lt;b&gt;&amp;\x00é", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := New(tt.raw, tt.escape)
			if got := text.Fill(repl); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if text.Static() != tt.static {
				t.Errorf("static: got %v, want %v", text.Static(), tt.static)
			}
		})
	}
}

func TestBodyEscaper(t *testing.T) {
	tests := []struct{ contentType, body, want string }{
		{"application/json", "{a}", `\"\u003c`},
		{"application/problem+json; charset=utf-8", "x", `\"\u003c`},
		{"", `{"a": "{a}"}`, `\"\u003c`},
		{"", ` [ "{a}" ]`, `\"\u003c`},
		{"", "{a} is gone", `"<`},
		{"", `{"a": "\{a}"}`, `\"\u003c`},
		{"", `\{a} is gone`, `"<`},
		{"", "[{a}", `\"\u003c`},
		{"", "hello", `"<`},
		{"text/plain", `{"a": "{a}"}`, `"<`},
		{"text/html; charset=utf-8", "x", "&#34;&lt;"},
		{"TEXT/HTML", "x", "&#34;&lt;"},
	}
	for _, tt := range tests {
		if got := BodyEscaper(tt.contentType, tt.body)(`"<`); got != tt.want {
			t.Errorf("type %q, body %q: got %q, want %q", tt.contentType, tt.body, got, tt.want)
		}
	}
}

// Whatever a client sends, the value remains inside its JSON string.
func FuzzEscapeJSON(f *testing.F) {
	for _, seed := range []string{"", `"`, `\`, "\r\n", "\x00", "\xff", "\u2028", `","admin":true,"x":"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		var doc map[string]string
		if err := json.Unmarshal([]byte(`{"v": "`+escapeJSON(value)+`"}`), &doc); err != nil {
			t.Fatalf("%q breaks out: %v", value, err)
		}
		if len(doc) != 1 {
			t.Fatalf("%q makes %v", value, doc)
		}
	})
}
