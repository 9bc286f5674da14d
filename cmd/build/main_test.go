package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyserver/xcaddy"
)

func TestRunRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.json")
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"help", []string{"-h"}, 0, "xcaddy.json"},
		{"unknown flag", []string{"-with", "x"}, 2, "-with"},
		{"argument", []string{"v2.11.9"}, 2, `"v2.11.9"`},
		{"missing file", []string{"-config", missing}, 1, missing},
		{"bad file", []string{"-config", file(t, `{"plugin": []}`)}, 1, `"plugin"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), tt.args, &stdout, &stderr)
			if code != tt.code || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("run(%q) = %d with %q, want %d with %q", tt.args, code, stderr.String(), tt.code, tt.want)
			}
			if stdout.Len() > 0 {
				t.Errorf("run(%q) wrote to stdout: %q", tt.args, stdout.String())
			}
		})
	}
}

func TestReport(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the stand-in for the binary is a shell script")
	}
	binary := func(lines string) string {
		path := filepath.Join(t.TempDir(), "caddy")
		script := "#!/bin/sh\n[ \"$1\" = list-modules ] && printf '" + lines + "'\n"
		if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
		return path
	}

	path := binary(`http.handlers.error\nhttp.handlers.fault\n\n  Standard modules: 1\n`)
	var stdout bytes.Buffer
	if err := report(t.Context(), path, &stdout); err != nil {
		t.Fatal(err)
	}
	if want := path + "\n  http.handlers.fault\n"; stdout.String() != want {
		t.Errorf("report printed %q, want %q", stdout.String(), want)
	}

	stdout.Reset()
	err := report(t.Context(), binary(`http.handlers.error\n`), &stdout)
	if err == nil || !strings.Contains(err.Error(), "no fault module") || stdout.Len() > 0 {
		t.Errorf("plain Caddy: got error %v and output %q, want the error alone", err, stdout.String())
	}
	if err := report(t.Context(), filepath.Join(t.TempDir(), "none"), &stdout); err == nil {
		t.Error("a missing binary: got no error")
	}
}

func TestForeign(t *testing.T) {
	for _, tt := range []struct {
		platform xcaddy.Platform
		want     bool
	}{
		{xcaddy.Platform{}, false},
		{xcaddy.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}, false},
		{xcaddy.Platform{OS: "plan9"}, true},
		{xcaddy.Platform{Arch: "mips"}, true},
	} {
		if got := foreign(tt.platform); got != tt.want {
			t.Errorf("foreign(%+v) = %t, want %t", tt.platform, got, tt.want)
		}
	}
}

// file writes a configuration into a new folder and returns its path.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "xcaddy.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
