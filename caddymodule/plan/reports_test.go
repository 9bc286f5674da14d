package plan

import (
	"os"
	"path/filepath"
	"slices"
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

// A report does not replace the plan or another report.
func TestReportsOfOneFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "old.json")
	for _, path := range []string{file, filepath.Join(dir, "a.plan")} {
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	devices := "report json " + os.DevNull + "\nreport html " + os.DevNull + "\n"
	lines := "stage a 1s {\n}\n" + devices + "report json " + file + "\nreport html " + filepath.Join(dir, "..", filepath.Base(dir), "old.json") +
		"\nreport junit " + filepath.Join(dir, "new") + "\nreport markdown " + dir + "//new\nreport markdown " + filepath.Join(dir, "a.plan") + "\n"
	p := mustParse(t, lines)
	for _, report := range p.Reports {
		report.at.file = filepath.Join(dir, "a.plan")
	}
	var got []string
	for _, problem := range (&Runner{Plan: p}).unwritable() {
		got = append(got, problem.Error())
	}
	want := []string{
		"old.json' cannot be written: another report has the file; write:\n\treport html test-2.html",
		"new' cannot be written: another report has the file; write:\n\treport markdown test-2.md",
		"a.plan' cannot be written: the file is the plan; write:\n\treport markdown test.md",
	}
	if !slices.EqualFunc(got, want, strings.HasSuffix) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
