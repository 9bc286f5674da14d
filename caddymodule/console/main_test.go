package console

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // the kinds of fault that the tests use
)

// TestMain checks that no goroutine leaks, and keeps Caddy's data directory separate
// from that of the user who runs the tests.
func TestMain(m *testing.M) { leak.MainApart(m) }
