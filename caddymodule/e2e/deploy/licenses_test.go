package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// allowed are the licenses that a module in the binary may have.
var allowed = []string{"Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-Views", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "OFL-1.1", "Unlicense"}

// licensesHead begins the list of licenses.
const licensesHead = `# Licenses

The binary contains these modules. A test writes this page, and refuses a module with
another license than those below. For the versions in a binary, run ` + "`caddy build-info`" + `.

| Module | License |
| --- | --- |
`

// TestLicenses compares the list of licenses with the modules in the binary, on all
// platforms of a release.
func TestLicenses(t *testing.T) {
	folders := make(map[string]string) // by module
	for _, platform := range []string{"linux", "darwin", "windows"} {
		t.Setenv("GOOS", platform)
		t.Setenv("CGO_ENABLED", "0")
		out := run(t, root(), "go", "list", "-deps", "-tags=nobadger,nomysql,nopgx", "-f", "{{with .Module}}{{.Path}} {{.Dir}}{{end}}", "./cmd/caddy")
		for line := range strings.Lines(out) {
			if path, folder, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
				folders[path] = folder
			}
		}
	}
	if len(folders) < 50 {
		t.Fatalf("%d modules, want more", len(folders))
	}
	var page strings.Builder
	page.WriteString(licensesHead)
	paths := make([]string, 0, len(folders))
	for path := range folders {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		found := licensesIn(t, folders[path])
		for _, license := range found {
			if !slices.Contains(allowed, license) {
				t.Errorf("%s has the license %s, which is not allowed", path, license)
			}
		}
		if len(found) == 0 {
			t.Errorf("%s has no license that is known", path)
		}
		fmt.Fprintf(&page, "| `%s` | %s |\n", path, strings.Join(found, ", "))
	}
	file := inDeploy("licenses.md")
	if *update {
		writeFile(t, file, page.String())
	}
	if readFile(t, file) != page.String() {
		t.Error("docs/deploy/licenses.md is stale: run go test ./caddymodule/e2e/deploy -run TestLicenses -update")
	}
}

// licensesIn returns the licenses in the folder of a module.
func licensesIn(t *testing.T, folder string) (ids []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := strings.ToUpper(entry.Name())
		if entry.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") && !strings.HasPrefix(name, "UNLICENSE") {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range licensecheck.Scan(content).Match {
			if !match.IsURL && !slices.Contains(ids, match.ID) {
				ids = append(ids, match.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids
}
