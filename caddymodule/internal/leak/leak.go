// Package leak makes the tests of a package fail if they leak a goroutine. Only tests
// import it.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the last test. The default of
// goleak is too short: net/http keeps a connection for half a second if its client may
// still be sending.
const patience = 30 * time.Second

// Main runs the tests, then cleanup, and exits. The exit code is not zero if a test has
// failed or a goroutine has leaked.
func Main(m *testing.M, cleanup func()) {
	code := m.Run()
	cleanup()
	if err := find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// MainApart is like Main, for tests that start Caddy. It uses a temporary data
// directory for Caddy, so that the tests do not touch the user's directory.
func MainApart(m *testing.M) {
	dir, err := os.MkdirTemp("", "data")
	if err == nil {
		err = os.Setenv("XDG_DATA_HOME", dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	Main(m, func() { _ = os.RemoveAll(dir) })
}

// find waits until the goroutines of the tests have ended.
func find() (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		// a goroutine of Caddy's storage, which notices a released lock only every five
		// seconds
		if err = goleak.Find(goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh")); err == nil {
			return nil
		}
	}
	return err
}
