package metrics

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// allReasons holds the reasons by [seriesKey], as long as their series are in
// [PassedTotal].
var allReasons sync.Map // of *reasons

// seriesKey holds the labels that all series of a rule have.
type seriesKey struct{ point, rule string }

// reasons holds the counters of the requests that a rule let pass. Each counter is
// created for the first such request, because ten thousand rules need only a few of the
// possible counters.
type reasons struct {
	seriesKey

	known [rules.NumReasons]atomic.Pointer[prometheus.Counter]

	mu    sync.Mutex
	other map[string]prometheus.Counter // by reasons that only the kinds of fault define
}

// reasonsOf returns the reasons of a rule. They survive a reload, like the series.
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

// countOther counts a request with a reason of a kind of fault.
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

// PassPoint counts a request that the point as a whole let pass.
func PassPoint(point string, reason rules.Reason) { reasonsOf(point, "").count(reason) }

// PassOther counts a request that a rule at a point let pass, with a reason that is not
// a [rules.Reason].
func PassOther(point, rule, reason string) { reasonsOf(point, rule).countOther(reason) }

// PassedCounts returns the counts of a rule at a point that are not 0, or of the point
// itself if rule is empty.
func PassedCounts(point, rule string) map[string]uint64 { return reasonsOf(point, rule).counts() }
