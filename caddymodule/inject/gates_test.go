package inject

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// A request is active until its chain has returned, in both phases.
func TestMaxActive(t *testing.T) {
	for _, phase := range []string{"request", "response"} {
		t.Run(phase, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := load(t, `{"rules": [{"phase": "`+phase+`", "max_active": 2, "faults": [{"fault": "delay", "duration": "1m"}]}]}`, "")
				testkit.WantPassed(t, h.Point.Name, h.Rules[0].Name, "overflow", 3)
				start := time.Now()
				var wg sync.WaitGroup
				ask := func() {
					if _, body, err := testkit.Get(t, h, "/", testkit.Upstream); err != nil || body != testkit.UpstreamBody {
						t.Errorf("got %q, %v, want the upstream's reply", body, err)
					}
				}
				for range 2 {
					wg.Go(ask)
				}
				synctest.Wait()
				for range 3 {
					ask()
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("requests above max_active were held for %v", took)
				}
				wg.Wait()
				ask()
				if took := time.Since(start); took != 2*time.Minute {
					t.Errorf("all took %v, want two minutes", took)
				}
			})
		})
	}
}

// A request stops being active however it ends.
func TestMaxActiveAfterAPanic(t *testing.T) {
	for _, phase := range []string{"request", "response"} {
		h := load(t, `{"rules": [{"phase": "`+phase+`", "max_active": 1, "faults": [{"fault": "close"}]}]}`, "")
		testkit.WantPassed(t, h.Point.Name, h.Rules[0].Name, "overflow", 0)
		for range 3 {
			func() {
				defer func() {
					if p := recover(); p != http.ErrAbortHandler {
						t.Errorf("phase %s: got panic %v, want that of close", phase, p)
					}
				}()
				_, _, _ = testkit.Get(t, h, "/", testkit.Upstream)
			}()
		}
	}
}

// A request also stops being active if the upstream panics after a fault.
func TestMaxActiveWhenTheUpstreamPanics(t *testing.T) {
	for _, phase := range []string{"request", "response"} {
		h := load(t, `{"rules": [{"phase": "`+phase+`", "max_active": 1, "faults": [{"fault": "delay", "duration": "1ns"}]}]}`, "")
		testkit.WantPassed(t, h.Point.Name, h.Rules[0].Name, "overflow", 0)
		for range 3 {
			func() {
				defer func() { _ = recover() }()
				_, _, _ = testkit.Get(t, h, "/", func(w http.ResponseWriter, _ *http.Request) error {
					w.WriteHeader(http.StatusOK)
					panic(http.ErrAbortHandler)
				})
			}()
		}
	}
}

// Each reason has a counter.
func TestPassedReasons(t *testing.T) {
	for _, tt := range []struct{ settings, reason string }{
		{`"skip": 100`, "count"},
		{`"start": "1h"`, "time"},
		{`"percent": 0`, "percent"},
		{`"dry_run": true`, "dry_run"},
	} {
		h := load(t, `{"rules": [{`+tt.settings+`, "faults": [{"fault": "close"}]}]}`, "")
		testkit.WantPassed(t, h.Point.Name, h.Rules[0].Name, tt.reason, 2)
		for range 2 {
			if _, body, err := testkit.Get(t, h, "/", testkit.Upstream); err != nil || body != testkit.UpstreamBody {
				t.Errorf("%s: got %q, %v, want the upstream's reply", tt.settings, body, err)
			}
		}
	}
}

// A rule that lets the request pass on arrival does not wrap the writer.
func TestPassingWrapsNothing(t *testing.T) {
	for _, settings := range []string{
		`"skip": 100`,
		`"phase": "response", "skip": 100`,
		`"phase": "response", "start": "1h"`,
		`"match_response": {"status_code": [5]}, "start": "1h", "skip": 1`,
	} {
		h := load(t, `{"rules": [{`+settings+`, "faults": [{"fault": "close"}]}]}`, "")
		w := httptest.NewRecorder()
		err := h.ServeHTTP(w, testkit.Request(http.MethodGet, "/", w), caddyhttp.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) error {
			if got != http.ResponseWriter(w) {
				t.Errorf("%s: the upstream writes to a %T", settings, got)
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
	}
}

// A sequence continues at its step after a reload.
func TestSequenceOverAReload(t *testing.T) {
	const config = `{"rules": [{"faults": [{"fault": "sequence", "steps": [
		[{"fault": "respond", "status_code": 501}], [{"fault": "respond", "status_code": 502}], [{"fault": "respond", "status_code": 503}]
	]}]}]}`
	h := load(t, config, "")
	for _, want := range []int{501, 502, 503, 200} {
		if resp, _, err := testkit.Get(t, h, "/", testkit.Upstream); err != nil || resp.StatusCode != want {
			t.Errorf("got %d, %v, want %d", resp.StatusCode, err, want)
		}
		old := h
		h = load(t, config, "")
		h.app.Points() // hits at the start
		if err := old.Cleanup(); err != nil {
			t.Error(err)
		}
	}
}

// A rule without max_active also counts its active requests.
func TestRuleActive(t *testing.T) {
	for _, phase := range []string{"request", "response"} {
		synctest.Test(t, func(t *testing.T) {
			h := load(t, `{"rules": [{"phase": "`+phase+`", "faults": [{"fault": "delay", "duration": "1m"}]}]}`, "")
			var held sync.WaitGroup
			for range 3 {
				held.Go(func() { testkit.Ask(h) })
			}
			synctest.Wait()
			if got := h.Rules[0].Stats(); got.Active != 3 || got.Hits != 3 {
				t.Errorf("phase %s: got %+v, want 3 of 3 active", phase, got)
			}
			held.Wait()
			if got := h.Rules[0].Stats(); got.Active != 0 {
				t.Errorf("phase %s: got %+v, want none active", phase, got)
			}
		})
	}
}
