package match

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks for leaked goroutines.
func TestMain(m *testing.M) { leak.Main(m, func() {}) }
