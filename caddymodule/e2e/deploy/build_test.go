package deploy

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// flags are the flags of go build in all recipes of docs/deploy.
var flags = []string{"-trimpath", "-buildvcs=false", "-tags=nobadger,nomysql,nopgx"}

const ldflags = "-s -w -buildid="

// build compiles the binary of a release from the source in a folder.
func build(t *testing.T, folder, binary string) {
	t.Helper()
	t.Setenv("CGO_ENABLED", "0")
	t.Setenv("GOFLAGS", strings.ReplaceAll(strings.Join(flags, " "), `"`, ""))
	run(t, folder, "go", "build", "-ldflags", ldflags, "-o", binary, "./cmd/caddy")
}

var (
	builtOnce sync.Once
	builtAt   string
)

// built returns the binary of this source, which is built once.
func built(t *testing.T) string {
	t.Helper()
	if *binary != "" {
		return *binary
	}
	builtOnce.Do(func() {
		dir, err := os.MkdirTemp("", "deploy") //nolint:usetesting // outlives the test
		if err != nil {
			t.Fatal(err)
		}
		builtAt = filepath.Join(dir, "caddy")
		build(t, root(), builtAt)
	})
	return builtAt
}

// TestReproducible builds twice, in two folders. A comment at the end of each file makes
// Go compile all packages of this module again, instead of using its cache. It does not
// compile Caddy again, which the workflow of the release does.
func TestReproducible(t *testing.T) {
	needTools(t)
	copied := filepath.Join(t.TempDir(), "another", "folder")
	for path := range strings.SplitSeq(strings.TrimSuffix(run(t, root(), "git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(root(), path))
		if os.IsNotExist(err) {
			continue // deleted, but not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".go") {
			content = append(content, "// the second build\n"...)
		}
		writeFile(t, filepath.Join(copied, path), string(content))
	}
	second := filepath.Join(t.TempDir(), "caddy")
	build(t, copied, second)
	if !bytes.Equal([]byte(readFile(t, built(t))), []byte(readFile(t, second))) {
		t.Error("two builds of the same source differ")
	}
}

// The recipes build with the same flags, so that what they build has the same bytes.
func TestSameFlags(t *testing.T) {
	recipes := []string{inDeploy("Containerfile"), filepath.Join(root(), ".goreleaser.yaml"), filepath.Join(root(), ".github", "workflows", "release.yml")}
	for _, recipe := range recipes {
		content := readFile(t, recipe)
		for _, flag := range append([]string{ldflags, "CGO_ENABLED"}, flags...) {
			if !strings.Contains(content, flag) {
				t.Errorf("%s has no %s", filepath.Base(recipe), flag)
			}
		}
	}
}

// Both recipes of the image end with the same stage, except for the binary.
func TestSameImage(t *testing.T) {
	stage := func(name string) string {
		_, after, _ := strings.Cut(readFile(t, inDeploy(name)), "FROM scratch\n")
		var lines []string
		for line := range strings.Lines(after) {
			if !strings.HasPrefix(line, "ARG ") && !strings.Contains(line, "/usr/bin/caddy\n") {
				lines = append(lines, line)
			}
		}
		return strings.Join(lines, "")
	}
	if a, b := stage("Containerfile"), stage("release.Containerfile"); a != b || a == "" {
		t.Errorf("Containerfile ends with\n%s\nrelease.Containerfile with\n%s", a, b)
	}
}

// The image for Redis has the modules that the tests of groups have.
func TestSameModules(t *testing.T) {
	without := func(path string) string {
		before, _, _ := strings.Cut(readFile(t, path), `"replacements"`)
		return before
	}
	if a, b := without(inDeploy("kubernetes", "gateway", "xcaddy.json")), without("../testdata/redis.json"); a != b {
		t.Errorf("got %s, want %s", a, b)
	}
}
