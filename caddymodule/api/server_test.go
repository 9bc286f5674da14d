package api

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/control"
)

// The state names the machine and says how long the process runs.
func TestServerView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctl := control.New()
		defer ctl.BeginExit()
		time.Sleep(3 * time.Hour)
		got := newServerView(ctl)
		node, err := os.Hostname()
		if err != nil || got.Node != node || got.Uptime != 10_800 || time.Since(got.Started) != 3*time.Hour || got.Version == "unknown" {
			t.Errorf("got %+v, want node %s and three hours", got, node)
		}
	})
}
