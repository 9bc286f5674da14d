package experiments

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no goroutine is left behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}
