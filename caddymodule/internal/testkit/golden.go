package testkit

import (
	"bytes"
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
)

// A file with goldenExt has one Caddyfile, and after a line of ten dashes its result.
const (
	goldenExt       = ".caddyfiletest"
	goldenSeparator = "\n----------\n"
)

// Golden is a Caddyfile with its expected result: the JSON, or the error. It is a file,
// or a case in an archive of refusals.
type Golden struct {
	Name, Path      string
	Caddyfile, Want string
}

// Refused reports whether the Caddyfile must not adapt.
func (g Golden) Refused() bool { return !strings.HasPrefix(g.Want, "{") }

// Write stores got as the expected result.
func (g Golden) Write(t *testing.T, got string) {
	t.Helper()
	content := g.Caddyfile + goldenSeparator + got + "\n"
	if second := secondHalf(g.Path); second != "" {
		comment, cases := readRefusals(t, g.Path) // read again, because other cases may have been written
		i := slices.IndexFunc(cases, func(other Golden) bool { return other.Name == g.Name })
		cases[i].Want = got
		if strings.HasSuffix(g.Path, refusalsExt) && !cases[i].Refused() {
			t.Fatalf("the Caddyfile adapts: move it from %s to %s%s", g.Path, g.Name, goldenExt)
		}
		content = formatRefusals(comment, cases, second)
	}
	if err := os.WriteFile(g.Path, []byte(content), 0o644); err != nil { //nolint:gosec // a file of the repository, like the others
		t.Fatal(err)
	}
}

// Goldens returns the golden cases of a folder whose names match a pattern.
func Goldens(t testing.TB, folder, pattern string) []Golden {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all []Golden
	foundIn := make(map[string]string)
	for _, file := range files {
		for _, g := range goldensIn(t, file) {
			if other, found := foundIn[g.Name]; found {
				t.Fatalf("%s is in %s and in %s", g.Name, other, file)
			}
			foundIn[g.Name] = file
			matches, err := path.Match(pattern, g.Name)
			if err != nil {
				t.Fatal(err)
			}
			if matches {
				all = append(all, g)
			}
		}
	}
	return all
}

// goldensIn returns the cases of one file, which need not be a golden file.
func goldensIn(t testing.TB, file string) []Golden {
	t.Helper()
	if secondHalf(file) != "" {
		_, cases := readRefusals(t, file)
		return cases
	}
	name, isGolden := strings.CutSuffix(filepath.Base(file), goldenExt)
	if !isGolden {
		return nil
	}
	input, want, found := strings.Cut(readFile(t, file), goldenSeparator)
	if !found {
		t.Fatalf("%s has no line of ten dashes", file)
	}
	return []Golden{{Name: name, Path: file, Caddyfile: input, Want: strings.TrimSpace(want)}}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	content, err := os.ReadFile(path) //nolint:gosec // a file of the repository
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// Adapt converts a Caddyfile to JSON.
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

// ValidateConfig is like Validate, but returns the error.
func ValidateConfig(t *testing.T, config string) error {
	t.Helper()
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Admin = &caddy.AdminConfig{Disabled: true}
	return caddy.Validate(&cfg)
}

// Collect calls found for each fault in a configuration.
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
