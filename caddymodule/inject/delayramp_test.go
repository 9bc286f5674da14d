package inject_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// A delay rises from the first load of its rule, or from its start. A reload does not
// begin again. An experiment rises from its own start, and explain shows the wait.
func TestDelayRamp(t *testing.T) {
	const ramp = `"faults": [{"fault": "delay", "to": "10s", "ramp": "10s"}]`
	const config = `{"point": "ramp", "rules": [{"name": "a", "match": [{"header": {"X-User": ["a"]}}], ` + ramp + `},
		{"name": "b", "match": [{"header": {"X-User": ["b"]}}], "start": "3s", ` + ramp + `}]}`
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, config, "")
		h := n.Handler
		ask := func(user string, want time.Duration) {
			t.Helper()
			began := time.Now()
			if got := testkit.Ask(h, "X-User", user); got.Status != 200 || time.Since(began) != want {
				t.Errorf("%s: got %d after %v, want %v", user, got.Status, time.Since(began), want)
			}
		}
		ask("a", 0)
		time.Sleep(2 * time.Second)
		ask("a", 2*time.Second) // until 4s
		h = n.Beside(config)
		ask("b", time.Second) // until 5s
		n.Put("c", `{"points": ["ramp"], "match": [{"header": {"X-User": ["c"]}}], `+ramp+`}`)
		time.Sleep(time.Second)
		ask("c", time.Second) // until 7s
		time.Sleep(time.Hour)
		ask("a", 10*time.Second)
		ask("b", 10*time.Second)
		r := testkit.Request("GET", "/", nil)
		r.Header.Set("X-User", "a")
		_, verdicts, err := h.Explain(r, n.Ctl.Store.Snapshot().Guests(experiments.PlaceOf(&n.Point)), nil)
		if want := "the delay is currently 10s of 10s"; err != nil || !strings.HasSuffix(verdicts[0].Why, want) || !verdicts[0].Fires {
			t.Errorf("got %+v, error %v, want %q", verdicts, err, want)
		}
	})
}
