package caddymodule

import (
	"os"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// TestExample checks that Caddyfile.example is formatted and loads.
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
