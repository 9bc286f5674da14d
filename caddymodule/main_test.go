package caddymodule

import (
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // the other directives and the matchers of the tests

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that no goroutine leaks, and uses a separate data directory for
// Caddy.
func TestMain(m *testing.M) { leak.MainApart(m) }
