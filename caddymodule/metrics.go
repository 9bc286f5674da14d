package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// The collectors belong to the process: each configuration has a registry of
// its own, and a reload must not set the counters back. The series of a rule
// that is gone stay until the process ends, as many as were ever configured.
var (
	injectedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_injected_total",
		Help: "Counter of faults injected, by injection point, rule and kinds of fault.",
	}, []string{"point", "rule", "kind"})

	passedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_passed_total",
		Help: "Counter of requests that matched a rule and were not hit by it, by the reason why.",
	}, []string{"point", "rule", "reason"})

	activeRequests = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_fault_active",
		Help: "Requests that are hit just now, by injection point.",
	}, []string{"point"})

	delaySeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_fault_delay_seconds",
		Help:    "Delays injected, by injection point and rule.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"point", "rule"})

	haltedGauge = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_fault_halted",
		Help: "1 while all faults are halted, else 0.",
	})
)

// registerMetrics makes the collectors part of a configuration's registry.
func registerMetrics(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{injectedTotal, passedTotal, activeRequests, delaySeconds, haltedGauge} {
		err := registry.Register(c)
		if known := (prometheus.AlreadyRegisteredError{}); err != nil && !errors.As(err, &known) {
			return err
		}
	}
	return nil
}

// ruleMetrics are the counters of one rule, looked up once at load. Its
// histogram of delays, fifteen series, is looked up when there is a delay: most
// rules have none.
type ruleMetrics struct {
	rule     string // as it stands in the labels
	injected prometheus.Counter
	passed   []prometheus.Counter // by rules.Reason
}

func newRuleMetrics(point, rule, kind string) ruleMetrics {
	m := ruleMetrics{
		rule:     rule,
		injected: injectedTotal.WithLabelValues(point, rule, kind),
	}
	for _, reason := range rules.Reasons() {
		m.passed = append(m.passed, passedTotal.WithLabelValues(point, rule, reason.String()))
	}
	return m
}

// passedCounts are the counts that are not 0.
func (m *ruleMetrics) passedCounts() map[string]uint64 {
	counts := make(map[string]uint64)
	for reason, counter := range m.passed {
		if n := counterValue(counter); n > 0 {
			counts[rules.Reason(reason).String()] = n
		}
	}
	return counts
}

func counterValue(c prometheus.Counter) uint64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0
	}
	return uint64(m.GetCounter().GetValue())
}
