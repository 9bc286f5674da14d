package importer

import (
	"flag"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain checks that no goroutine remains, and keeps Caddy's data directory apart
// from the user's.
func TestMain(m *testing.M) { leak.MainApart(m) }
