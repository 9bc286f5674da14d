package metrics

import "github.com/prometheus/client_golang/prometheus"

// The collectors of what people and programs do with the faults.
var (
	// ChangesTotal counts changes.
	ChangesTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_changes_total",
		Help: "Counter of changes of the faults, by change: started, stopped, halted and others, as in the activity.",
	}, []string{"change"})

	// ExperimentsGauge is the number of experiments that run.
	ExperimentsGauge = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_fault_experiments",
		Help: "Experiments that currently run.",
	})

	// ShareErrorGauge is 1 while the node has no contact with its group.
	ShareErrorGauge = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_fault_share_error",
		Help: "1 while the node is not synchronized with its group, otherwise 0.",
	})
)

// SetBool sets a gauge to 1 or 0.
func SetBool(gauge prometheus.Gauge, on bool) {
	value := 0.0
	if on {
		value = 1
	}
	gauge.Set(value)
}
