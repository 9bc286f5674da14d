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

// Len returns the number of experiments.
func (s *Snapshot) Len() int {
	if s == nil {
		return 0
	}
	return len(s.live)
}

// Place identifies an injection point. An experiment applies to a transport only if it
// names the transport.
type Place struct {
	Point     string
	Transport bool
}

// PlaceOf returns the place of a configured point.
func PlaceOf(point *rules.Point) Place {
	return Place{Point: point.Name, Transport: point.Place == faults.InTransport}
}

// AppliesTo returns the names of the places to which an experiment applies.
func AppliesTo(e interface{ At(Place) bool }, places []Place) []string {
	names := []string{}
	for _, place := range places {
		if e.At(place) {
			names = append(names, place.Point)
		}
	}
	return names
}

// Guests returns the experiments at a place, or nil.
func (s *Snapshot) Guests(at Place) *rules.Guests {
	if s == nil {
		return nil
	}
	if known, ok := s.guests.Load(at); ok {
		return known.(*rules.Guests)
	}
	var found []*rules.Rule
	several := make(map[*rules.Rule]bool) // the points that apply it
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
