package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// The collectors of what points see, with and without faults.
var (
	// RequestsTotal counts all requests of a point.
	RequestsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_requests_total",
		Help: "Counter of all requests while an injection point counts them, by injection point.",
	}, []string{"point"})

	// RealErrorsTotal counts errors that no fault has caused.
	RealErrorsTotal = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "caddy_fault_real_errors_total",
		Help: "Counter of replies with a status of 500 or above that no fault has caused, by injection point.",
	}, []string{"point"})
)

// pointSeen are the collectors of a point, looked up once.
type pointSeen struct{ requests, realErrors prometheus.Counter }

// OfSeen returns an observer that counts what a point sees.
func OfSeen(point string) seen.Observer {
	return &pointSeen{RequestsTotal.WithLabelValues(point), RealErrorsTotal.WithLabelValues(point)}
}

// Saw counts a request.
func (o *pointSeen) Saw() { o.requests.Inc() }

// Erred counts a real error.
func (o *pointSeen) Erred() { o.realErrors.Inc() }
