package caddymodule

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// manualRoot is the front page of the manual, manualIndex the page that leads to
// the others.
const (
	manualRoot  = "../README.md"
	manualIndex = "docs/README.md"
)

// languages are the words that a block of code can begin with. The first ones
// are checked, those after text are shown in color.
var languages = []string{
	"caddyfile", "json", "console", "sh", "text",
	"diff", "dockerfile", "go", "html", "http", "javascript", "mermaid", "promql", "python", "toml", "typescript", "yaml",
}

// TestManualBlocks loads or parses each block of code in the manual.
func TestManualBlocks(t *testing.T) {
	for name, value := range map[string]string{"FAULT_KEY": "0123456789abcdef", "UPSTREAM": "localhost:3000"} {
		t.Setenv(name, value) // the variables that the manual asks readers to set
	}
	pages := manualPages(t)
	t.Chdir(t.TempDir()) // where a block may write a log
	for _, page := range pages {
		for _, block := range page.Blocks() {
			at := fmt.Sprintf("%s:%d", page.Path, block.Line)
			if block.Open {
				t.Errorf("%s: the block has no closing fence", at)
			}
			switch block.Language {
			case "caddyfile":
				checkCaddyfile(t, at, block.Text)
			case "json":
				checkJSON(t, at, block.Text)
			case "console":
				if !strings.HasPrefix(block.Text, "$ ") {
					t.Errorf("%s: the first line of a console block is a command after '$ '", at)
				}
			case "sh":
				if strings.HasPrefix(block.Text, "$ ") || strings.Contains(block.Text, "\n$ ") {
					t.Errorf("%s: an sh block has commands without '$ '; with output it is a console block", at)
				}
			default:
				if !slices.Contains(languages, block.Language) {
					t.Errorf("%s: the language after the fence is '%s', want one of %s", at, block.Language, strings.Join(languages, ", "))
				}
			}
		}
	}
}

// checkCaddyfile loads a block as `caddy validate` does. Each block is complete
// without the others, formatted, and free of warnings from the adapter.
func checkCaddyfile(t *testing.T, at, text string) {
	t.Helper()
	t.Run(at, func(t *testing.T) {
		if formatted := string(caddyfile.Format([]byte(text))); formatted != text {
			t.Errorf("%s: not formatted as caddy fmt does:\n%s", at, formatted)
		}
		if insideOfSite(text) {
			text = ":8080 {\n" + text + "}\n"
		}
		config, err := testkit.Adapt(t, text)
		if err == nil {
			err = testkit.ValidateConfig(t, config)
		}
		if err != nil {
			t.Errorf("%s: %v", at, err)
		}
	})
}

// directive matches a word that no address of a site looks like.
var directive = regexp.MustCompile(`^[a-z][a-z_]*$`)

// insideOfSite reports whether a Caddyfile begins with a directive or a matcher.
// One that begins with an address, a snippet or the global options is a file.
func insideOfSite(text string) bool {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		return strings.HasPrefix(words[0], "@") || words[0] != "localhost" && directive.MatchString(words[0])
	}
	return false
}

func TestInsideOfSite(t *testing.T) {
	for text, want := range map[string]bool{
		"fault 503\n": true, "# a comment\n\n@m path /a\n": true, "reverse_proxy app:80 {\n}\n": true,
		"{\n}\n": false, "example.com {\n}\n": false, ":80 {\n}\n": false, "(snippet) {\n}\n": false, "localhost {\n}\n": false, "": false,
	} {
		if got := insideOfSite(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// TestManualLinks follows each relative link, and the anchors in other pages.
func TestManualLinks(t *testing.T) {
	pages := make(map[string]*manual.Page)
	for _, page := range manualPages(t) {
		pages[page.Path] = page
	}
	for _, page := range pages {
		for _, link := range page.Links() {
			if err := follow(pages, page, link); err != nil {
				t.Errorf("%s:%d: link to %s: %v", page.Path, link.Line, link.Target, err)
			}
			if link.Image && strings.TrimSpace(link.Alt) == "" {
				t.Errorf("%s:%d: %s has no text for those who cannot see it", page.Path, link.Line, link.Target)
			}
		}
	}
}

// follow looks for what a link leads to.
func follow(pages map[string]*manual.Page, from *manual.Page, link manual.Link) error {
	to, err := url.Parse(link.Target)
	switch {
	case err != nil:
		return err
	case link.Target == "":
		return errors.New("no target")
	case to.Scheme != "" || to.Host != "":
		return nil
	case strings.HasPrefix(to.Path, "/"):
		return errors.New("want a relative path")
	}
	path := linked(from.Path, to)
	if strings.HasPrefix(filepath.ToSlash(path), "../..") {
		return errors.New("outside of the repository")
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return errors.New("no such file")
	case link.Image && info.IsDir():
		return errors.New("an image is a folder")
	case to.Fragment == "":
		return nil
	}
	page, ok := pages[path]
	if !ok {
		return errors.New("only pages of the manual have anchors")
	}
	if !page.Anchors()[to.Fragment] {
		return errors.New("no heading with this anchor")
	}
	return nil
}

// linked returns the path of the file a relative link leads to, written as the
// pages are: README.md is outside of this folder and links into it.
func linked(from string, to *url.URL) string {
	if to.Path == "" {
		return from
	}
	path := filepath.Join(filepath.Dir(from), filepath.FromSlash(to.Path))
	return strings.TrimPrefix(path, filepath.Join("..", "caddymodule")+string(filepath.Separator))
}

// TestManualIndex holds that the index leads to every page within two clicks.
func TestManualIndex(t *testing.T) {
	pages := make(map[string]*manual.Page)
	for _, page := range manualPages(t) {
		pages[page.Path] = page
	}
	if pages[manualIndex] == nil {
		t.Fatal("no index")
	}
	clicks := map[string]int{manualIndex: 0}
	for queue := []string{manualIndex}; len(queue) > 0; queue = queue[1:] {
		for _, link := range pages[queue[0]].Links() {
			to, err := url.Parse(link.Target)
			if err != nil || to.Scheme != "" || to.Host != "" {
				continue
			}
			path := linked(queue[0], to)
			if _, seen := clicks[path]; !seen && pages[path] != nil {
				clicks[path] = clicks[queue[0]] + 1
				queue = append(queue, path)
			}
		}
	}
	for path := range pages {
		if n, found := clicks[path]; path != manualRoot && (!found || n > 2) {
			t.Errorf("%s is not within two clicks of %s", path, manualIndex)
		}
	}
}

// TestManualKinds checks that the front page leads to each kind of fault.
func TestManualKinds(t *testing.T) {
	var linked []string
	for _, link := range manual.Read(t, manualRoot).Links() {
		linked = append(linked, link.Target)
	}
	for _, info := range caddy.GetModules("http.faults") {
		if page := "caddymodule/docs/reference/kinds/" + info.ID.Name() + ".md"; !slices.Contains(linked, page) {
			t.Errorf("%s has no link to %s", manualRoot, page)
		}
	}
}

// manualPages reads README.md and the pages in docs, in order.
func manualPages(t *testing.T) []*manual.Page {
	t.Helper()
	pages := []*manual.Page{manual.Read(t, manualRoot)}
	err := filepath.WalkDir("docs", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".md") {
			pages = append(pages, manual.Read(t, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return pages
}
