package rules

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // the faults that the tests use
)

// TestMain checks that the tests leave no goroutine running.
func TestMain(m *testing.M) { leak.Main(m, func() {}) }
