package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

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
)

// registerMetrics makes the collectors part of a configuration's registry.
func registerMetrics(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{injectedTotal, passedTotal} {
		err := registry.Register(c)
		if known := (prometheus.AlreadyRegisteredError{}); err != nil && !errors.As(err, &known) {
			return err
		}
	}
	return nil
}

// ruleMetrics are the counters of one rule, looked up once at load.
type ruleMetrics struct {
	injected prometheus.Counter
	passed   []prometheus.Counter // by rules.Reason
}

func newRuleMetrics(point, rule, kind string) ruleMetrics {
	m := ruleMetrics{injected: injectedTotal.WithLabelValues(point, rule, kind)}
	for _, reason := range rules.Reasons() {
		m.passed = append(m.passed, passedTotal.WithLabelValues(point, rule, reason.String()))
	}
	return m
}
