package trigger

import (
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m, func() {}) }
