package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// unwritable returns a problem for each report that cannot be written.
func (r *Runner) unwritable() (problems []ProblemError) {
	for _, report := range r.Plan.Reports {
		err := writable(report.File)
		if err == nil {
			continue
		}
		if found, ok := errors.AsType[*fs.PathError](err); ok {
			err = found.Err // it has the path of a probe
		}
		text := "the report '" + cut(report.File) + "' cannot be written: " + err.Error()
		problems = append(problems, ProblemError{report.at.file, report.at.line, text, "report " + report.Form + " " + joined([]string{filepath.Base(report.File)})})
	}
	return problems
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
