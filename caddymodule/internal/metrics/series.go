package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

const (
	// MaxSeries is the maximum number of experiment names in the metrics at a time.
	MaxSeries = 100

	// KeepSeries is how long a name remains after its experiment has ended.
	KeepSeries = 10 * time.Minute

	// OtherRule is the name for everything above the limits.
	OtherRule = "other"

	maxKinds = 10  // maximum number of chains of kinds for one name
	maxKind  = 128 // maximum size of such a chain in bytes
)

// Series holds the names of experiments in the metrics. It limits them, because a
// client that may start experiments must not be able to fill the memory of a Prometheus
// server.
type Series struct {
	mu    sync.Mutex
	known map[string]*namedSeries // by the name of the experiment
}

// NewSeries returns a Series without names.
func NewSeries() *Series {
	return &Series{known: make(map[string]*namedSeries)}
}

// Len returns the number of names.
func (s *Series) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// namedSeries describes the series of one name.
type namedSeries struct {
	points map[string]struct{}
	kinds  map[string]struct{}
	doomed *time.Timer // nil while the experiment runs
}

// Rule returns the counters of an experiment at a point.
func (s *Series) Rule(point string, live *experiments.Live) Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	named, over := s.known[live.Name], live.Ended().Err() != nil // true for a request in flight
	switch {
	case named == nil && (over || len(s.known) >= MaxSeries):
		return NewRule(point, OtherRule, OtherRule)
	case named == nil:
		named = &namedSeries{points: make(map[string]struct{}), kinds: make(map[string]struct{})}
		s.known[live.Name] = named
	case named.doomed != nil && !over:
		named.doomed.Stop()
		named.doomed = nil
	}
	named.points[point] = struct{}{}
	return NewRule(point, live.Name, named.kind(live.KindNames()))
}

// kind returns the label for the kinds of an experiment, which can change each time the
// experiment is put.
func (n *namedSeries) kind(names string) string {
	if _, known := n.kinds[names]; !known && (len(n.kinds) == maxKinds || len(names) > maxKind) {
		return OtherRule
	}
	n.kinds[names] = struct{}{}
	return names
}

// Forget deletes the series of an experiment that has ended, after enough time for a
// scrape. If a reload has added a rule of the same name at a point by then, the series
// at that point remain.
func (s *Series) Forget(name string, taken func(point string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if named := s.known[name]; named != nil && named.doomed == nil {
		named.doomed = time.AfterFunc(KeepSeries, func() { s.drop(name, taken) })
	}
}

// drop deletes the series if the experiment has not been started again.
func (s *Series) drop(name string, taken func(point string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	named := s.known[name]
	if named == nil || named.doomed == nil {
		return
	}
	delete(s.known, name)
	for point := range named.points {
		if taken(point) {
			continue
		}
		allReasons.Delete(seriesKey{point, name})
		labels := prometheus.Labels{"point": point, "rule": name}
		InjectedTotal.DeletePartialMatch(labels)
		PassedTotal.DeletePartialMatch(labels)
		DelaySeconds.DeletePartialMatch(labels)
	}
}
