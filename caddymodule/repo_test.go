package caddymodule

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

const module = "github.com/caddyfault/caddyfault/"

// arrow says what a folder's package may import of this module; of the others
// it may import anything but with stdlibOnly.
type arrow struct {
	folder     string
	mayImport  []string
	stdlibOnly bool
}

// arrows is the plan of the house, from the plug board down. No arrow runs up.
var arrows = []arrow{
	{folder: "cmd/build"},
	{folder: "cmd/caddy", mayImport: []string{"caddymodule"}},
	{folder: "caddymodule", mayImport: []string{
		"caddymodule/api", "caddymodule/command", "caddymodule/console", "caddymodule/control", "caddymodule/inject", "caddymodule/kinds", "caddymodule/wire",
	}},
	{folder: "caddymodule/command", mayImport: []string{
		"caddymodule/api", "caddymodule/trigger", "caddymodule/internal/grammar",
		"caddymodule/experiments", "caddymodule/rules", "caddymodule/faults",
	}},
	{folder: "caddymodule/console", mayImport: []string{"caddymodule/api", "caddymodule/control", "caddymodule/internal/args"}},
	{folder: "caddymodule/api", mayImport: []string{
		"caddymodule/inject", "caddymodule/control", "caddymodule/trigger", "caddymodule/internal/grammar",
		"caddymodule/experiments", "caddymodule/rules", "caddymodule/faults", "caddymodule/wire", "caddymodule/status",
		"caddymodule/internal/mergepatch", "caddymodule/internal/strictjson", "caddymodule/internal/text",
	}},
	{folder: "caddymodule/inject", mayImport: []string{
		"caddymodule/control", "caddymodule/trigger", "caddymodule/internal/grammar", "caddymodule/internal/metrics",
		"caddymodule/experiments", "caddymodule/rules", "caddymodule/faults", "caddymodule/wire", "caddymodule/status",
		"caddymodule/internal/strictjson", "caddymodule/internal/text",
	}},
	{folder: "caddymodule/control", mayImport: []string{
		"caddymodule/trigger", "caddymodule/internal/grammar", "caddymodule/internal/metrics",
		"caddymodule/experiments", "caddymodule/rules", "caddymodule/faults",
		"caddymodule/internal/args", "caddymodule/internal/strictjson", "caddymodule/internal/text",
	}},
	{folder: "caddymodule/trigger", mayImport: []string{
		"caddymodule/internal/grammar", "caddymodule/rules", "caddymodule/faults", "caddymodule/internal/text",
	}},
	{folder: "caddymodule/internal/grammar", mayImport: []string{
		"caddymodule/experiments", "caddymodule/rules", "caddymodule/faults", "caddymodule/status", "caddymodule/internal/args",
	}},
	{folder: "caddymodule/internal/metrics", mayImport: []string{"caddymodule/experiments", "caddymodule/rules"}},
	{folder: "caddymodule/experiments", mayImport: []string{"caddymodule/rules", "caddymodule/faults", "caddymodule/internal/strictjson"}},
	{folder: "caddymodule/rules", mayImport: []string{"caddymodule/faults", "caddymodule/internal/text"}},
	{folder: "caddymodule/kinds", mayImport: []string{
		"caddymodule/faults", "caddymodule/wire", "caddymodule/status",
		"caddymodule/internal/args", "caddymodule/internal/mergepatch", "caddymodule/internal/text",
	}},
	{folder: "caddymodule/faults"},
	{folder: "caddymodule/wire"},
	{folder: "caddymodule/status", stdlibOnly: true},
	{folder: "caddymodule/internal/args"},
	{folder: "caddymodule/internal/mergepatch", stdlibOnly: true},
	{folder: "caddymodule/internal/strictjson"},
	{folder: "caddymodule/internal/text"},

	// of tests only
	{folder: "caddymodule/internal/leak"},
	{folder: "caddymodule/internal/testkit", mayImport: []string{
		"caddymodule/control", "caddymodule/experiments", "caddymodule/kinds", "caddymodule/internal/metrics",
	}},
	{folder: "caddymodule/internal/testnode", mayImport: []string{
		"caddymodule/api", "caddymodule/control", "caddymodule/experiments", "caddymodule/inject", "caddymodule/internal/testkit",
	}},
	{folder: "caddymodule/e2e"},
}

// TestImports holds the arrows between the packages.
func TestImports(t *testing.T) {
	for folder, imports := range importsByFolder(t, "..") {
		i := slices.IndexFunc(arrows, func(a arrow) bool { return a.folder == folder })
		if i < 0 {
			t.Errorf("folder %s has Go files and no place among the arrows", folder)
			continue
		}
		for _, path := range imports {
			own, isOwn := strings.CutPrefix(path, module)
			standard := !strings.Contains(strings.Split(path, "/")[0], ".")
			switch {
			case isOwn && !slices.Contains(arrows[i].mayImport, own):
				t.Errorf("%s must not import %s", folder, own)
			case !isOwn && !standard && arrows[i].stdlibOnly:
				t.Errorf("%s imports %s, want the standard library only", folder, path)
			}
		}
	}
}

// importsByFolder are what the Go files below root import, tests left out.
func importsByFolder(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		folder = filepath.ToSlash(folder)
		found[folder] = append(found[folder], "")[:len(found[folder])]
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			found[folder] = append(found[folder], imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestExample holds Caddyfile.example to what the README promises of it.
func TestExample(t *testing.T) {
	content, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if formatted := caddyfile.Format(content); string(formatted) != string(content) {
		t.Errorf("not formatted as caddy fmt does:\n%s", formatted)
	}
	config, err := testkit.Adapt(t, string(content))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Validate(t, config)
}

var fencedCaddyfile = regexp.MustCompile("(?s)```caddyfile\n(.*?)```")

// TestReadme adapts every Caddyfile in the README. One that begins with
// a directive is the inside of a site.
func TestReadme(t *testing.T) {
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := fencedCaddyfile.FindAllSubmatch(content, -1)
	if len(blocks) == 0 {
		t.Fatal("no Caddyfile in the README")
	}
	t.Setenv("FAULT_KEY", "0123456789abcdef")
	for _, block := range blocks {
		text := string(block[1])
		if strings.HasPrefix(text, "fault") || strings.HasPrefix(text, "@") || strings.HasPrefix(text, "log") {
			text = ":8080 {\n" + text + "}\n"
		}
		config, err := testkit.Adapt(t, text)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		testkit.Validate(t, config)
	}
}
