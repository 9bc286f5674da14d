package testkit

import (
	"slices"
	"testing"
)

// TestQuery checks what is found in queries.
func TestQuery(t *testing.T) {
	for _, tt := range []struct {
		text            string
		metrics, labels []string
	}{
		{`up == 1`, nil, nil},
		{`max by (instance) (caddy_fault_halted)`, []string{"caddy_fault_halted"}, []string{"instance"}},
		{`rate(caddy_fault_injected_total[5m]) / rate(caddy_fault_calls_total[5m])`, []string{"caddy_fault_calls_total", "caddy_fault_injected_total"}, nil},
		{`sum by (le, point) (rate(caddy_fault_delay_seconds_bucket{point=~"$point", rule!="x"}[5m]))`, []string{"caddy_fault_delay_seconds_bucket"}, []string{"le", "point", "rule"}},
		{`label_values(caddy_fault_injected_total, point)`, []string{"caddy_fault_injected_total"}, []string{"point"}},
		{`instance_point:caddy_fault_injected:rate5m > 0 and on () (hour() < 8)`, []string{"instance_point:caddy_fault_injected:rate5m"}, nil},
		{`Faults at {{ $labels.point }} of {{$labels.instance}}: {{ $value | humanize }}`, nil, []string{"instance", "point"}},
		{`{{point}} {{rule}}`, nil, []string{"point", "rule"}},
	} {
		q := Query{Text: tt.text}
		if got := q.Metrics(); !slices.Equal(got, tt.metrics) {
			t.Errorf("%s: metrics %q, want %q", tt.text, got, tt.metrics)
		}
		if got := q.Labels(); !slices.Equal(got, tt.labels) {
			t.Errorf("%s: labels %q, want %q", tt.text, got, tt.labels)
		}
	}
}
