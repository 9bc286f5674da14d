package experiments

import (
	"encoding/json"
	"slices"
	"time"
)

// Past is an experiment that has ended. Its JSON can start it again.
type Past struct {
	Name    string          `json:"name"`
	JSON    json.RawMessage `json:"experiment"`
	Started time.Time       `json:"started"`
	Ended   time.Time       `json:"ended"`

	// Why it ended: `expired`, `deleted`, `replaced` or `halted`.
	Why  string `json:"why"`
	Hits uint64 `json:"hits"`

	// By is who ended it. Empty: it has expired, or nobody is known.
	By string `json:"by,omitempty"`

	// Points are the injection points to which it applied when it ended.
	Points []string `json:"-"`
}

// Reasons for the end of an experiment.
const (
	WhyExpired  = "expired"
	WhyDeleted  = "deleted"
	WhyReplaced = "replaced"
	WhyHalted   = "halted"
)

const (
	pastFor     = time.Hour // how long an ended experiment is remembered
	maxPast     = 1000      // how many are remembered
	maxPastJSON = 1 << 20   // total size of their JSON in bytes
)

// remember records an experiment that has ended.
func (s *Store) remember(l *Live, why, by string) {
	s.past = slices.Insert(s.past, 0, Past{
		Name: l.Name, JSON: l.JSON, Started: l.Started, Ended: s.now(), Why: why, By: by,
		Hits: l.Stats().Hits, Points: AppliesTo(l, s.places()),
	})
	s.forget()
}

// forget drops old experiments and those over the bounds. The latest is kept whatever
// its size.
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

// Past returns the experiments that ended less than an hour ago, latest first.
func (s *Store) Past() []Past {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	return slices.Clone(s.past)
}

// LastPast returns the latest experiment with this name that ended less than an hour
// ago, or nil.
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
