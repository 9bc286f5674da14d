package caddymodule

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

var update = flag.Bool("update", false, "write what the golden files should be")

const goldenSeparator = "\n----------\n"

// golden is a Caddyfile and what becomes of it: the JSON, or a part of the
// error.
type golden struct {
	path            string
	caddyfile, want string
}

func (g golden) name() string { return strings.TrimSuffix(filepath.Base(g.path), ".caddyfiletest") }

// refused reports whether the Caddyfile is one that must not adapt.
func (g golden) refused() bool { return !strings.HasPrefix(g.want, "{") }

func goldens(t testing.TB, pattern string) []golden {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "adapt", pattern+".caddyfiletest"))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		input, want, found := strings.Cut(string(content), goldenSeparator)
		if !found {
			t.Fatalf("%s has no line of ten dashes", path)
		}
		all = append(all, golden{path: path, caddyfile: input, want: strings.TrimSpace(want)})
	}
	return all
}

// adapt makes JSON of a Caddyfile.
func adapt(t *testing.T, caddyfile string) (string, error) {
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

func TestGolden(t *testing.T) {
	all := goldens(t, "*")
	if len(all) == 0 {
		t.Fatal("no golden files")
	}
	for _, g := range all {
		t.Run(g.name(), func(t *testing.T) {
			got, err := adapt(t, g.caddyfile)
			if err != nil {
				// a new kind must not change the files of the others
				got = strings.ReplaceAll(err.Error(), strings.Join(faults.Kinds(), ", "), "<kinds>")
			}
			if *update {
				writeGolden(t, g, got)
				return
			}
			switch {
			case err != nil && !g.refused():
				t.Fatalf("got error %q, want\n%s", got, g.want)
			case err == nil && g.refused():
				t.Fatalf("got\n%s\nwant error %q", got, g.want)
			case got != g.want:
				t.Fatalf("got\n%s\nwant\n%s", got, g.want)
			case err == nil:
				validate(t, got)
			}
		})
	}
}

func writeGolden(t *testing.T, g golden, got string) {
	t.Helper()
	content := g.caddyfile + goldenSeparator + got + "\n"
	if err := os.WriteFile(g.path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// validate loads the configuration as `caddy validate` does.
func validate(t *testing.T, config string) {
	t.Helper()
	if err := validateConfig(t, config); err != nil {
		t.Errorf("validating: %v", err)
	}
}

func validateConfig(t *testing.T, config string) error {
	t.Helper()
	var cfg caddy.Config
	if err := json.Unmarshal([]byte(config), &cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Admin = &caddy.AdminConfig{Disabled: true}
	return caddy.Validate(&cfg)
}
