package experiments

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"
)

// WhyExtended tells a watcher of an experiment that it is not over, but has
// another time.
const WhyExtended = "extended"

// Extends reports whether a merge patch of an experiment changes nothing but its
// time and its note.
func Extends(patch []byte) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(patch, &members) != nil || members == nil {
		return false
	}
	dropTime(members)
	return len(members) == 0
}

func dropTime(members map[string]json.RawMessage) {
	delete(members, "ttl")
	delete(members, "note")
}

// Extend gives an experiment that is on another time, from now on, and another
// note. It goes on with its counts and with what it holds.
func (s *Store) Extend(e *Experiment, data []byte, when Condition) (*Live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.hasLocked(e.Name, when); err != nil {
		return nil, err
	}
	s.revision++
	live := s.live[e.Name].extended(e, data, s.now())
	live.Revision = s.revision
	s.goOn(live)
	return live, nil
}

// Extend does so on all nodes.
func (m *Member) Extend(e *Experiment, data []byte, when Condition) (live *Live, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.exchange(func(doc *document) error {
		if m.more {
			return ErrBehind
		}
		if err := m.store.has(e.Name, when); err != nil {
			return err
		}
		live = m.store.Get(e.Name).extended(e, data, m.store.now())
		live.Revision = doc.Version + 1
		doc.Experiments[e.Name] = doc.Experiments[e.Name].extended(live)
		return nil
	}, nil)
	if err != nil {
		return nil, err
	}
	return live, m.store.commitExtended(live)
}

// commitExtended puts an experiment in the place of itself, if it is still on.
func (s *Store) commitExtended(l *Live) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ended.Err() != nil {
		return ErrUnknown
	}
	s.goOn(l)
	return nil
}

// extended is the experiment with the time, from now on, and the note of e.
func (l *Live) extended(e *Experiment, data []byte, now time.Time) *Live {
	same := *l.Experiment
	same.TTL, same.Note = e.TTL, e.Note
	return &Live{
		Experiment: &same, JSON: compact(data), Started: l.Started, stamped: l.stamped, Ends: same.ends(now),
		traffic: l.traffic, ended: l.ended, end: l.end, unload: l.unload,
	}
}

// goOn puts an experiment in the place of itself.
func (s *Store) goOn(l *Live) {
	if before := s.live[l.Name]; before.timer != nil {
		before.timer.Stop()
	}
	l.Owner = l
	s.live[l.Name] = l
	s.wind(l)
	s.publish()
	s.tell(l, WhyExtended)
}

// isExtended reports whether the record is the experiment, but for its time and
// its note.
func (rec *record) isExtended(l *Live) bool {
	var mine, other map[string]json.RawMessage
	if !l.stamp().Equal(rec.Started) || json.Unmarshal(l.JSON, &mine) != nil || json.Unmarshal(compact(rec.Experiment), &other) != nil {
		return false
	}
	dropTime(mine)
	dropTime(other)
	return maps.EqualFunc(mine, other, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}
