package inject

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// TestTrackJournal holds what the journal knows of the calls of clients.
func TestTrackJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := load(t, oneFault("", `{"fault": "delay", "duration": "3s"}`), "")
		ask := func(patience time.Duration, key string) {
			w := httptest.NewRecorder()
			r := testkit.Request(http.MethodGet, "/", w)
			if key != "" {
				r.Header.Set("Idempotency-Key", key)
			}
			ctx, leave := context.WithTimeout(r.Context(), patience)
			defer leave()
			_ = h.ServeHTTP(w, r.WithContext(ctx), caddyhttp.HandlerFunc(text200))
		}
		ask(2*time.Second, "key")
		ask(time.Hour, "key")
		ask(time.Hour, "")
		var got []string
		for e := range h.ctl.Journal.Entries(experiments.Query{}) {
			got = append(got, fmt.Sprint(e.Call, " ", e.Attempt, " ", e.Outcome, " ", e.LeftAfter))
		}
		// the first 8 hex digits of the SHA-256 of "key"
		if want := []string{"2c70e12b 1 left 2", "2c70e12b 2 reply 200 0", "2 1 reply 200 0"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		h.ctl.BeginExit()
	})
}

// TestTrackJournalOff holds that the journal knows nothing of calls if none are recorded.
func TestTrackJournalOff(t *testing.T) {
	h := load(t, mail, `{"clients": {"off": true}}`)
	if _, _, err := testkit.Get(t, h, "/mail/", text200); err != nil {
		t.Fatal(err)
	}
	for e := range h.ctl.Journal.Entries(experiments.Query{}) {
		if !e.Done || e.Call != 0 || e.Attempt != 0 || e.Outcome != "" {
			t.Errorf("got %+v", e)
		}
	}
}

// TestPeriodEndsWithSchedule holds that the fault period of a rule ends with its
// schedule, not with its last hit.
func TestPeriodEndsWithSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(5 * time.Second)
		h := load(t, oneFault(fmt.Sprintf(`, "end": %q`, end.Format(time.RFC3339)), `{"fault": "respond", "status_code": 503}`), "")
		for range 7 {
			if _, _, err := testkit.Get(t, h, "/", text200); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		periods := h.ctl.Clients.Evidence().Periods
		if len(periods) != 1 || !periods[0].End.Equal(end) {
			t.Errorf("got %+v, want one that ended at %v", periods, end)
		}
		h.ctl.BeginExit()
	})
}
