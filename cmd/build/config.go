package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/caddyserver/xcaddy"
)

// load reads a build from the JSON file path. It refuses a key that xcaddy does not
// know, because a misspelled key would silently change the build.
func load(path string) (*xcaddy.Builder, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration; use -config to name another file: %w", err)
	}
	builder := new(xcaddy.Builder)
	if err := decode(data, builder); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(builder.Plugins) == 0 {
		return nil, fmt.Errorf("%s: \"plugins\" is missing or empty, so the binary would be plain Caddy; see the repository's xcaddy.json", path)
	}
	folder, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	// Relative paths in the file are relative to its folder. xcaddy would interpret
	// them relative to a temporary folder, and embedded folders relative to the current
	// one.
	for i, r := range builder.Replacements {
		if isFolder(string(r.New)) && !filepath.IsAbs(string(r.New)) {
			builder.Replacements[i].New = xcaddy.ReplacementPath(filepath.Join(folder, string(r.New)))
		}
	}
	for i, e := range builder.EmbedDirs {
		if !filepath.IsAbs(e.Dir) {
			builder.EmbedDirs[i].Dir = filepath.Join(folder, e.Dir)
		}
	}
	return builder, nil
}

// decode is like json.Unmarshal, but it refuses unknown keys and names the line of an
// error.
func decode(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err = decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("line %d: unexpected data after the JSON object", line(data, decoder.InputOffset()))
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("line %d: the JSON ends too early", line(data, int64(len(data))))
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: %w", line(data, syntax.Offset), err)
	}
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("line %d: %q cannot be a %s", line(data, mistyped.Offset), mistyped.Field, mistyped.Value)
	}
	// The remaining error is an unknown key, which encoding/json names.
	return fmt.Errorf("%s; the keys are those of xcaddy's Builder, such as caddy_version, plugins and replacements", strings.TrimPrefix(err.Error(), "json: "))
}

// line returns the number of the line with the byte before offset.
func line(data []byte, offset int64) int {
	return 1 + bytes.Count(bytes.TrimRight(data[:offset], "\r\n"), []byte("\n"))
}

// isFolder distinguishes a folder from a module path, by Go's rule for replacements.
func isFolder(path string) bool {
	first, _, _ := strings.Cut(filepath.ToSlash(path), "/")
	return first == "." || first == ".." || filepath.IsAbs(path)
}

// stayLocal keeps the go command from requesting modules from the network that folders
// replace. It tries every prefix of a package's path as a module. A proxy that answers
// anything except "not found" would fail the build.
func stayLocal(ctx context.Context, replacements []xcaddy.Replace) error {
	out, err := exec.CommandContext(ctx, "go", "env", "GONOPROXY", "GOVCS").Output()
	if err != nil {
		return fmt.Errorf("running go env: %w", err)
	}
	lines := strings.Split(string(out), "\n")
	direct, rules := lines[0], lines[1]
	for _, r := range replacements {
		if module, _, _ := strings.Cut(strings.ReplaceAll(string(r.Old), " ", "@"), "@"); isFolder(string(r.New)) {
			direct = strings.Trim(module+","+direct, ",")
			rules = strings.Trim(module+":off,"+rules, ",")
		}
	}
	return errors.Join(os.Setenv("GONOPROXY", direct), os.Setenv("GOVCS", rules))
}
