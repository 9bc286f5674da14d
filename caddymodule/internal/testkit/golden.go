package testkit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

const goldenSeparator = "\n----------\n"

// Golden is a Caddyfile and what becomes of it: the JSON, or a part of the error.
type Golden struct {
	Path            string
	Caddyfile, Want string
}

// Name is that of the file.
func (g Golden) Name() string { return strings.TrimSuffix(filepath.Base(g.Path), ".caddyfiletest") }

// Refused reports whether the Caddyfile is one that must not adapt.
func (g Golden) Refused() bool { return !strings.HasPrefix(g.Want, "{") }

// Write makes got what the file wants.
func (g Golden) Write(t *testing.T, got string) {
	t.Helper()
	content := g.Caddyfile + goldenSeparator + got + "\n"
	if err := os.WriteFile(g.Path, []byte(content), 0o644); err != nil { //nolint:gosec // a file of the repository, like the others
		t.Fatal(err)
	}
}

// Goldens reads the golden files of a folder whose names match a pattern.
func Goldens(t testing.TB, folder, pattern string) []Golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, pattern+".caddyfiletest"))
	if err != nil {
		t.Fatal(err)
	}
	all := make([]Golden, 0, len(paths))
	for _, path := range paths {
		content, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		if err != nil {
			t.Fatal(err)
		}
		input, want, found := strings.Cut(string(content), goldenSeparator)
		if !found {
			t.Fatalf("%s has no line of ten dashes", path)
		}
		all = append(all, Golden{Path: path, Caddyfile: input, Want: strings.TrimSpace(want)})
	}
	return all
}

// Adapt makes JSON of a Caddyfile.
func Adapt(t *testing.T, caddyfile string) (string, error) {
	t.Helper()
	config, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", err
	}
	for _, w := range warnings {
		if !strings.Contains(w.Message, "not formatted") {
			t.Errorf("warning: %s", w.Message)
		}
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return indented.String(), nil
}

// Validate loads the configuration as `caddy validate` does.
func Validate(t *testing.T, config string) {
	t.Helper()
	if err := ValidateConfig(t, config); err != nil {
		t.Errorf("validating: %v", err)
	}
}

// ValidateConfig is Validate with the error.
func ValidateConfig(t *testing.T, config string) error {
	t.Helper()
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Admin = &caddy.AdminConfig{Disabled: true}
	return caddy.Validate(&cfg)
}

// Collect finds the faults in a configuration.
func Collect(node any, found func(map[string]any)) {
	switch node := node.(type) {
	case map[string]any:
		if _, ok := node["fault"]; ok {
			found(node)
		}
		for _, child := range node {
			Collect(child, found)
		}
	case []any:
		for _, child := range node {
			Collect(child, found)
		}
	}
}
