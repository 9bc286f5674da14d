// Package leak lets the tests of a package fail when they leave a goroutine
// behind. Only tests import it.
package leak

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the last test. goleak
// alone waits for less than the half second that net/http keeps a connection for
// whose client may still be sending.
const patience = 30 * time.Second

// Main runs the tests, then cleanup, and ends the process: with an error when a
// test has failed or a goroutine is left.
func Main(m *testing.M, cleanup func()) {
	code := m.Run()
	cleanup()
	if err := find(); code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// MainApart is Main for tests that start Caddy: it keeps Caddy's data directory
// apart from that of whoever runs them.
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

// find waits until nothing is left of the tests.
func find() (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		// of Caddy's storage: notices only every five seconds that a lock has been released
		if err = goleak.Find(goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh")); err == nil {
			return nil
		}
	}
	return err
}
