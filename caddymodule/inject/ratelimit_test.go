package inject_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// asks returns the statuses of n requests with a field X-User.
func asks(h *inject.Handler, user string, n int) (statuses string) {
	for range n {
		got := testkit.Ask(h, "X-User", user)
		statuses += fmt.Sprint(got.Status, " ")
	}
	return strings.TrimSuffix(statuses, " ")
}

// Each key has a quota, in both phases. A request within it is not a hit, and does not
// use up times. A reset fills the quotas.
func TestRateLimitPerKey(t *testing.T) {
	for _, phase := range []string{"request", "response"} {
		synctest.Test(t, func(t *testing.T) {
			n := testnode.Start(t, `{"point": "quota-`+phase+`", "rules": [{"name": "r", "phase": "`+phase+`", "per": "{http.request.header.X-User}", "times": 1,
				"faults": [{"fault": "ratelimit", "requests": 2, "window": "10s"}]}]}`, "")
			for _, user := range []string{"ann", "bob"} {
				if got, want := asks(n.Handler, user, 4), "200 200 429 200"; got != want {
					t.Errorf("%s: %s got %s, want %s", phase, user, got, want)
				}
			}
			if hits := n.Handler.Rules[0].Stats().Hits; hits != 2 {
				t.Errorf("%s: %d hits, want 2", phase, hits)
			}
			if got := asks(n.Handler, "cid", 2); got != "200 200" {
				t.Errorf("%s: another key got %s", phase, got)
			}
			time.Sleep(10 * time.Second)
			n.Handler.Rules[0].Reset()
			if got, want := asks(n.Handler, "ann", 3), "200 200 429"; got != want {
				t.Errorf("%s: after a reset got %s, want %s", phase, got, want)
			}
		})
	}
}

// The least recently used key is forgotten above max_keys.
func TestRateLimitMaxKeys(t *testing.T) {
	n := testnode.Start(t, `{"point": "quota-keys", "rules": [{"per": "{http.request.header.X-User}", "max_keys": 2,
		"faults": [{"fault": "ratelimit", "requests": 1, "window": "1h"}]}]}`, "")
	for _, tt := range []struct{ user, want string }{
		{"ann", "200"}, {"bob", "200"}, {"ann", "429"}, {"cid", "200"}, {"ann", "429"}, {"bob", "200"},
	} {
		if got := asks(n.Handler, tt.user, 1); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.user, got, tt.want)
		}
	}
}

// A reload keeps the quotas of a rule that does not change.
func TestRateLimitOutlivesReload(t *testing.T) {
	const config = `{"point": "quota-reload", "rules": [{"name": "r", "faults": [{"fault": "ratelimit", "requests": 2, "window": "1h"}]}]}`
	n := testnode.Start(t, config, "")
	if got := asks(n.Handler, "", 1); got != "200" {
		t.Errorf("got %s", got)
	}
	if got, want := asks(n.Beside(config), "", 2), "200 429"; got != want {
		t.Errorf("after a reload: got %s, want %s", got, want)
	}
}

// A dry run counts nothing and sets no fields. A halt lets requests pass as they are.
func TestRateLimitDryRunAndHalt(t *testing.T) {
	n := testnode.Start(t, `{"point": "quota-dry", "rules": [
		{"match": [{"header": {"X-User": ["dry"]}}], "dry_run": true, "faults": [{"fault": "ratelimit", "requests": 1, "window": "1h"}]},
		{"faults": [{"fault": "ratelimit", "requests": 1, "window": "1h"}]}]}`, "")
	if got := asks(n.Handler, "dry", 3); got != "200 200 200" {
		t.Errorf("dry run: got %s", got)
	}
	if got := testkit.Ask(n.Handler, "X-User", "dry"); got.Header.Get("RateLimit") != "" {
		t.Errorf("dry run: got header %v", got.Header)
	}
	n.Want(http.StatusOK, "POST", "/halt", "", "")
	if got := asks(n.Handler, "ann", 3); got != "200 200 200" {
		t.Errorf("halted: got %s", got)
	}
	n.Want(http.StatusOK, "POST", "/resume", "", "")
	if got := asks(n.Handler, "ann", 2); got != "200 429" {
		t.Errorf("resumed: got %s", got)
	}
}

// An experiment has its own quota, and explain says how much is used.
func TestRateLimitExperiment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := testnode.Start(t, `{"point": "quota-exp", "rules": [{"percent": 0, "faults": [{"fault": "close"}]}]}`, "")
		n.Put("quota", `{"points": ["quota-exp"], "faults": [{"fault": "ratelimit", "requests": 2, "window": "10s", "fields": "x"}]}`)
		verdict := func() string {
			_, verdicts, err := n.Explain(testkit.Request("GET", "/", nil), n.Ctl.Store.Snapshot().Guests(experiments.PlaceOf(&n.Point)), nil)
			if err != nil || len(verdicts) == 0 {
				t.Fatalf("got %+v, %v", verdicts, err)
			}
			v := verdicts[0]
			return fmt.Sprint(v.Fires, " ", v.Gate, ": ", v.Why)
		}
		if got, want := verdict(), "false pass: 0 of 2 requests used"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got, want := asks(n.Handler, "", 3), "200 200 429"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		time.Sleep(time.Second)
		if got, want := verdict(), "true effect: only if the faults have an effect on the reply; 2 of 2 requests used, the next window begins in 9s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A client cannot ask for a quota.
func TestRateLimitTrigger(t *testing.T) {
	n := testnode.Start(t, `{"point": "quota-trigger", "triggers": [{"source": "header"}]}`, "")
	got := testkit.Ask(n.Handler, "X-Fault", "ratelimit 1 1m")
	if got.Status != http.StatusOK || got.Header.Get("X-Fault-Refused") == "" || got.Header.Get("RateLimit") != "" {
		t.Errorf("got %+v, want a refusal", got)
	}
}
