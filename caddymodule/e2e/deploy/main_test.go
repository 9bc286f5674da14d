package deploy

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var (
	tools      = flag.Bool("tools", false, "run the tests that need root, kustomize and further modules")
	withPodman = flag.Bool("podman", false, "run the image with podman")
	binary     = flag.String("binary", "", "use this release binary for the image, instead of building one")
	update     = flag.Bool("update", false, "write the list of licenses")
)

// needTools skips a test that needs programs, unless the flag says that they exist.
func needTools(t *testing.T) {
	t.Helper()
	if !*tools {
		t.Skip("needs -tools")
	}
}

// root is the folder of the repository.
var root = sync.OnceValue(func() string {
	path, err := filepath.Abs("../../..")
	if err != nil {
		panic(err)
	}
	return path
})

// inDeploy returns the path of a file in docs/deploy.
func inDeploy(elem ...string) string {
	return filepath.Join(append([]string{root(), "caddymodule", "docs", "deploy"}, elem...)...)
}

// TestMain removes the binary that tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if builtAt != "" {
		_ = os.RemoveAll(filepath.Dir(builtAt))
	}
	os.Exit(code)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run returns the output of a program, which must succeed.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	out, err := try(t.Context(), dir, name, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// try returns the output of a program, and its error. The output of a failed program
// includes what it has written to its standard error.
func try(ctx context.Context, dir, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		out = append(out, failed.Stderr...)
	}
	return string(out), err
}

// moduleDir returns the folder of a module, which it downloads. The module is not in
// go.mod, because its source is only read.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	var got struct{ Dir string }
	if err := json.Unmarshal([]byte(run(t, t.TempDir(), "go", "mod", "download", "-json", module)), &got); err != nil {
		t.Fatal(err)
	}
	return got.Dir
}
