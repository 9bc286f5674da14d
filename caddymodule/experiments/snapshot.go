package experiments

import (
	"sync"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Snapshot is the live experiments at one time.
type Snapshot struct {
	live   []*Live
	guests sync.Map // *rules.Guests by Place
	visits *visits
}

// Place is where a point stands. At a transport only those experiments are
// guests that name it.
type Place struct {
	Point     string
	Transport bool
}

// PlaceOf returns where a configured point stands.
func PlaceOf(point *rules.Point) Place {
	return Place{Point: point.Name, Transport: point.Place == faults.InTransport}
}

// AppliesTo is the names of those places that an experiment is for.
func AppliesTo(e interface{ At(Place) bool }, places []Place) []string {
	names := []string{}
	for _, place := range places {
		if e.At(place) {
			names = append(names, place.Point)
		}
	}
	return names
}

// Guests is the experiments at a place. Nil is none.
func (s *Snapshot) Guests(at Place) *rules.Guests {
	if s == nil {
		return nil
	}
	if known, ok := s.guests.Load(at); ok {
		return known.(*rules.Guests)
	}
	var found []*rules.Rule
	several := make(map[*rules.Rule]bool) // points at which a request can meet it
	for _, l := range s.live {
		if l.At(at) {
			found = append(found, &l.Rule)
			several[&l.Rule] = !l.onePoint()
		}
	}
	guests := rules.NewGuests(found, func(rule *rules.Rule) bool { return several[rule] }, s.visits.at(at))
	s.guests.Store(at, guests)
	return guests
}
