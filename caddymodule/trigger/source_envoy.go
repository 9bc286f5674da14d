package trigger

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

var envoyPlace = place{
	source:  "envoy",
	make:    func(t *Trigger, _, _ string) source { return envoySource{percentOf(t.Percent)} },
	hidden:  func(string) hidden { return hidden{fields: envoyFields} },
	keyless: "Envoy's header fields carry none",
	draws:   true,
}

// envoySource is the header fields of Envoy's fault filter. They contain the faults and
// their percentages, and are translated into a line.
type envoySource struct{ percent float64 }

// The header fields of Envoy's fault filter, from its documentation
// (configuration/http/http_filters/fault_filter).
const (
	envoyAbort           = "X-Envoy-Fault-Abort-Request"
	envoyAbortGRPC       = "X-Envoy-Fault-Abort-Grpc-Request"
	envoyAbortPercent    = "X-Envoy-Fault-Abort-Request-Percentage"
	envoyDelay           = "X-Envoy-Fault-Delay-Request"
	envoyDelayPercent    = "X-Envoy-Fault-Delay-Request-Percentage"
	envoyThroughput      = "X-Envoy-Fault-Throughput-Response"
	envoyThroughputShare = "X-Envoy-Fault-Throughput-Response-Percentage"
)

var envoyFields = []string{
	envoyAbort, envoyAbortGRPC, envoyAbortPercent,
	envoyDelay, envoyDelayPercent, envoyThroughput, envoyThroughputShare,
}

func (s envoySource) present(r *http.Request) bool {
	h := r.Header
	return len(h[envoyAbort]) > 0 || len(h[envoyAbortGRPC]) > 0 || len(h[envoyDelay]) > 0 || len(h[envoyThroughput]) > 0
}

func (s envoySource) read(r *http.Request, hits draws) (trigger, bool) {
	h := r.Header
	for _, name := range envoyFields {
		if err := repeated(name, len(h[name])); err != nil {
			return trigger{err: err}, true
		}
	}
	delay, delayErr := s.statement(h, hits, envoyDelay, envoyDelayPercent, "delay %dms", 1<<31)
	abort, abortErr := s.abort(h, hits)
	throughput, throughputErr := s.statement(h, hits, envoyThroughput, envoyThroughputShare, "throttle %dKiB/s", 1<<31)
	if abort != "" {
		throughput = "" // limits the upstream's reply, which does not exist
	}
	line, err := delay+abort+throughput, errors.Join(delayErr, abortErr, throughputErr)
	return trigger{line: line, err: err}, line != "" || err != nil
}

// abort returns the statement that ends the request, with an HTTP status or, without
// one, a gRPC status.
func (s envoySource) abort(h http.Header, hits draws) (string, error) {
	if len(h[envoyAbort]) == 0 {
		return s.statement(h, hits, envoyAbortGRPC, envoyAbortPercent, "grpc %d", 16)
	}
	if value := h[envoyAbort][0]; value < "200" || len(value) != 3 {
		return "", badEnvoy(envoyAbort, value, "200 to 599")
	}
	return s.statement(h, hits, envoyAbort, envoyAbortPercent, "respond %d", 599)
}

// statement makes a statement from a number in a header field, or returns "" if its
// draw misses. The percentage in the other field can only lower the configured one. An
// invalid percentage is ignored.
func (s envoySource) statement(h http.Header, hits draws, name, percentName, format string, most int64) (string, error) {
	if len(h[name]) == 0 {
		return "", nil
	}
	value := h[name][0]
	number, err := strconv.ParseUint(value, 10, 63)
	if err != nil || int64(number) > most || len(value) > 1 && value[0] == '0' {
		return "", badEnvoy(name, value, "a whole number up to "+strconv.FormatInt(most, 10))
	}
	if number == 0 && name != envoyAbortGRPC {
		return "", nil // no delay and no limit, as in Envoy
	}
	percent := s.percent
	if len(h[percentName]) > 0 {
		if asked, err := strconv.ParseFloat(h[percentName][0], 64); err == nil && rules.ValidPercent(asked) == nil {
			percent = min(percent, asked)
		}
	}
	if !hits(percent) {
		return "", nil
	}
	return fmt.Sprintf(format, number) + ";", nil
}

func badEnvoy(name, value, want string) error {
	if MayHoldKey(value) {
		return fmt.Errorf("bad %s: want %s", name, want)
	}
	return fmt.Errorf("bad %s '%s': want %s", name, value, want)
}

// Interface guards
var _ source = envoySource{}
