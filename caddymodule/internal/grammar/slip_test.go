package grammar

import (
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func TestFractionHint(t *testing.T) {
	for line, want := range map[string]string{
		"percent 0.1; 551":             "percent 0.1 is 1 request in 1000; if a share of 0.1 is meant, write percent 10; if not, write percent 0.1%",
		"551; percent 0.5":             "percent 0.5 is 1 request in 200; if a share of 0.5 is meant, write percent 50; if not, write percent 0.5%",
		"percent 0.1%; 551":            "",
		"percent 1; 551":               "",
		"percent 0; 551":               "",
		"percent; 551":                 "",
		"percent nan; 551":             "",
		`respond 410 "percent 0.1"`:    "",
		`respond 410 "open`:            "",
		"match path /percent/0.1; 551": "",
	} {
		if got := FractionHint(line); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// A word that a matcher takes for a value is told from one that is meant as such.
func TestMatchLines(t *testing.T) {
	for block, want := range map[string]string{
		"match path /a header X 1":                    "'header' is a value of the matcher path here, at Caddyfile:1; write several matchers as lines of a block:\n\tmatch {\n\t\tpath /a\n\t\theader X 1\n\t}",
		"match {\n\thost a.example method POST\n}":    "'method' is a value of the matcher host here, at Caddyfile:2",
		"match {\n\tpath /a\n\tmethod GET path /b\n}": "'path' is a value of the matcher method here, at Caddyfile:3",
		"match not client_ip ::1 not path /b":         "'not' is a value of the matcher client_ip here, at Caddyfile:1",
		"match path /header":                          "",
		"match host header":                           "", // a host can have this name
		"match host a \"header\"":                     "",
		"match header X-Kind path":                    "",
		"match {\n\tpath /a\n\theader X 1\n}":         "",
		"match not {\n\tpath /a\n}":                   "",
		"match":                                       "",
		"match {\n}":                                  "",
	} {
		tokens, err := caddyfile.Tokenize([]byte(block), "Caddyfile")
		if err != nil {
			t.Fatal(err)
		}
		d := caddyfile.NewDispenser(tokens)
		d.Next()
		err = checkMatchLines(*d)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", block, err, want)
		}
	}
}

// The matchers that take as many words as there are: Caddy's own that do so are on
// the list, as far as they take the name of a matcher without an error.
func TestListMatchers(t *testing.T) {
	const at = "127.0.0.1"
	for _, tt := range []struct{ matcher, value string }{
		{"path", "/a"},
		{"host", "a.example"},
		{"method", "GET"},
		{"protocol", "https"},
		{"remote_ip", at},
		{"client_ip", at},
		{"header", "X 1"},
		{"header_regexp", "X 1"},
		{"query", "a=1"},
		{"path_regexp", "a"},
		{"vars_regexp", "a b"},
		{"tls", ""}, // an expression ends with its line, and Caddy compiles it
	} {
		_, err := ParseLine("close", tt.matcher+" "+tt.value+" method GET")
		if slices.Contains(listMatchers, tt.matcher) && (err == nil || !strings.Contains(err.Error(), "is a value of the matcher")) {
			t.Errorf("%s: got error %v, want one about the value", tt.matcher, err)
		}
		if err == nil {
			t.Errorf("%s takes another matcher for its values", tt.matcher)
		}
	}
}
