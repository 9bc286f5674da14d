package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

// ownAction matches an action of this repository in a workflow of the manual.
var ownAction = regexp.MustCompile(`caddyfault/caddyfault/(\.github/\S+?)@[\w.]+`)

// TestWorkflows checks the workflows of this repository and of the manual, and the actions
// that they use, with actionlint. It runs if -recipes has actionlint.
func TestWorkflows(t *testing.T) {
	if !slices.Contains(strings.Split(*recipeTools, ","), "actionlint") {
		t.Skip("-recipes does not have actionlint")
	}
	project := t.TempDir()
	for _, name := range []string{".git", ".github/workflows"} {
		if err := os.MkdirAll(filepath.Join(project, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(project, ".github", "actions"), os.DirFS(actions)); err != nil {
		t.Fatal(err)
	}
	workflows := filepath.Join(filepath.Dir(actions), "workflows")
	if err := os.CopyFS(filepath.Join(project, ".github", "workflows"), os.DirFS(workflows)); err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob("../docs/*/*.md")
	if err != nil {
		t.Fatal(err)
	}
	uses := 0
	for _, path := range pages {
		for _, block := range manual.Read(t, path).Blocks() {
			if block.Language != "yaml" || !strings.HasPrefix(block.Text, "on:") {
				continue
			}
			uses += len(ownAction.FindAllString(block.Text, -1))
			name := fmt.Sprintf("%s-%d.yml", strings.TrimSuffix(filepath.Base(path), ".md"), block.Line)
			writeFile(t, filepath.Join(project, ".github", "workflows", name), []byte(ownAction.ReplaceAllString(block.Text, "./$1")))
		}
	}
	if uses < 2 {
		t.Errorf("the workflows of the manual use actions of this repository %d times", uses)
	}
	cmd := exec.CommandContext(t.Context(), "actionlint")
	cmd.Dir = project
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}
