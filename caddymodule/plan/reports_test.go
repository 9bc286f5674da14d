package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A report that cannot be written is found before anything is begun, and looking for it
// changes nothing.
func TestUnwritableReports(t *testing.T) {
	dir := t.TempDir()
	full := filepath.Join(dir, "old.json")
	if err := os.WriteFile(full, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	lines := "stage a 1s {\n}\nreport json " + full + "\nreport html " + filepath.Join(dir, "new.html") +
		"\nreport junit " + filepath.Join(dir, "none", "x.xml") + "\nreport markdown " + dir + "\n"
	w, result := play(t, "run load 1m 0\n"+lines, 1, nil)
	if result.ExitCode != CodeError || len(w.ran) > 0 {
		t.Errorf("got %d, ran %q", result.ExitCode, w.ran)
	}
	for _, want := range []string{
		"test.plan:7: the report '" + filepath.Join(dir, "none", "x.xml") + "' cannot be written: no such file or directory; write:\n\treport junit x.xml",
		"test.plan:8: the report '" + dir + "' cannot be written: is a directory",
	} {
		if !strings.Contains(result.Why, want) {
			t.Errorf("got %s, want %s", result.Why, want)
		}
	}
	if strings.Count(result.Why, "cannot be written") != 2 {
		t.Errorf("got %s", result.Why)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("the folder has %q, %v", left, err)
	}
	if hidden, err := os.ReadDir(dir); err != nil || len(hidden) != 1 {
		t.Errorf("the folder has %q, %v", hidden, err)
	}
	if text, err := os.ReadFile(full); string(text) != "old" {
		t.Errorf("the old report has %q, %v", text, err)
	}
}
