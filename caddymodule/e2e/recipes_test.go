package e2e

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

var recipeTools = flag.String("recipes", "shell", "the tools whose recipes TestRecipes runs, with commas")

// maxRecipe is the maximum time for one recipe.
const maxRecipe = 5 * time.Minute

// recipe is a page of the manual that tests a client with a tool.
type recipe struct {
	tool, page string
	check      string // the command that runs the tests
	client     string // the file with the client under test
	test       string // the file that says where the client sends its requests
	retry      string // what makes the client retry
	once       string // instead, for a client that does not retry
}

var recipes = []recipe{
	{"shell", "test-with-the-shell.md", "sh test.sh", "test.sh", "test.sh", "--retry 2", ""},
	{"pytest", "test-with-pytest.md", "pytest -q", "test_orders.py", "test_orders.py", "range(3)", "range(1)"},
	{"jest", "test-with-jest.md", "npx jest", "orders.test.js", "orders.test.js", "attempt < 3", "attempt < 1"},
	{"playwright", "browser-tests.md", "npx playwright test", "index.html", "orders.spec.js", "attempt < 3", "attempt < 1"},
	{"k6", "test-with-k6.md", "k6 run --quiet orders.js", "orders.js", "orders.js", "attempt < 3", "attempt < 1"},
}

// TestRecipes follows the pages of the manual for test tools, as TestTutorials follows
// the tutorials. It runs the tools in -recipes. The environment has what they need:
//
//   - CADDY is a binary with the fault modules. Without it, the test builds one.
//   - MODULES is a folder with the node_modules of jest and @playwright/test.
//   - CHROMIUM is the browser.
//
// The tests of each page pass, also if they run twice at the same time. They fail for a
// client that does not retry, and for one that calls the API without Caddy.
func TestRecipes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the recipes use a Unix shell")
	}
	for tool := range strings.SplitSeq(*recipeTools, ",") {
		if tool == "actionlint" { // for TestWorkflows
			continue
		}
		i := slices.IndexFunc(recipes, func(r recipe) bool { return r.tool == tool })
		if i < 0 {
			t.Fatalf("there is no recipe for %q", tool)
		}
		t.Run(tool, func(t *testing.T) { recipes[i].run(t) })
	}
}

func (r recipe) run(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), maxRecipe)
	defer cancel()
	f := newFollower(ctx, t, caddyBinary(t))
	f.env = append(f.env, "npm_config_update_notifier=false")
	prepare(t, f.dir)
	page := manual.Read(t, filepath.Join("../docs/howto", r.page))
	began := time.Now()
	for _, block := range page.Blocks() {
		f.take(t, page, block)
	}
	t.Logf("the page takes %.1f s", time.Since(began).Seconds())
	if t.Failed() {
		return
	}
	r.twice(t, f)
	r.fails(t, f, "a client without retry", r.client, r.retry, r.once)
	r.fails(t, f, "a client without Caddy", r.test, f.withPorts(t, ":8080"), f.withPorts(t, ":8081"))
}

// caddyBinary returns a program with the name caddy.
func caddyBinary(t *testing.T) string {
	t.Helper()
	ready := os.Getenv("CADDY")
	if ready == "" {
		return readyBinary(t)
	}
	path := filepath.Join(t.TempDir(), "caddy")
	if err := os.Symlink(ready, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// prepare writes what a project already has in which a reader uses a recipe.
func prepare(t *testing.T, dir string) {
	t.Helper()
	writeFile(t, filepath.Join(dir, "package.json"), []byte("{}\n"))
	writeFile(t, filepath.Join(dir, "playwright.config.js"), []byte(`
export default {
  fullyParallel: true,
  workers: 2,
  timeout: 60_000,
  use: { launchOptions: { executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] } },
  expect: { timeout: Number(process.env.EXPECT_TIMEOUT ?? 20_000) },
};
`))
	if modules := os.Getenv("MODULES"); modules != "" {
		if err := os.Symlink(filepath.Join(modules, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
			t.Fatal(err)
		}
	}
}

// twice runs the tests of a page twice at the same time.
func (r recipe) twice(t *testing.T, f *follower) {
	t.Helper()
	errs := make(chan error, 2)
	for range cap(errs) {
		go func() {
			errs <- f.shell(r.check).Run()
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Errorf("of two runs at the same time, one fails: %v", err)
		}
	}
}

// fails checks that the tests fail after a change of a file. It undoes the change.
func (r recipe) fails(t *testing.T, f *follower, what, name, old, by string) {
	t.Helper()
	path := filepath.Join(f.dir, name)
	content := readFile(t, path)
	changed := strings.ReplaceAll(string(content), old, by)
	if changed == string(content) {
		t.Fatalf("%s does not contain %q", name, old)
	}
	writeFile(t, path, []byte(changed))
	cmd := f.shell(r.check)
	cmd.Env = append(cmd.Env, "EXPECT_TIMEOUT=3000") // Playwright waits for what does not come
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() <= 0 {
		t.Errorf("%s: %v, want a failure:\n%s", what, err, out)
	}
	t.Logf("%s: %v", what, err)
	writeFile(t, path, content)
}
