package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/caddyfault/caddyfault/"

// arrow lists the packages of this module that a folder's package may import. With
// stdlibOnly, all other imports must be from the standard library.
type arrow struct {
	folder     string
	mayImport  []string
	stdlibOnly bool
}

// arrows lists the packages from top to bottom. A package imports only packages below
// it.
var arrows = []arrow{
	{folder: "cmd/build"},
	{folder: "cmd/caddy", mayImport: []string{"caddymodule"}},
	{folder: "caddymodule/faulttest", mayImport: []string{
		"caddymodule", "caddymodule/api", "caddymodule/control", "caddymodule/internal/grammar",
		"caddymodule/clients", "caddymodule/experiments", "caddymodule/wire",
	}},
	{folder: "caddymodule", mayImport: []string{
		"caddymodule/internal/version", "caddymodule/api", "caddymodule/command", "caddymodule/console", "caddymodule/control", "caddymodule/inject", "caddymodule/kinds", "caddymodule/match", "caddymodule/wire",
	}},
	{folder: "caddymodule/command", mayImport: []string{
		"caddymodule/plan", "caddymodule/internal/version", "caddymodule/api", "caddymodule/trigger", "caddymodule/internal/grammar", "caddymodule/internal/words",
		"caddymodule/seen", "caddymodule/clients", "caddymodule/experiments", "caddymodule/presets", "caddymodule/rules", "caddymodule/faults", "caddymodule/importer",
		"caddymodule/internal/words",
	}},
	{folder: "caddymodule/plan", mayImport: []string{
		"caddymodule/seen", "caddymodule/clients", "caddymodule/internal/args", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/importer", mayImport: []string{"caddymodule/internal/words"}},
	{folder: "caddymodule/console", mayImport: []string{"caddymodule/api", "caddymodule/control", "caddymodule/routes", "caddymodule/internal/args"}},
	{folder: "caddymodule/api", mayImport: []string{
		"caddymodule/internal/version", "caddymodule/inject", "caddymodule/control", "caddymodule/trigger", "caddymodule/internal/grammar",
		"caddymodule/seen", "caddymodule/recent", "caddymodule/clients", "caddymodule/experiments", "caddymodule/presets", "caddymodule/rules", "caddymodule/routes", "caddymodule/faults", "caddymodule/wire", "caddymodule/status",
		"caddymodule/internal/jsonpatch", "caddymodule/internal/schema", "caddymodule/internal/strictjson", "caddymodule/internal/text", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/inject", mayImport: []string{
		"caddymodule/control", "caddymodule/trigger", "caddymodule/internal/grammar", "caddymodule/internal/metrics",
		"caddymodule/seen", "caddymodule/recent", "caddymodule/clients", "caddymodule/experiments", "caddymodule/rules", "caddymodule/routes", "caddymodule/faults", "caddymodule/wire", "caddymodule/status",
		"caddymodule/internal/hint", "caddymodule/internal/private", "caddymodule/internal/strictjson", "caddymodule/internal/args", "caddymodule/internal/text", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/control", mayImport: []string{
		"caddymodule/trigger", "caddymodule/internal/grammar", "caddymodule/internal/metrics",
		"caddymodule/seen", "caddymodule/recent", "caddymodule/clients", "caddymodule/experiments", "caddymodule/presets", "caddymodule/rules", "caddymodule/routes", "caddymodule/faults",
		"caddymodule/internal/args", "caddymodule/internal/hint", "caddymodule/internal/strictjson", "caddymodule/internal/text", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/trigger", mayImport: []string{
		"caddymodule/internal/grammar", "caddymodule/presets", "caddymodule/rules", "caddymodule/faults", "caddymodule/internal/private", "caddymodule/internal/args", "caddymodule/internal/text", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/internal/grammar", mayImport: []string{
		"caddymodule/experiments", "caddymodule/presets", "caddymodule/rules", "caddymodule/faults", "caddymodule/status", "caddymodule/internal/args", "caddymodule/internal/hint", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/internal/metrics", mayImport: []string{"caddymodule/seen", "caddymodule/clients", "caddymodule/experiments", "caddymodule/rules"}},
	{folder: "caddymodule/experiments", mayImport: []string{"caddymodule/clients", "caddymodule/rules", "caddymodule/faults", "caddymodule/internal/strictjson"}},
	{folder: "caddymodule/rules", mayImport: []string{
		"caddymodule/faults", "caddymodule/internal/args", "caddymodule/internal/hint", "caddymodule/internal/private", "caddymodule/internal/strictjson", "caddymodule/internal/text", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/kinds", mayImport: []string{
		"caddymodule/faults", "caddymodule/wire", "caddymodule/status",
		"caddymodule/internal/args", "caddymodule/internal/hint", "caddymodule/internal/jsonmutate", "caddymodule/internal/jsonpatch", "caddymodule/internal/text", "caddymodule/internal/words",
	}},
	{folder: "caddymodule/presets", mayImport: []string{"caddymodule/internal/words"}, stdlibOnly: true},
	{folder: "caddymodule/match", mayImport: []string{"caddymodule/internal/jsonpatch", "caddymodule/internal/private", "caddymodule/internal/text"}},
	{folder: "caddymodule/clients", mayImport: []string{"caddymodule/internal/words"}, stdlibOnly: true},
	{folder: "caddymodule/seen", stdlibOnly: true},
	{folder: "caddymodule/recent", stdlibOnly: true},
	{folder: "caddymodule/routes"},
	{folder: "caddymodule/faults", mayImport: []string{"caddymodule/internal/args", "caddymodule/internal/words"}},
	{folder: "caddymodule/wire", mayImport: []string{"caddymodule/internal/hint"}},
	{folder: "caddymodule/status", stdlibOnly: true},
	{folder: "caddymodule/internal/strictjson", mayImport: []string{"caddymodule/internal/args", "caddymodule/internal/words"}},
	{folder: "caddymodule/internal/args", mayImport: []string{"caddymodule/internal/words"}},
	{folder: "caddymodule/internal/jsonmutate", mayImport: []string{"caddymodule/internal/jsonpatch"}, stdlibOnly: true},
	{folder: "caddymodule/internal/jsonpatch", stdlibOnly: true},
	{folder: "caddymodule/internal/private", mayImport: []string{"caddymodule/internal/text"}},
	{folder: "caddymodule/internal/text"},
	{folder: "caddymodule/internal/words", stdlibOnly: true},
	{folder: "caddymodule/internal/hint"},
	{folder: "caddymodule/internal/version", stdlibOnly: true},
	{folder: "caddymodule/internal/schema"},

	// used only by tests
	{folder: "caddymodule/internal/leak"},
	{folder: "caddymodule/internal/manual", stdlibOnly: true},
	{folder: "caddymodule/internal/testkit", mayImport: []string{
		"caddymodule/control", "caddymodule/experiments", "caddymodule/kinds", "caddymodule/internal/metrics",
	}},
	{folder: "caddymodule/internal/testnode", mayImport: []string{
		"caddymodule/api", "caddymodule/control", "caddymodule/experiments", "caddymodule/inject", "caddymodule/internal/testkit",
	}},
	{folder: "caddymodule/e2e"},
	{folder: "caddymodule/e2e/deploy"},
}

// onlyTests lists packages that only tests may import. Besides them, only plugBoard may
// import the kinds of fault.
var (
	onlyTests = []string{"caddymodule/internal/leak", "caddymodule/internal/manual", "caddymodule/internal/testkit", "caddymodule/internal/testnode"}
	plugBoard = "caddymodule"
	allKinds  = "caddymodule/kinds"
)

// TestImports checks the imports between the packages.
func TestImports(t *testing.T) {
	for folder, imports := range importsByFolder(t, "..") {
		i := slices.IndexFunc(arrows, func(a arrow) bool { return a.folder == folder })
		if i < 0 {
			t.Errorf("folder %s has Go files and is not in arrows", folder)
			continue
		}
		isTest := slices.Contains(onlyTests, folder)
		for _, path := range imports {
			own, isOwn := strings.CutPrefix(path, module)
			standard := !strings.Contains(strings.Split(path, "/")[0], ".")
			switch {
			case isOwn && !slices.Contains(arrows[i].mayImport, own):
				t.Errorf("%s must not import %s", folder, own)
			case isOwn && slices.Contains(onlyTests, own) && !isTest:
				t.Errorf("%s must not import %s, which is for tests", folder, own)
			case own == allKinds && folder != plugBoard && !isTest:
				t.Errorf("%s must not import the kinds of fault: only %s may", folder, plugBoard)
			case !isOwn && !standard && arrows[i].stdlibOnly:
				t.Errorf("%s imports %s, want the standard library only", folder, path)
			}
		}
	}
}

// TestArrowsRunDown checks the order of the table: a package imports only packages that
// are listed below it.
func TestArrowsRunDown(t *testing.T) {
	floor := make(map[string]int)
	for i, a := range arrows {
		floor[a.folder] = i
	}
	for _, a := range arrows {
		for _, own := range a.mayImport {
			at, ok := floor[own]
			if !ok {
				t.Errorf("%s may import %s, which is not a package", a.folder, own)
			}
			if at < floor[a.folder] && !slices.Contains(onlyTests, a.folder) {
				t.Errorf("%s is listed below %s and may import it", a.folder, own)
			}
		}
	}
}

// TestPackagesListed checks that the tables of packages in contributing.md have the
// packages of arrows, in the same order.
func TestPackagesListed(t *testing.T) {
	content, err := os.ReadFile("docs/contributing.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(content), "\n## The packages\n")
	if !found {
		t.Fatal("contributing.md has no section 'The packages'")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var listed, want []string
	for line := range strings.Lines(section) {
		if rest, isRow := strings.CutPrefix(line, "| `"); isRow {
			folder, _, _ := strings.Cut(rest, "`")
			listed = append(listed, folder)
		}
	}
	for _, a := range arrows {
		if folder, isCommand := strings.CutPrefix(a.folder, "cmd/"); !isCommand {
			want = append(want, strings.TrimPrefix(folder, "caddymodule/"))
		}
	}
	if !slices.Equal(listed, want) {
		t.Errorf("contributing.md lists\n%q\nwant\n%q", listed, want)
	}
}

// The maximum sizes of files and functions in lines, so that a reader can take them in
// at once. The comment of a function does not count.
const (
	maxFile, medianFile = 350, 140
	maxFunc, p90Func    = 60, 25
	minTested           = 1.15 // lines of tests for each line of code; the console is tested in JavaScript
)

// TestSizes keeps files and functions at a readable size.
func TestSizes(t *testing.T) {
	var files, funcs []int
	code, tests := 0, 0
	walkGo(t, "..", func(path, folder string) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Count(string(content), "\n")
		if strings.HasSuffix(path, "_test.go") || slices.Contains(onlyTests, folder) {
			tests += lines
			return
		}
		code += lines
		files = append(files, lines)
		if lines > maxFile {
			t.Errorf("%s has %d lines, want %d at most", path, lines, maxFile)
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, content, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				lines := fset.Position(fn.End()).Line - fset.Position(fn.Pos()).Line + 1
				funcs = append(funcs, lines)
				if lines > maxFunc {
					t.Errorf("%s: %s has %d lines, want %d at most", path, fn.Name.Name, lines, maxFunc)
				}
			}
		}
	})
	slices.Sort(files)
	slices.Sort(funcs)
	median, p90, tested := files[len(files)/2], funcs[len(funcs)*9/10], float64(tests)/float64(code)
	t.Logf("%d files, median %d, max %d; %d functions, median %d, p90 %d, max %d; %.2f lines of tests for each of code",
		len(files), median, files[len(files)-1], len(funcs), funcs[len(funcs)/2], p90, funcs[len(funcs)-1], tested)
	if median > medianFile {
		t.Errorf("the median file has %d lines, want %d at most", median, medianFile)
	}
	if p90 > p90Func {
		t.Errorf("one function in ten has more than %d lines, want %d", p90, p90Func)
	}
	if tested < minTested {
		t.Errorf("%.2f lines of tests for each line of code, want %v or more", tested, minTested)
	}
}

// The root package consists of its documentation and the list of the packages that it
// imports.
func TestPlugBoard(t *testing.T) {
	var found []string
	walkGo(t, "..", func(path, folder string) {
		if folder == plugBoard && !strings.HasSuffix(path, "_test.go") {
			found = append(found, filepath.Base(path))
		}
	})
	if want := []string{"doc.go", "modules.go"}; !slices.Equal(found, want) {
		t.Errorf("the root package has %q, want %q", found, want)
	}
}

// importsByFolder returns the imports of the Go files below root, without tests.
func importsByFolder(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := make(map[string][]string)
	walkGo(t, root, func(path, folder string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		found[folder] = append(found[folder], "")[:len(found[folder])]
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			found[folder] = append(found[folder], imported)
		}
	})
	return found
}

// walkGo calls visit with each Go file of this module below root, and with its folder as
// named in arrows.
func walkGo(t *testing.T, root string, visit func(path, folder string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || isModule(path)) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err == nil {
			visit(path, filepath.ToSlash(folder))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isModule reports whether a folder has a separate module.
func isModule(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, "go.mod"))
	return err == nil
}
