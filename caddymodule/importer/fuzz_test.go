package importer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Whatever a file contains, the import returns. What it returns is a Caddyfile, and each
// note has a line of the file.
func FuzzImport(f *testing.F) {
	for _, files := range sources(f) {
		for _, path := range files {
			content, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(filepath.Ext(path), content)
		}
	}
	for _, tt := range badFiles() {
		if len(tt.text) < 1<<16 {
			f.Add(filepath.Ext(tt.file), []byte(tt.text))
		}
	}
	f.Fuzz(func(t *testing.T, ending string, content []byte) {
		name := "fuzz.yaml"
		if ending == ".json" {
			name = "fuzz.json"
		}
		result, err := Import([]File{{name, content}}, Options{})
		lines := strings.Count(string(content), "\n") + 1
		for _, note := range result.Notes {
			if note.Line < 1 || note.Line > lines || strings.Contains(note.Text, "\n") || !utf8.ValidString(note.Text) {
				t.Fatalf("note %q of a file of %d lines", note.String(), lines)
			}
		}
		if err != nil {
			if result.Caddyfile != "" || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q with the output %q", err, result.Caddyfile)
			}
			return
		}
		checkFuzzed(t, result.Caddyfile)
	})
}

// checkFuzzed checks that an output is a formatted Caddyfile that adapts.
func checkFuzzed(t *testing.T, text string) {
	t.Helper()
	if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
		t.Fatalf("not formatted:\n%q\nwant\n%q", text, formatted)
	}
	if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(asSite(text)), nil); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}

// FuzzQuote writes any words: Caddy's lexer must read the same ones.
func FuzzQuote(f *testing.F) {
	for _, word := range []string{"", "a", "a b", "a\"b", "a`b", "a\"`b", "\\", "a\\\"`", "<<A", "#", "{a}", "{", "}", "a;", "a\nb", "x\n`\"\\", "import", "END`\"\\\""} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if !survives(word) || !utf8.ValidString(word) {
			t.Skip()
		}
		var p printer
		p.lines([]line{said("a", word, "b")}, "\t")
		tokens, err := caddyfile.Tokenize([]byte(p.text.String()), "f")
		if err != nil || len(tokens) != 3 || tokens[1].Text != word {
			t.Fatalf("%q is written as %q and read as %v, error %v", word, p.text.String(), tokens, err)
		}
	})
}
