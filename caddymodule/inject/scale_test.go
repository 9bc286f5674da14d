package inject

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
)

// manyRules returns the JSON of a point with n rules.
func manyRules(point string, n int) string {
	rules := make([]string, n)
	for i := range rules {
		rules[i] = fmt.Sprintf(`{"name": "r%d", "match": [{"header": {"X-Case": ["case-%[1]d"]}}], "faults": [{"fault": "respond", "status_code": 503}]}`, i)
	}
	return fmt.Sprintf(`{"point": %q, "rules": [%s]}`, point, strings.Join(rules, ", "))
}

// The hits of a rule are available from load on, so that a rule that never fires
// differs from a missing rule. Requests that pass are counted from the first one on.
func TestCountersFromLoad(t *testing.T) {
	injected, passed := testutil.CollectAndCount(metrics.InjectedTotal), testutil.CollectAndCount(metrics.PassedTotal)
	h := load(t, manyRules("counted", 3), "")
	if got := testutil.CollectAndCount(metrics.InjectedTotal) - injected; got != 3 {
		t.Errorf("loading 3 rules makes %d counters of hits", got)
	}
	if got := testutil.CollectAndCount(metrics.PassedTotal) - passed; got != 0 {
		t.Errorf("loading rules makes %d counters of requests that were let pass", got)
	}
	for _, rule := range h.Rules {
		if got := testutil.ToFloat64(metrics.InjectedTotal.WithLabelValues("counted", rule.Name, "respond")); got != 0 {
			t.Errorf("%s: got %v hits", rule.Name, got)
		}
	}
}
