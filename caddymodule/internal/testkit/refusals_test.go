package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Writing an error keeps the rest of an archive.
func TestWriteRefusal(t *testing.T) {
	const before = `Refusals of x.
-- not a member

-- x_bad_first --
one

two
-- x_bad_first.error --
old first

-- x_bad_new --
{
}
-- x_bad_last --
three
-- x_bad_last.error --
old
last
`
	after := strings.NewReplacer("old first", "new x_bad_first", "old\nlast", "new x_bad_last",
		"{\n}\n", "{\n}\n-- x_bad_new.error --\nnew x_bad_new\n\n").Replace(before)
	folder := t.TempDir()
	file := filepath.Join(folder, "x"+refusalsExt)
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	all := Goldens(t, folder, "x_bad_*")
	inputs := []string{"one\n\ntwo", "{\n}", "three"}
	if len(all) != len(inputs) {
		t.Fatalf("got %d cases, want %d", len(all), len(inputs))
	}
	for i, g := range all {
		if g.Caddyfile != inputs[i] || !g.Refused() {
			t.Errorf("%s: got the Caddyfile %q, want %q", g.Name, g.Caddyfile, inputs[i])
		}
		g.Write(t, "new "+g.Name)
	}
	if got := readFile(t, file); got != after {
		t.Errorf("got\n%s\nwant\n%s", got, after)
	}
	if got := Goldens(t, folder, "*_last"); len(got) != 1 || got[0].Want != "new x_bad_last" {
		t.Errorf("got %+v, want the last case", got)
	}
}

func TestParseRefusalsRefused(t *testing.T) {
	tests := []struct{ content, err string }{
		{"Only a comment.\n", "no case"},
		{"-- a --\nb\n-- a.error --\nc\n", "no comment"},
		{"X.\n-- a.error --\nc\n", "a.error does not follow a"},
		{"X.\n-- a --\nb\n-- b.error --\nc\n", "b.error does not follow b"},
		{"X.\n-- a --\nb\n-- a.error --\nc\n-- a.error --\nd\n", "a.error does not follow a"},
	}
	for _, tt := range tests {
		if _, _, err := parseRefusals(tt.content, ".error"); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got error %v, want %q", tt.content, err, tt.err)
		}
	}
}
