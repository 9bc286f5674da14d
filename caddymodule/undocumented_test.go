package caddymodule

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	quotedFile = regexp.MustCompile("`([a-z/_]+\\.go)`")
	quotedTest = regexp.MustCompile("`(Test\\w+)`")
)

// TestUndocumented checks the page of undocumented facts against the code. Each fact
// names the files that rely on it, existing tests, and what happens otherwise.
func TestUndocumented(t *testing.T) {
	content, err := os.ReadFile("docs/undocumented.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsByFolder(t)
	facts := strings.Split(string(content), "\n### ")[1:]
	if len(facts) == 0 {
		t.Fatal("the page has no facts")
	}
	for _, fact := range facts {
		fact, _, _ = strings.Cut(fact, "\n## ")
		title, _, _ := strings.Cut(fact, "\n")
		files := quotedFile.FindAllStringSubmatch(lineOf(fact, "Where"), -1)
		if len(files) == 0 || lineOf(fact, "Otherwise") == "" {
			t.Errorf("%s: want a line with files after '- Where: ', and one after '- Otherwise: '", title)
		}
		for _, file := range files {
			if _, err := os.Stat(file[1]); err != nil {
				t.Errorf("%s: %v", title, err)
			}
		}
		held := 0
		for group := range strings.SplitSeq(lineOf(fact, "Held by"), "; ") {
			_, folder, _ := strings.Cut(group, " in ")
			for _, name := range quotedTest.FindAllStringSubmatch(group, -1) {
				if held++; !tests[folder][name[1]] {
					t.Errorf("%s: no %s in '%s'", title, name[1], folder)
				}
			}
		}
		if held == 0 || held != len(quotedTest.FindAllString(fact, -1)) {
			t.Errorf("%s: want all tests, and one or more, in a line after '- Held by: '", title)
		}
	}
}

// lineOf returns the text after the name in a line of a fact.
func lineOf(fact, name string) string {
	for line := range strings.Lines(fact) {
		if text, is := strings.CutPrefix(line, "- "+name+": "); is {
			return strings.TrimSpace(text)
		}
	}
	return ""
}

// testsByFolder returns the names of all tests by folder, as the page names the folder:
// relative to this one, which is caddymodule.
func testsByFolder(t *testing.T) map[string]map[string]bool {
	t.Helper()
	found := make(map[string]map[string]bool)
	walkGo(t, ".", func(path, folder string) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		if folder == "." {
			folder = "caddymodule"
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil {
				if found[folder] == nil {
					found[folder] = make(map[string]bool)
				}
				found[folder][fn.Name.Name] = true
			}
		}
	})
	return found
}
