package caddymodule

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// TestExample holds Caddyfile.example to what the README promises of it.
func TestExample(t *testing.T) {
	content, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	if formatted := caddyfile.Format(content); string(formatted) != string(content) {
		t.Errorf("not formatted as caddy fmt does:\n%s", formatted)
	}
	config, err := testkit.Adapt(t, string(content))
	if err != nil {
		t.Fatal(err)
	}
	testkit.Validate(t, config)
}

var fencedCaddyfile = regexp.MustCompile("(?s)```caddyfile\n(.*?)```")

// TestReadme adapts every Caddyfile in the README. One that begins with
// a directive is the inside of a site.
func TestReadme(t *testing.T) {
	content, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := fencedCaddyfile.FindAllSubmatch(content, -1)
	if len(blocks) == 0 {
		t.Fatal("no Caddyfile in the README")
	}
	t.Setenv("FAULT_KEY", "0123456789abcdef")
	for _, block := range blocks {
		text := string(block[1])
		if strings.HasPrefix(text, "fault") || strings.HasPrefix(text, "@") || strings.HasPrefix(text, "log") {
			text = ":8080 {\n" + text + "}\n"
		}
		config, err := testkit.Adapt(t, text)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		testkit.Validate(t, config)
	}
}
