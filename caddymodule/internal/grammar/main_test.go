package grammar

import (
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/standard" // directives and matchers of Caddy

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
	_ "github.com/caddyfault/caddyfault/caddymodule/kinds" // faults for the tests
)

// TestMain checks for leaked goroutines. It also keeps the tests away from Caddy's data
// directory of the user.
func TestMain(m *testing.M) { leak.MainApart(m) }
