package experiments

import (
	"sync"
	"sync/atomic"
)

// visits counts the requests at points that have experiments. There is one counter for
// each place, not for each experiment, because there may be many experiments. An
// experiment remembers the counters from when it began.
type visits struct{ byPlace sync.Map } // *atomic.Uint64 by Place

// at returns the counter of one place.
func (v *visits) at(place Place) *atomic.Uint64 {
	known, ok := v.byPlace.Load(place)
	if !ok {
		known, _ = v.byPlace.LoadOrStore(place, new(atomic.Uint64))
	}
	return known.(*atomic.Uint64)
}

// traffic counts the requests that reach one experiment.
type traffic struct {
	all *visits

	mu     sync.Mutex
	before map[Place]uint64 // counters when the experiment began
}

// newTraffic starts counting.
func newTraffic(all *visits) *traffic {
	s := &traffic{all: all}
	s.reset()
	return s
}

func (s *traffic) reset() {
	before := make(map[Place]uint64)
	for place, n := range s.all.byPlace.Range {
		if n := n.(*atomic.Uint64).Load(); n > 0 {
			before[place.(Place)] = n
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = before
}

// came returns how many requests have reached the places of the experiment.
func (s *traffic) came(e interface{ At(Place) bool }) (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for place, now := range s.all.byPlace.Range {
		if place := place.(Place); e.At(place) {
			n += now.(*atomic.Uint64).Load() - s.before[place]
		}
	}
	return n
}

// Seen returns how many requests have reached the points of the experiment since it
// began or was reset, and how many of them it matched. A request that reaches several
// of its points counts at each point.
func (l *Live) Seen() (came, matched uint64) {
	matched, unasked := l.Experiment.Seen()
	came = l.traffic.came(l) // loaded last, so that it is not smaller than the others
	return max(came, matched+unasked) - unasked, matched
}

// Reset resets all counters of the experiment.
func (l *Live) Reset() {
	l.traffic.reset()
	l.Experiment.Reset()
}
