package experiments

import (
	"encoding/json"
	"slices"
	"time"
)

// Past is an experiment that is over. It can be started again from its JSON.
type Past struct {
	Name    string          `json:"name"`
	JSON    json.RawMessage `json:"experiment"`
	Started time.Time       `json:"started"`
	Ended   time.Time       `json:"ended"`

	// Why it is over: `expired`, `deleted`, `replaced` or `halted`.
	Why  string `json:"why"`
	Hits uint64 `json:"hits"`

	// Points are the injection points that it was for in the end.
	Points []string `json:"-"`
}

// Why an experiment is over.
const (
	WhyExpired  = "expired"
	WhyDeleted  = "deleted"
	WhyReplaced = "replaced"
	WhyHalted   = "halted"
)

const (
	pastFor     = time.Hour // how long an experiment that is over is remembered,
	maxPast     = 1000      // how many of them
	maxPastJSON = 1 << 20   // and how many bytes of their JSON
)

// remember notes an experiment that is over.
func (s *Store) remember(l *Live, why string) {
	s.past = slices.Insert(s.past, 0, Past{
		Name: l.Name, JSON: l.JSON, Started: l.Started, Ended: s.now(), Why: why,
		Hits: l.Stats().Hits, Points: AppliesTo(l, s.places()),
	})
	s.forget()
}

// forget drops what has been over for long, and what is too much; but the last one
// may be of any size.
func (s *Store) forget() {
	size := 0
	for i, p := range s.past {
		size += len(p.JSON)
		if i == maxPast || i > 0 && size > maxPastJSON || s.now().Sub(p.Ended) > pastFor {
			clear(s.past[i:])
			s.past = s.past[:i]
			return
		}
	}
}

// Past is what has been over for less than an hour, the last one first.
func (s *Store) Past() []Past {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return slices.Clone(s.past)
}

// LastPast returns the last experiment of that name that has been over for less
// than an hour; nil if there is none.
func (s *Store) LastPast(name string) *Past {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	last := slices.IndexFunc(s.past, func(past Past) bool { return past.Name == name })
	if last < 0 {
		return nil
	}
	past := s.past[last]
	return &past
}
