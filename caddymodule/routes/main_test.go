package routes

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that no goroutine is left behind, and keeps Caddy's data
// directory apart from that of whoever runs the tests.
func TestMain(m *testing.M) { leak.MainApart(m) }
