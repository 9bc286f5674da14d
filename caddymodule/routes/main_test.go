package routes

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that no goroutine is left running, and keeps Caddy's data directory
// apart from that of the user.
func TestMain(m *testing.M) { leak.MainApart(m) }
