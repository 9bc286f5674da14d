package experiments

import (
	"sync"
	"sync/atomic"
)

// visits counts the requests that come to the points where experiments are. There is
// one number for a place and not one for each experiment, of which there may be
// many: an experiment knows what the numbers were when it began.
type visits struct{ byPlace sync.Map } // *atomic.Uint64 by Place

// at is the number of one place.
func (v *visits) at(place Place) *atomic.Uint64 {
	known, ok := v.byPlace.Load(place)
	if !ok {
		known, _ = v.byPlace.LoadOrStore(place, new(atomic.Uint64))
	}
	return known.(*atomic.Uint64)
}

// traffic is what has come to one experiment.
type traffic struct {
	all *visits

	mu     sync.Mutex
	before map[Place]uint64 // what had come when it began
}

// newTraffic begins to count.
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

// came is how many requests have come to the places of the experiment.
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

// Seen returns how many requests the experiment was asked about at its points, since
// it began or since the last reset, and how many of them it has matched. A request
// that comes to several of its points counts at each.
func (l *Live) Seen() (came, matched uint64) {
	matched, unasked := l.Experiment.Seen()
	came = l.traffic.came(l) // after the others, so as not to be less
	return max(came, matched+unasked) - unasked, matched
}

// Reset sets all counts of the experiment back to the start.
func (l *Live) Reset() {
	l.traffic.reset()
	l.Experiment.Reset()
}
