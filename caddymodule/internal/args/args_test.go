package args

import (
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// A word parses to the text that it was formatted from.
func TestQuote(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"gone", "gone"},
		{"", "``"},
		{"it is gone", "`it is gone`"},
		{"a;b", "`a;b`"},
		{"#x", "`#x`"},
		{"<<EOT", "`<<EOT`"},
		{"{", "`{`"},
		{"{}", "`{}`"},
		{"{http.request.uri}", "{http.request.uri}"},
		{"{a b}", "`{a b}`"},
		{`C:\dir\`, "`C:\\dir\\`"},
		{`"`, "`\"`"},
		{"`", "\"`\""},
		{"` \"", "\"` \\\"\""},
		{"` \\ ", "\"` \\ \""},
		{"` \\\\", "\"` \\\\\""},
		{"` \\\\\"", "\"` \\\\\\\"\""},
	} {
		word, ok := Quote(tt.text)
		if !ok || word != tt.want {
			t.Errorf("%q: got %s, %t, want %s", tt.text, word, ok, tt.want)
		}
		tokens, err := caddyfile.Tokenize([]byte("x "+word), "line")
		if err != nil || len(tokens) != 2 || tokens[1].Text != tt.text {
			t.Errorf("%q was written as %s, which reads as %v, error %v", tt.text, word, tokens, err)
		}
	}
	for _, text := range []string{"a\nb", "a\rb", "a b\x00", "` \\", "` \\\\\\", "` \\\"", "\"` x\\\\\\\" x", "a\u00a0b"} {
		if word, ok := Quote(text); ok {
			t.Errorf("%q was written as %s", text, word)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 200 * time.Millisecond: "200ms", time.Minute: "1m", time.Hour: "1h", 90 * time.Second: "1m30s", 90 * time.Minute: "1h30m",
		24*time.Hour + 10*time.Second: "24h0m10s", 10 * time.Second: "10s", 1500: "1.5µs",
	} {
		if got := FormatDuration(caddy.Duration(d)); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// An option may occur twice only if it is repeatable.
func TestOptions(t *testing.T) {
	for block, want := range map[string]string{
		"a\nb":    "a b",
		"a\nb\na": "a b a",
		"a\nc\nc": "a c c",
		"b\nb":    "b: b already specified",
	} {
		d := caddyfile.NewTestDispenser("x {\n" + block + "\n}")
		d.Next()
		got := ""
		err := Options(d, "a c", func(name string) error {
			got = strings.TrimSpace(got + " " + name)
			return nil
		})
		if err != nil {
			got += ": " + strings.SplitN(err.Error(), ", at", 2)[0]
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", block, got, want)
		}
	}
}
