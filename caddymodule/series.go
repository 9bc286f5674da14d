package caddymodule

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

const (
	maxSeries  = 100              // names of experiments in metrics at a time
	maxKinds   = 10               // chains of kinds that one name may have had
	maxKind    = 128              // bytes of such a chain
	keepSeries = 10 * time.Minute // how long one stays after the experiment
	otherRule  = "other"          // the name of what is above these
)

// experimentSeries is the names of experiments in metrics: whoever may start
// experiments must not be able to fill the memory of a Prometheus.
type experimentSeries struct {
	mu    sync.Mutex
	known map[string]*namedSeries // by the name of the experiment
}

func newExperimentSeries() *experimentSeries {
	return &experimentSeries{known: make(map[string]*namedSeries)}
}

// namedSeries is what there is under a name.
type namedSeries struct {
	points map[string]struct{}
	kinds  map[string]struct{}
	doomed *time.Timer // nil while the experiment is on
}

// metrics are the counters of an experiment at a point.
func (s *experimentSeries) metrics(point string, live *experiments.Live) ruleMetrics {
	s.mu.Lock()
	defer s.mu.Unlock()
	named, over := s.known[live.Name], live.Ended().Err() != nil // over: for a request in flight
	switch {
	case named == nil && (over || len(s.known) >= maxSeries):
		return newRuleMetrics(point, otherRule, otherRule)
	case named == nil:
		named = &namedSeries{points: make(map[string]struct{}), kinds: make(map[string]struct{})}
		s.known[live.Name] = named
	case named.doomed != nil && !over:
		named.doomed.Stop()
		named.doomed = nil
	}
	named.points[point] = struct{}{}
	return newRuleMetrics(point, live.Name, named.kind(live.KindNames()))
}

// kind is the label for the kinds of an experiment, which may be another one each
// time it is put.
func (n *namedSeries) kind(names string) string {
	if _, known := n.kinds[names]; !known && (len(n.kinds) == maxKinds || len(names) > maxKind) {
		return otherRule
	}
	n.kinds[names] = struct{}{}
	return names
}

// forget deletes the series of an experiment that is over, some time later,
// when they have been scraped. Those of a point where there is a rule of that
// name by then, from a reload, stay.
func (s *experimentSeries) forget(name string, taken func(point string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if named := s.known[name]; named != nil && named.doomed == nil {
		named.doomed = time.AfterFunc(keepSeries, func() { s.drop(name, taken) })
	}
}

// drop deletes the series, if the experiment has not been started again.
func (s *experimentSeries) drop(name string, taken func(point string) bool) {
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
		labels := prometheus.Labels{"point": point, "rule": name}
		injectedTotal.DeletePartialMatch(labels)
		passedTotal.DeletePartialMatch(labels)
		delaySeconds.DeletePartialMatch(labels)
	}
}
