package recent

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that the tests leave no goroutine running.
func TestMain(m *testing.M) { leak.Main(m, func() {}) }
