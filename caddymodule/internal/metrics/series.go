package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

const (
	// MaxSeries is how many names experiments have in metrics at a time.
	MaxSeries = 100

	// KeepSeries is how long a name stays after its experiment.
	KeepSeries = 10 * time.Minute

	// OtherRule is the name of what is above the bounds.
	OtherRule = "other"

	maxKinds = 10  // chains of kinds that one name may have had
	maxKind  = 128 // bytes of such a chain
)

// Series is the names of experiments in metrics: whoever may start
// experiments must not be able to fill the memory of a Prometheus.
type Series struct {
	mu    sync.Mutex
	known map[string]*namedSeries // by the name of the experiment
}

// NewSeries returns a series without names.
func NewSeries() *Series {
	return &Series{known: make(map[string]*namedSeries)}
}

// Len returns how many names there are.
func (s *Series) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.known)
}

// namedSeries is what there is under a name.
type namedSeries struct {
	points map[string]struct{}
	kinds  map[string]struct{}
	doomed *time.Timer // nil while the experiment is on
}

// Rule returns the counters of an experiment at a point.
func (s *Series) Rule(point string, live *experiments.Live) Rule {
	s.mu.Lock()
	defer s.mu.Unlock()
	named, over := s.known[live.Name], live.Ended().Err() != nil // over: for a request in flight
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

// kind is the label for the kinds of an experiment, which may be another one each
// time it is put.
func (n *namedSeries) kind(names string) string {
	if _, known := n.kinds[names]; !known && (len(n.kinds) == maxKinds || len(names) > maxKind) {
		return OtherRule
	}
	n.kinds[names] = struct{}{}
	return names
}

// Forget deletes the series of an experiment that is over, some time later,
// when they have been scraped. Those of a point where there is a rule of that
// name by then, from a reload, stay.
func (s *Series) Forget(name string, taken func(point string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if named := s.known[name]; named != nil && named.doomed == nil {
		named.doomed = time.AfterFunc(KeepSeries, func() { s.drop(name, taken) })
	}
}

// drop deletes the series, if the experiment has not been started again.
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
