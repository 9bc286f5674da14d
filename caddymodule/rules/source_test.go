package rules

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSourceOf(t *testing.T) {
	tests := []struct {
		file string
		line int
		want string
	}{
		{"Caddyfile", 12, "Caddyfile:12"},
		{"/etc/caddy/sites/shop.caddy", 3, "shop.caddy:3"},
		{"sites/läden.caddy", 3, "läden.caddy:3"},
		{"two words", 3, "two words:3"},
		{"", 12, "line 12"},
		{"new\nline", 12, "line 12"},
		{"esc\x1b[31m", 12, "line 12"},
		{"back\u202ewards", 12, "line 12"},
		{"broken\xff", 12, "line 12"},
		{"/a/" + strings.Repeat("a", 255), 1, "line 1"},
		{strings.Repeat("a", 250), 12345, strings.Repeat("a", 250) + ":12345"},
	}
	for _, tt := range tests {
		got := SourceOf(tt.file, tt.line)
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.file, got, tt.want)
		}
		if err := ValidSource(got); err != nil {
			t.Errorf("%q: %v", tt.file, err)
		}
	}
}

// JSON may contain any text as a source.
func TestSourceRefused(t *testing.T) {
	for source, want := range map[string]string{
		"":                       "",
		"Caddyfile:12":           "",
		"made by hand":           "",
		strings.Repeat("é", 128): "",
		strings.Repeat("a", 257): "point 'shop': bad source: it has 257 bytes, want up to 256",
		"a\nb":                   `point 'shop': bad source "a\nb": want printable characters`,
		"\x1b[31m":               `bad source "\x1b[31m"`,
		"\u202e":                 "bad source",
	} {
		config, err := json.Marshal(map[string]string{"point": "shop", "source": source})
		if err != nil {
			t.Fatal(err)
		}
		p, err := load(t, string(config), new(Group))
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want %q", source, err, want)
		}
		if err == nil && p.Source != source {
			t.Errorf("got source %q, want %q", p.Source, source)
		}
	}
}

// The source is not part of the identity of a point.
func TestSourceOfNamesakes(t *testing.T) {
	group := new(Group)
	for _, source := range []string{"Caddyfile:1", "Caddyfile:9"} {
		if _, err := load(t, `{"source": "`+source+`", "rules": [{`+closing+`}]}`, group); err != nil {
			t.Fatal(err)
		}
	}
	if got := group.Points(); len(got) != 2 || got[0].Identity() != got[1].Identity() {
		t.Errorf("got %d points, want the same point twice", len(got))
	}
}
