package experiments

import (
	"fmt"
	"maps"
	"time"

	"go.uber.org/zap"
)

// clockSlack is how far clocks may differ without consequences. Others can see a change
// up to StorageTime after it was made.
const clockSlack = StorageTime

// sight is a record as this node understood it when it first saw it.
type sight struct {
	record

	// ends is the end of the experiment by the clock of this node. Zero means never.
	ends time.Time

	// until is a time by which the experiment has ended whatever the clocks say. Zero
	// means unknown.
	until time.Time

	// skew is how far the clock of the writer is ahead. Zero means that no difference
	// is known.
	skew time.Duration
}

func (s *sight) over(now time.Time) bool { return !s.ends.IsZero() && !s.ends.After(now) }

// see records which records of a document are new, and when this node saw them. It
// forgets those that are gone. Call it before saw, which stores the version.
func (m *Member) see(doc *document) {
	now := m.store.now()
	for name := range m.known {
		if _, still := doc.Experiments[name]; !still {
			delete(m.known, name)
		}
	}
	worst := ""
	for name, rec := range doc.Experiments {
		known := m.known[name]
		if known == nil || !known.same(rec) {
			m.known[name] = m.firstSight(doc, rec, now)
		}
		if before := m.known[worst]; before == nil || m.known[name].skew.Abs() > before.skew.Abs() {
			worst = name
		}
	}
	maps.DeleteFunc(m.ignored, func(name string, s *sight) bool { return m.known[name] != s })
	m.warnOfClock(worst)
}

// firstSight determines when an experiment ends by the clock of this node. If the
// record was missing when this node last looked, it has been written since. If the
// record contradicts this, or comes from the future, the clocks differ, and the
// lifetime begins now. The age of an older record is unknown.
func (m *Member) firstSight(doc *document, rec record, now time.Time) *sight {
	s := &sight{record: rec}
	if rec.Ends == nil {
		return s
	}
	s.ends = *rec.Ends
	life := rec.life()
	if life <= 0 {
		return s
	}
	s.until = now.Add(life)
	written := s.ends.Add(-life)
	isNew := rec.Revision > m.version && rec.Revision <= doc.Version && !m.looked.IsZero()
	if written.Sub(now) > clockSlack || isNew && m.looked.Sub(written) > clockSlack {
		s.ends, s.skew = s.until, written.Sub(now)
	}
	return s
}

// warnOfClock reports in the state and the log how far the clocks differ.
func (m *Member) warnOfClock(experiment string) {
	text := ""
	if s := m.known[experiment]; s != nil && s.skew != 0 {
		way := "ahead of"
		if s.skew < 0 {
			way = "behind"
		}
		text = fmt.Sprintf("experiment '%s' comes from a node whose clock is about %s %s the clock of this node; synchronize the clocks, for example with NTP",
			experiment, s.skew.Abs().Round(time.Second), way)
	}
	m.status.Lock()
	defer m.status.Unlock()
	if text != "" && text != m.skew {
		m.logger.Warn(text, zap.String("group", m.name))
	}
	m.skew = text
}

// prune removes experiments that have ended, however the clocks differ. It keeps
// records that this node has not seen for long enough or does not understand.
func (m *Member) prune(doc *document) {
	now := m.store.now()
	for name, s := range m.known {
		if !s.until.IsZero() && !now.Before(s.until) {
			delete(doc.Experiments, name)
		}
	}
}
