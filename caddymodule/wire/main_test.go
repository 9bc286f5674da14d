package wire

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that no goroutine leaks, and uses a separate data directory for
// Caddy.
func TestMain(m *testing.M) { leak.MainApart(m) }
