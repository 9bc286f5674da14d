package control

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that the tests leave no goroutine running. It also uses a separate
// data directory for Caddy.
func TestMain(m *testing.M) { leak.MainApart(m) }
