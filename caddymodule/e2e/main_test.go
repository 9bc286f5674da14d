package e2e

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain checks that the faults leave no goroutine behind, whatever clients,
// upstreams and reloads did.
func TestMain(m *testing.M) {
	serveIfAsked()
	goleak.VerifyTestMain(m,
		// of Caddy's storage: notices only every five seconds that a lock has been released
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),
		goleak.Cleanup(func(code int) {
			_ = os.RemoveAll(buildDir)
			os.Exit(code)
		}))
}
