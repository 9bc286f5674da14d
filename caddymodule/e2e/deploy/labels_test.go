package deploy

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/caddyfault/caddyfault/caddymodule/internal/manual"
)

const dockerProxyVersion = "v2.10.0"

// labelsMain is a program that prints the Caddyfile of labels, by the code of
// caddy-docker-proxy. The function upstreams returns the address of a container.
const labelsMain = `package main

import (
	"encoding/json"
	"fmt"
	"os"

	"labels/caddyfile"
)

func main() {
	var labels map[string]string
	if err := json.NewDecoder(os.Stdin).Decode(&labels); err != nil {
		panic(err)
	}
	container, err := caddyfile.FromLabels(labels, nil, map[string]any{
		"upstreams": func(port int) string { return fmt.Sprintf("10.0.0.2:%d", port) },
	})
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(container.Marshal())
}
`

// TestDockerProxyLabels compares the labels of the manual with the Caddyfile that the
// manual promises, by the code that generates it.
func TestDockerProxyLabels(t *testing.T) {
	needTools(t)
	program := labelsProgram(t)
	var pairs int
	var labels map[string]string
	for _, block := range manual.Read(t, inDeploy("..", "howto", "caddy-docker-proxy.md")).Blocks() {
		switch block.Language {
		case "yaml":
			labels = labelsOf(t, block.Text)
		case "caddyfile":
			pairs++
			got := caddyfileOf(t, program, labels)
			if want := strings.TrimSpace(block.Text); got != want {
				t.Errorf("line %d: the labels mean\n%s\nwant\n%s", block.Line, got, want)
			}
		}
	}
	if pairs < 2 {
		t.Errorf("%d examples, want more", pairs)
	}
}

// standardModules is an import that is not needed to read labels.
const standardModules = `_ "github.com/caddyserver/caddy/v2/modules/standard"`

// labelsProgram builds the program. Of the package caddyfile it leaves out the file and
// the import that need all of Caddy.
func labelsProgram(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(filepath.Join(moduleDir(t, "github.com/lucaslorentz/caddy-docker-proxy/v2@"+dockerProxyVersion), "caddyfile", "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source: %v", err)
	}
	for _, file := range files {
		if base := filepath.Base(file); base != "processor.go" && !strings.HasSuffix(base, "_test.go") {
			content := strings.Replace(readFile(t, file), standardModules, "", 1)
			writeFile(t, filepath.Join(dir, "caddyfile", base), content)
		}
	}
	writeFile(t, filepath.Join(dir, "main.go"), labelsMain)
	writeFile(t, filepath.Join(dir, "go.mod"), "module labels\n\ngo 1.26\n")
	program := filepath.Join(dir, "labels")
	run(t, dir, "go", "build", "-o", program, ".")
	return program
}

// labelsOf returns the labels of the services in a compose file.
func labelsOf(t *testing.T, text string) map[string]string {
	t.Helper()
	var compose struct {
		Services map[string]struct{ Labels map[string]string }
	}
	if err := yaml.Unmarshal([]byte(text), &compose); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for _, service := range compose.Services {
		maps.Copy(all, service.Labels)
	}
	return all
}

func caddyfileOf(t *testing.T, program string, labels map[string]string) string {
	t.Helper()
	input, err := json.Marshal(labels)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin, cmd.Stderr = strings.NewReader(string(input)), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
