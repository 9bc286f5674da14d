// Package metrics holds the Prometheus collectors of the process, and limits how many
// experiment names appear in them. It depends on rules and experiments, not on
// injection points.
package metrics

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// The collectors belong to the process, because each configuration has a separate
// registry and a reload must not reset the counters. The series of a removed rule
// remain until the process ends. Their number is bounded by the rules that were ever
// configured.
var (
	// InjectedTotal counts hits.
	InjectedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_injected_total",
		Help: "Counter of faults injected, by injection point, rule and kinds of fault.",
	}, []string{"point", "rule", "kind"})

	// PassedTotal counts requests that a rule let pass.
	PassedTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_passed_total",
		Help: "Counter of requests that matched a rule but got no fault, by injection point, rule and reason.",
	}, []string{"point", "rule", "reason"})

	// ActiveRequests is the number of requests that rules hold.
	ActiveRequests = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "caddy_fault_active",
		Help: "Requests that rules currently hold, by injection point.",
	}, []string{"point"})

	// DelaySeconds is the distribution of the injected delays.
	DelaySeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_fault_delay_seconds",
		Help:    "Delays injected, by injection point and rule.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
	}, []string{"point", "rule"})

	// HaltedGauge is 1 while all faults are halted.
	HaltedGauge = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "caddy_fault_halted",
		Help: "1 while all faults are halted, otherwise 0.",
	})
)

// Register adds the collectors to the registry of a configuration.
func Register(registry prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{
		InjectedTotal, PassedTotal, ActiveRequests, DelaySeconds, HaltedGauge,
		RequestsTotal, RealErrorsTotal, ChangesTotal, ExperimentsGauge, ShareErrorGauge,
		CallsTotal, AttemptsTotal, FindingsTotal, LeftAfterSeconds,
	} {
		err := registry.Register(c)
		if known := (prometheus.AlreadyRegisteredError{}); err != nil && !errors.As(err, &known) {
			return err
		}
	}
	return nil
}

// Rule holds the counters of one rule, which are looked up once, at load. The counters
// of passed requests and the histogram of delays, with its fifteen series, are looked
// up on first use, because most rules never use them.
type Rule struct {
	// Name is the name of the rule in the labels.
	Name string

	// Injected counts the hits of the rule.
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

// PassedBy counts a request on which a fault had no effect, with the reason of the
// fault.
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
