// Package metrics is the collectors of the process, and how many names experiments
// may have in them. It knows rules and experiments, and no point.
package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// The collectors belong to the process: each configuration has a registry of
// its own, and a reload must not set the counters back. The series of a rule
// that is gone stay until the process ends, as many as were ever configured.
var (
	// InjectedTotal counts hits.
	InjectedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_injected_total",
		Help: "Counter of faults injected, by injection point, rule and kinds of fault.",
	}, []string{"point", "rule", "kind"})

	// PassedTotal counts requests that a rule let pass.
	PassedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_passed_total",
		Help: "Counter of faults that were not injected into a request that matched their rule, by reason.",
	}, []string{"point", "rule", "reason"})

	// ActiveRequests is how many requests the rules hold.
	ActiveRequests = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_fault_active",
		Help: "Requests that a rule currently holds, by injection point.",
	}, []string{"point"})

	// DelaySeconds is the delays injected.
	DelaySeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_fault_delay_seconds",
		Help:    "Delays injected, by injection point and rule.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"point", "rule"})

	// HaltedGauge is 1 while all faults are halted.
	HaltedGauge = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_fault_halted",
		Help: "1 while all faults are halted, else 0.",
	})
)

// Register makes the collectors part of a configuration's registry.
func Register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{InjectedTotal, PassedTotal, ActiveRequests, DelaySeconds, HaltedGauge} {
		err := registry.Register(c)
		if known := (prometheus.AlreadyRegisteredError{}); err != nil && !errors.As(err, &known) {
			return err
		}
	}
	return nil
}

// Rule is the counters of one rule, looked up once at load. Those of the requests
// that it let pass, and its histogram of delays, fifteen series, are looked up when
// there is something to count: most rules have none.
type Rule struct {
	// Name is that of the rule, as it stands in the labels.
	Name string

	// Injected counts its hits.
	Injected prometheus.Counter

	passed *reasons
}

// NewRule returns the counters of a rule at a point.
func NewRule(point, rule, kind string) Rule {
	return Rule{
		Name:     rule,
		Injected: InjectedTotal.WithLabelValues(point, rule, kind),
		passed:   reasonsOf(point, rule),
	}
}

// Passed counts a request that the rule let pass.
func (m *Rule) Passed(reason rules.Reason) { m.passed.count(reason) }

// PassedBy counts a request on which a fault had no effect, by the fault's reason.
func (m *Rule) PassedBy(reason string) { m.passed.countOther(reason) }

// Delayed observes a delay.
func (m *Rule) Delayed(wait time.Duration) {
	DelaySeconds.WithLabelValues(m.passed.point, m.Name).Observe(wait.Seconds())
}

// PassedCounts returns the counts that are not 0.
func (m *Rule) PassedCounts() map[string]uint64 { return m.passed.counts() }

func counterValue(c prometheus.Counter) uint64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0
	}
	return uint64(m.GetCounter().GetValue())
}
