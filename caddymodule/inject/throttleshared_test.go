package inject_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// The requests of one key share a rate, in both phases and with those of a reload.
// Another key has its own.
func TestThrottleSharedPerKey(t *testing.T) {
	const bytesPerSecond, piece = 100, 100 * time.Millisecond
	alone := time.Duration(len(testkit.UpstreamBody)) * time.Second / bytesPerSecond
	for _, phase := range []string{"request", "response"} {
		synctest.Test(t, func(t *testing.T) {
			config := `{"point": "line-` + phase + `", "rules": [{"name": "r", "phase": "` + phase + `", "per": "{http.request.header.X-User}",
				"faults": [{"fault": "throttle", "bytes_per_second": 100, "shared": true}]}]}`
			n := testnode.Start(t, config, "")
			handlers := []*inject.Handler{n.Handler, n.Beside(config)}
			var wg sync.WaitGroup
			for _, tt := range []struct {
				user     string
				requests int
			}{{"ann", 4}, {"bob", 2}} {
				want := time.Duration(tt.requests) * alone
				for i := range tt.requests {
					wg.Go(func() {
						got := testkit.Ask(handlers[i%2], "X-User", tt.user)
						if least := want - time.Duration(tt.requests)*piece; got.Body != testkit.UpstreamBody || got.Took > want+time.Millisecond || got.Took <= least {
							t.Errorf("%s of phase %s: got %q after %v, want about %v", tt.user, phase, got.Body, got.Took, want)
						}
					})
				}
			}
			wg.Wait()
		})
	}
}
