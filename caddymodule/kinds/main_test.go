package kinds

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that no goroutine is left behind.
func TestMain(m *testing.M) { leak.Main(m, func() {}) }
