package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// The collectors of what clients do after a fault. None has a label for the client, which
// would have too many values.
var (
	// CallsTotal counts calls of clients that a fault has hit.
	CallsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_calls_total",
		Help: "Counter of calls that a fault has hit, by injection point and outcome: recovered, gave_up, refused or lost.",
	}, []string{"point", "outcome"})

	// AttemptsTotal counts the attempts of these calls.
	AttemptsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_attempts_total",
		Help: "Counter of the attempts of calls that a fault has hit, by injection point.",
	}, []string{"point"})

	// FindingsTotal counts findings.
	FindingsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_findings_total",
		Help: "Counter of findings that are new to a client, or worse than before, by injection point and finding.",
	}, []string{"point", "finding"})

	// LeftAfterSeconds is the distribution of the times after which clients leave.
	LeftAfterSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "caddy_fault_left_after_seconds",
		Help:    "How long clients waited for a reply until they left, by injection point.",
		Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120},
	}, []string{"point"})
)

// pointClients are the collectors of a point, looked up once.
type pointClients struct {
	attempts prometheus.Counter
	calls    map[clients.Outcome]prometheus.Counter
	point    string
}

// OfClients returns an observer that counts what clients do after a fault at a point.
func OfClients(point string) clients.Observer {
	o := &pointClients{AttemptsTotal.WithLabelValues(point), make(map[clients.Outcome]prometheus.Counter), point}
	for _, outcome := range []clients.Outcome{clients.Recovered, clients.GaveUp, clients.Refused, clients.Lost} {
		o.calls[outcome] = CallsTotal.WithLabelValues(point, string(outcome))
	}
	return o
}

// Attempted counts an attempt.
func (o *pointClients) Attempted() { o.attempts.Inc() }

// Closed counts a call.
func (o *pointClients) Closed(call clients.Outcome) {
	if c := o.calls[call]; c != nil {
		c.Inc()
	}
}

// Left observes how long a client waited.
func (o *pointClients) Left(after time.Duration) {
	LeftAfterSeconds.WithLabelValues(o.point).Observe(after.Seconds())
}
