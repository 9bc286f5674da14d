package caddymodule

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// experimentLabel is the label of an experiment at a point.
func experimentLabel(point string, live *experiments.Live) *label {
	if known, ok := live.Labels.Load(point); ok {
		return known.(*label)
	}
	fresh := newLabel(point, &live.Rule, newRuleMetrics(point, series.name(live.Name), live.KindNames()))
	known, _ := live.Labels.LoadOrStore(point, fresh)
	return known.(*label)
}

const (
	maxSeries  = 100              // names of experiments in metrics at a time
	keepSeries = 10 * time.Minute // how long one stays after the experiment
	otherRule  = "other"          // the name of those above
)

// series is the names of experiments in metrics: whoever may start experiments
// must not be able to fill the memory of a Prometheus.
var series = experimentSeries{doomed: make(map[string]*time.Timer)}

type experimentSeries struct {
	mu     sync.Mutex
	doomed map[string]*time.Timer // by name; nil while the experiment is on
}

// name is what the experiment is called in metrics.
func (s *experimentSeries) name(experiment string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	timer, known := s.doomed[experiment]
	if !known && len(s.doomed) >= maxSeries {
		return otherRule
	}
	if timer != nil {
		timer.Stop()
	}
	s.doomed[experiment] = nil
	return experiment
}

// forgetExperiment deletes the series of an experiment some time after its end,
// when they have been scraped.
func forgetExperiment(live *experiments.Live) {
	series.mu.Lock()
	defer series.mu.Unlock()
	if _, known := series.doomed[live.Name]; !known {
		return
	}
	series.doomed[live.Name] = time.AfterFunc(keepSeries, func() { series.drop(live) })
}

func (s *experimentSeries) drop(live *experiments.Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.doomed[live.Name] == nil {
		return // it has been started again
	}
	delete(s.doomed, live.Name)
	live.Labels.Range(func(point, _ any) bool {
		labels := prometheus.Labels{"point": point.(string), "rule": live.Name}
		injectedTotal.DeletePartialMatch(labels)
		passedTotal.DeletePartialMatch(labels)
		delaySeconds.DeletePartialMatch(labels)
		return true
	})
}
