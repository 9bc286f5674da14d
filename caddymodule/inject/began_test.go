package inject

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// A fault learns when the request arrived, however long earlier handlers and faults
// took. In a transport, it learns when the attempt began.
func TestHoldCountsFromRequest(t *testing.T) {
	const (
		early  = 10 * time.Second // in front of the point
		faults = `{"fault": "delay", "duration": "20s"}, {"fault": "delay", "duration": "1m", "hold": true}`
	)
	for _, tt := range []struct {
		phase     string
		transport bool
		want      time.Duration // since the request arrived
	}{
		{"request", false, time.Minute},
		{"response", false, time.Minute},
		{"request", true, early + time.Minute},
	} {
		t.Run(fmt.Sprintf("%s, transport %v", tt.phase, tt.transport), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				config := `{"rules": [{"phase": "` + tt.phase + `", "faults": [` + faults + `]}]}`
				came, w := time.Now(), httptest.NewRecorder()
				r := testkit.Request(http.MethodGet, "/", w)
				time.Sleep(early)
				if tt.transport {
					tr := loadTransport(t, config)
					defer tr.ctl.BeginExit()
					roundTrip(t, tr, r)
				} else {
					h := load(t, config, "")
					defer h.ctl.BeginExit()
					if err := h.ServeHTTP(w, r, caddyhttp.HandlerFunc(testkit.Upstream)); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(came); took != tt.want {
					t.Errorf("the reply came after %v, want %v", took, tt.want)
				}
			})
		})
	}
}
