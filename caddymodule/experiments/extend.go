package experiments

import (
	"bytes"
	"encoding/json"
	"maps"
	"time"
)

// WhyExtended is the reason given to a watcher of an experiment whose end has changed.
const WhyExtended = "extended"

// Extends reports whether a merge patch of an experiment changes only its ttl and its
// note.
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

// Extend gives a running experiment a new ttl, counted from now, and a new note. Its
// counters and held requests are not affected.
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

// Extend extends the experiment on all nodes of the group.
func (m *Member) Extend(e *Experiment, data []byte, when Condition) (live *Live, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var held *Live
	err = m.exchange(func(doc *document) (err error) {
		if m.more {
			return ErrBehind
		}
		if held, err = m.store.hold(e.Name, when); err != nil {
			return err
		}
		live = held.extended(e, data, m.store.now())
		live.Revision = doc.Version + 1
		doc.Experiments[e.Name] = doc.Experiments[e.Name].extended(live)
		return nil
	})
	if err != nil {
		m.store.release(held)
		return nil, err
	}
	return live, m.store.commitExtended(live)
}

// hold keeps an experiment from expiring while its extension is stored. Otherwise it
// could end on this node, and continue on the others.
func (s *Store) hold(name string, when Condition) (*Live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.hasLocked(name, when); err != nil {
		return nil, err
	}
	l := s.live[name]
	if l.timer != nil && !l.timer.Stop() {
		return nil, ErrUnknown // it is about to end
	}
	return l, nil
}

// release lets an experiment expire again that was held, if any.
func (s *Store) release(l *Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l != nil && s.live[l.Name] == l {
		s.wind(l)
	}
}

// commitExtended replaces an experiment with its extended version if it is still
// running.
func (s *Store) commitExtended(l *Live) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.ended.Err() != nil {
		return ErrUnknown
	}
	s.goOn(l)
	return nil
}

// extended returns the experiment with the ttl of e, counted from now, and the note of
// e.
func (l *Live) extended(e *Experiment, data []byte, now time.Time) *Live {
	same := *l.Experiment
	same.TTL, same.Note, same.By = e.TTL, e.Note, e.By
	return &Live{
		Experiment: &same, JSON: compact(data), Set: l.Set, Replaces: l.Replaces, Started: l.Started, stamped: l.stamped, together: l.together, Ends: same.ends(now),
		Labels: l.Labels, traffic: l.traffic, ended: l.ended, end: l.end, unload: l.unload,
	}
}

// goOn replaces an experiment with its extended version.
func (s *Store) goOn(l *Live) {
	if before := s.live[l.Name]; before.timer != nil {
		before.timer.Stop()
	}
	l.Owner = l
	s.live[l.Name] = l
	s.wind(l)
	s.publish()
	s.tell(l, WhyExtended, l.By)
}

// isExtended reports whether the record differs from the experiment only in ttl and
// note.
func (rec *record) isExtended(l *Live) bool {
	var mine, other map[string]json.RawMessage
	if !l.stamp().Equal(rec.Started) || json.Unmarshal(l.JSON, &mine) != nil || json.Unmarshal(compact(rec.Experiment), &other) != nil {
		return false
	}
	dropTime(mine)
	dropTime(other)
	return maps.EqualFunc(mine, other, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}
