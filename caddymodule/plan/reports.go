package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// unwritable returns a problem for each report that cannot be written.
func (r *Runner) unwritable() (problems []ProblemError) {
	for i, report := range r.Plan.Reports {
		name := filepath.Base(report.File)
		err := writable(report.File)
		switch found, ok := errors.AsType[*fs.PathError](err); {
		case ok:
			err = found.Err // it has the path of a probe
		case err == nil && sameFile(report.File, report.at.file):
			err, name = errPlan, r.Plan.Name+reportEndings[report.Form]
		case err == nil && slices.ContainsFunc(r.Plan.Reports[:i], func(other *Report) bool { return sameFile(report.File, other.File) }):
			err, name = errTwice, r.Plan.Name+"-2"+reportEndings[report.Form]
		}
		if err == nil {
			continue
		}
		text := "the report '" + cut(report.File) + "' cannot be written: " + err.Error()
		problems = append(problems, ProblemError{report.at.file, report.at.line, text, "report " + report.Form + " " + joined([]string{name})})
	}
	return problems
}

var (
	errPlan  = errors.New("the file is the plan")
	errTwice = errors.New("another report has the file")
)

// reportEndings are the usual endings of the files of reports, by their form.
var reportEndings = map[string]string{"junit": ".xml", "json": ".json", "markdown": ".md", "html": ".html"}

// sameFile reports whether two paths are those of one file, which may not exist yet. A
// device, such as /dev/stderr, may have several reports.
func sameFile(a, b string) bool {
	is, err := os.Stat(a)
	if err != nil {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	other, err := os.Stat(b)
	return err == nil && is.Mode().IsRegular() && os.SameFile(is, other)
}

// writable reports why a file cannot be written. It leaves no new file.
func writable(file string) error {
	existing, err := os.OpenFile(file, os.O_WRONLY, 0) //nolint:gosec // the user names the file
	if err == nil {
		return existing.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	probe, err := os.CreateTemp(filepath.Dir(file), ".caddyfault-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}
