package caddymodule

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that no goroutine is left behind.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// of Caddy's storage: notices only every five seconds that a lock has been released
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"))
}
