package control_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// valueOf returns the value of a counter or a gauge.
func valueOf(t *testing.T, metric prometheus.Metric) float64 {
	t.Helper()
	var m dto.Metric
	if err := metric.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue() + m.GetGauge().GetValue()
}

// TestChangesCounted checks that each change of the faults is counted, and that the
// gauges follow.
func TestChangesCounted(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, "")
	for _, turn := range []string{"/halt", "/resume"} { // another test may have left the gauge at 1
		n.Want(200, "POST", turn, "", "")
	}
	for _, tt := range []struct {
		name, change    string
		do              func()
		running, halted float64
	}{
		{"start", control.ActStarted, func() { n.Put("a", testnode.Slow500) }, 1, 0},
		{"second start", control.ActStarted, func() { n.Put("b", testnode.Slow500) }, 2, 0},
		{"replacement", control.ActChanged, func() { n.Want(200, "PUT", "/experiments/b", `{"note": "again", `+testnode.Slow500[1:], `"b"`) }, 2, 0},
		{"extension", control.ActExtended, func() { n.Want(200, "PATCH", "/experiments/b", `{"ttl": "5m"}`, `"b"`) }, 2, 0},
		{"stop", control.ActStopped, func() { n.Want(204, "DELETE", "/experiments/b", "", "") }, 1, 0},
		{"rule off", control.ActOff, func() { n.Want(200, "POST", "/rules/shop/gone/off", "", "") }, 1, 0},
		{"rule on", control.ActOn, func() { n.Want(200, "POST", "/rules/shop/gone/on", "", "") }, 1, 0},
		{"halt", control.ActHalted, func() { n.Want(200, "POST", "/halt", "", "") }, 0, 1},
		{"resume", control.ActResumed, func() { n.Want(200, "POST", "/resume", "", "") }, 0, 0},
	} {
		counter := metrics.ChangesTotal.WithLabelValues(tt.change)
		before := valueOf(t, counter)
		tt.do()
		if got := valueOf(t, counter) - before; got != 1 {
			t.Errorf("%s: %s counted %v times, want once", tt.name, tt.change, got)
		}
		if running, halted := valueOf(t, metrics.ExperimentsGauge), valueOf(t, metrics.HaltedGauge); running != tt.running || halted != tt.halted {
			t.Errorf("%s: %v experiments, halted %v, want %v and %v", tt.name, running, halted, tt.running, tt.halted)
		}
	}
}

// TestChangesAppear checks that the counter of each change exists before the change.
func TestChangesAppear(t *testing.T) {
	control.New()
	found := make(chan prometheus.Metric, 100)
	metrics.ChangesTotal.Collect(found)
	close(found)
	if got, want := len(found), 11; got != want {
		t.Errorf("got %d counters of changes, want %d", got, want)
	}
}

// TestSeenCounted checks the counters of all requests and of real errors.
func TestSeenCounted(t *testing.T) {
	n := testnode.Start(t, `{"point": "counted", "rules": [{"match": [{"path": ["/gone"]}], "faults": [{"fault": "respond", "status_code": 551}]}]}`, "")
	n.Ctl.Seen.Wake()
	requests, realErrors := metrics.RequestsTotal.WithLabelValues("counted"), metrics.RealErrorsTotal.WithLabelValues("counted")
	n.Hit("/gone")
	n.Hit("/")
	if got := valueOf(t, requests); got != 2 {
		t.Errorf("got %v requests, want 2", got)
	}
	if got := valueOf(t, realErrors); got != 0 {
		t.Errorf("got %v real errors, want none: the fault has caused the 551", got)
	}
}
