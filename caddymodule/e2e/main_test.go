package e2e

import (
	"os"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

// TestMain checks that the faults leak no goroutine, whatever clients, upstreams and
// reloads did.
func TestMain(m *testing.M) {
	serveIfAsked()
	leak.Main(m, func() { _ = os.RemoveAll(buildDir) })
}
