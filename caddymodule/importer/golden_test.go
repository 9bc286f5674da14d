package importer

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	_ "github.com/caddyfault/caddyfault/caddymodule/internal/testnode" // the directive
	_ "github.com/caddyfault/caddyfault/caddymodule/match"             // json_body
)

// sources returns the files of testdata by format.
func sources(t testing.TB) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	for _, ending := range []string{"json", "yaml"} {
		files, err := filepath.Glob("testdata/*/*." + ending)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			format := filepath.Base(filepath.Dir(file))
			found[format] = append(found[format], file)
		}
	}
	if len(found) == 0 {
		t.Fatal("no files")
	}
	return found
}

// importFileOf imports one file of testdata.
func importFileOf(t testing.TB, path string) (Result, error) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Dir(path)
	return Import([]File{{filepath.Base(path), content}}, Options{Open: func(_, name string) ([]byte, error) {
		return os.ReadFile(filepath.Join(folder, name))
	}})
}

// TestGolden compares the output for each file of testdata, and its notes, with files.
// The output must load.
func TestGolden(t *testing.T) {
	for format, files := range sources(t) {
		for _, path := range files {
			if strings.HasPrefix(filepath.Base(path), "_") {
				continue // read by another
			}
			t.Run(format+"/"+filepath.Base(path), func(t *testing.T) {
				result, err := importFileOf(t, path)
				text := result.Caddyfile
				if err != nil {
					text = "error: " + err.Error() + "\n"
				}
				compare(t, path+".caddyfile", text)
				compare(t, path+".notes", notesOf(result))
				if err == nil {
					checkLoads(t, result.Caddyfile)
				}
			})
		}
	}
}

// notesOf returns the notes of a result, one a line.
func notesOf(r Result) string {
	var b strings.Builder
	for _, note := range r.Notes {
		b.WriteString(note.String() + "\n")
	}
	return b.String()
}

// compare compares a text with a file, or writes the file.
func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// asSite returns the text as a whole Caddyfile.
func asSite(text string) string {
	if isWhole(text) {
		return text
	}
	return "http://:8080 {\n" + text + "}\n"
}

// isWhole reports whether a text has sites.
func isWhole(text string) bool {
	return slices.ContainsFunc(strings.Split(text, "\n"), func(l string) bool { return strings.HasPrefix(l, "http://") })
}

// checkLoads checks that a text is formatted, and that Caddy loads it.
func checkLoads(t *testing.T, text string) {
	t.Helper()
	if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
		t.Errorf("not formatted as caddy fmt does:\n%s", formatted)
	}
	config, err := testkit.Adapt(t, asSite(text))
	if err == nil {
		err = testkit.ValidateConfig(t, config)
	}
	if err != nil {
		t.Errorf("%v in\n%s", err, text)
	}
}

// importCase is a source, and what becomes of it.
type importCase struct {
	name, file, source string
	want, notes        string // the output, or the error; the notes, one a line
}

// checkCases imports sources, and compares the output and the notes. The output must
// load.
func checkCases(t *testing.T, cases []importCase) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			result, err := Import([]File{{tt.file, []byte(strings.TrimPrefix(tt.source, "\n"))}}, Options{
				Open: func(_, name string) ([]byte, error) {
					return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
				},
			})
			got := "\n" + result.Caddyfile
			if err != nil {
				got = "error: " + err.Error()
			}
			if want := strings.TrimPrefix(tt.want, "\n"); strings.TrimPrefix(got, "\n") != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if notes, want := notesOf(result), strings.TrimPrefix(tt.notes, "\n"); notes != want {
				t.Errorf("got the notes\n%s\nwant\n%s", notes, want)
			}
			if err == nil {
				checkLoads(t, result.Caddyfile)
			}
		})
	}
}
