package experiments

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // the faults of the tests
)

// TestMain checks that no goroutine is left running.
func TestMain(m *testing.M) { leak.Main(m, func() {}) }
