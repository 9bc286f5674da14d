package command

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that no goroutine remains, and keeps Caddy's data directory apart
// from the user's.
func TestMain(m *testing.M) { leak.MainApart(m) }
