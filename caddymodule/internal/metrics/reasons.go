package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// allReasons has the reasons by [seriesKey]. A series is in it as long as it is in
// [PassedTotal].
var allReasons sync.Map // of *reasons

// seriesKey is the labels that a rule has in all series.
type seriesKey struct{ point, rule string }

// reasons is the counters of the requests that a rule let pass. Each comes with the
// first such request: ten thousand rules have few of the many that there could be.
type reasons struct {
	seriesKey

	known [rules.NumReasons]atomic.Pointer[prometheus.Counter]

	mu    sync.Mutex
	other map[string]prometheus.Counter // of reasons that only the kinds of fault know
}

// reasonsOf returns the reasons of a rule. They outlive a reload, as the series do.
func reasonsOf(point, rule string) *reasons {
	key := seriesKey{point, rule}
	if known, ok := allReasons.Load(key); ok {
		return known.(*reasons)
	}
	known, _ := allReasons.LoadOrStore(key, &reasons{seriesKey: key})
	return known.(*reasons)
}

// count counts a request that a rule let pass.
func (rs *reasons) count(reason rules.Reason) {
	c := rs.known[reason].Load()
	if c == nil {
		fresh := PassedTotal.WithLabelValues(rs.point, rs.rule, reason.String())
		c = &fresh
		rs.known[reason].Store(c)
	}
	(*c).Inc()
}

// countOther counts one for a reason of a kind.
func (rs *reasons) countOther(reason string) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	c, ok := rs.other[reason]
	if !ok {
		if rs.other == nil {
			rs.other = make(map[string]prometheus.Counter)
		}
		c = PassedTotal.WithLabelValues(rs.point, rs.rule, reason)
		rs.other[reason] = c
	}
	c.Inc()
}

// counts returns the counts so far.
func (rs *reasons) counts() map[string]uint64 {
	counts := make(map[string]uint64)
	for reason := range rs.known {
		if c := rs.known[reason].Load(); c != nil {
			counts[rules.Reason(reason).String()] = counterValue(*c)
		}
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for reason, c := range rs.other {
		counts[reason] = counterValue(c)
	}
	return counts
}

// PassPoint counts a request that a point itself let pass.
func PassPoint(point string, reason rules.Reason) { reasonsOf(point, "").count(reason) }

// PassOther counts one that a rule of that name at a point let pass, by a reason
// that is none of a rule.
func PassOther(point, rule, reason string) { reasonsOf(point, rule).countOther(reason) }

// PassedCounts returns the counts of a point, or of a rule at it, that are not 0.
func PassedCounts(point, rule string) map[string]uint64 { return reasonsOf(point, rule).counts() }
