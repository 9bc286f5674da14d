package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

func TestLoad(t *testing.T) {
	elsewhere := t.TempDir()
	path := file(t, `{
		"caddy_version": "v2.11.9",
		"plugins": [{"module_path": "example.com/a/plugin", "version": "v1.2.3"}],
		"replacements": [
			{"old": "example.com/a", "new": "."},
			{"old": "example.com/b", "new": "../b"},
			{"old": "example.com/c", "new": "example.com/fork@v1.0.0"},
			{"old": "example.com/d", "new": "`+filepath.ToSlash(elsewhere)+`"}
		],
		"embed_dir": [{"dir": "site", "name": "www"}]
	}`)
	builder, err := load(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := (xcaddy.Dependency{PackagePath: "example.com/a/plugin", Version: "v1.2.3"}); builder.CaddyVersion != "v2.11.9" || builder.Plugins[0] != want {
		t.Errorf("load read %q and %v, want v2.11.9 and %v", builder.CaddyVersion, builder.Plugins[0], want)
	}
	folder := filepath.Dir(path)
	wants := []string{folder, filepath.Join(filepath.Dir(folder), "b"), "example.com/fork@v1.0.0", filepath.ToSlash(elsewhere)}
	for i, want := range wants {
		if got := builder.Replacements[i].New.String(); got != want {
			t.Errorf("replacement of %s is %q, want %q", builder.Replacements[i].Old, got, want)
		}
	}
	if got, want := builder.EmbedDirs[0].Dir, filepath.Join(folder, "site"); got != want {
		t.Errorf("embedded folder is %q, want %q", got, want)
	}
}

func TestLoadRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown key", "{\n\"caddyversion\": \"v2\"}", `"caddyversion"`},
		{"unknown nested key", `{"plugins": [{"path": "x"}]}`, `"path"`},
		{"no plugin", `{"caddy_version": "v2.11.9"}`, `"plugins" is missing`},
		{"empty file", "", "line 1: the JSON ends too early"},
		{"cut off", "{\n\"plugins\": [\n", "line 2: the JSON ends too early"},
		{"syntax", "{\n\n\"plugins\": [,]\n}\n", "line 3: invalid character ','"},
		{"type", "{\n\"caddy_version\": 2\n}", `line 2: "caddy_version" cannot be a number`},
		{"trailing data", "{\"plugins\": [{\"module_path\": \"x\"}]}\n{}", "line 2: unexpected data after"},
		{"trailing rubbish", "{\"plugins\": [{\"module_path\": \"x\"}]}\n}", "unexpected data after"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := file(t, tt.text)
			_, err := load(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("load(%q): got error %v, want one with %q and the path", tt.text, err, tt.want)
			}
		})
	}
}

// TestRepositoryConfig checks the file that the README builds from against the
// repository.
func TestRepositoryConfig(t *testing.T) {
	builder, err := load(filepath.Join("..", "..", "xcaddy.json"))
	if err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile(filepath.Join(builder.Replacements[0].New.String(), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"module " + builder.Replacements[0].Old.String(), "github.com/caddyserver/caddy/v2 " + builder.CaddyVersion} {
		if !strings.Contains(string(gomod), want+"\n") {
			t.Errorf("go.mod has no line with %q, which xcaddy.json builds with", want)
		}
	}
}

func TestStayLocal(t *testing.T) {
	t.Setenv("GONOPROXY", "example.com/private")
	t.Setenv("GOVCS", "")
	err := stayLocal(t.Context(), []xcaddy.Replace{
		xcaddy.NewReplace("example.com/a", "/src/a"),
		xcaddy.NewReplace("example.com/b@v1.0.0", "/src/b"),
		xcaddy.NewReplace("example.com/c", "example.com/fork@v1.0.0"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := os.Getenv("GONOPROXY"), "example.com/b,example.com/a,example.com/private"; got != want {
		t.Errorf("GONOPROXY is %q, want %q", got, want)
	}
	if got, want := os.Getenv("GOVCS"), "example.com/b:off,example.com/a:off"; got != want {
		t.Errorf("GOVCS is %q, want %q", got, want)
	}
}
