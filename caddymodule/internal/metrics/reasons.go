package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// allReasons has the reasons by [seriesKey]. A series is in it as long as it is in
// [PassedTotal].
var allReasons sync.Map // of *reasons

// seriesKey is the labels that a rule has in all series.
type seriesKey struct{ point, rule string }

// reasons is the counters of the requests that a rule let pass. Those of reasons
// that only the kinds of fault know come with the first such request, so that
// there are no idle series.
type reasons struct {
	mu       sync.Mutex
	counters map[string]prometheus.Counter
}

// reasonsOf returns the reasons of a rule. They outlive a reload, as the series do.
func reasonsOf(point, rule string) *reasons {
	key := seriesKey{point, rule}
	if known, ok := allReasons.Load(key); ok {
		return known.(*reasons)
	}
	known, _ := allReasons.LoadOrStore(key, &reasons{counters: make(map[string]prometheus.Counter)})
	return known.(*reasons)
}

// counter returns the counter of a reason.
func (rs *reasons) counter(point, rule, reason string) prometheus.Counter {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c, ok := rs.counters[reason]
	if !ok {
		c = PassedTotal.WithLabelValues(point, rule, reason)
		rs.counters[reason] = c
	}
	return c
}

// counts returns the counts that are not 0.
func (rs *reasons) counts() map[string]uint64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	counts := make(map[string]uint64)
	for reason, counter := range rs.counters {
		if n := counterValue(counter); n > 0 {
			counts[reason] = n
		}
	}
	return counts
}

// Pass counts a request that a point let pass, or a rule of that name at the point.
func Pass(point, rule, reason string) { reasonsOf(point, rule).counter(point, rule, reason).Inc() }

// PassedCounts returns the counts of a point, or of a rule at it, that are not 0.
func PassedCounts(point, rule string) map[string]uint64 { return reasonsOf(point, rule).counts() }
