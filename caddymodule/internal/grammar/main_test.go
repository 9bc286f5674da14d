package grammar

import (
	"fmt"
	"os"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // the directives and matchers that stand beside ours

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // the faults of the tests
)

// TestMain checks that no goroutine is left behind, and keeps Caddy's data
// directory apart from that of whoever runs the tests.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "data")
	if err == nil {
		err = os.Setenv("XDG_DATA_HOME", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	leak.Main(m, func() { _ = os.RemoveAll(dir) })
}
