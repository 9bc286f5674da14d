package experiments

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// clockSlack is how far clocks may differ before that counts. A change takes up to
// StorageTime from when it is made until others can see it.
const clockSlack = StorageTime

// sight is what this node makes of a record when it first sees it.
type sight struct {
	record

	// ends is when the experiment ends by the clock of this node; zero: never.
	ends time.Time

	// until is when it has ended whatever the clocks say; zero: that is unknown.
	until time.Time

	// skew is how far the clock of the writer is ahead; 0: it is not known to
	// differ.
	skew time.Duration
}

func (s *sight) over(now time.Time) bool { return !s.ends.IsZero() && !s.ends.After(now) }

// see notes which records of a document are new, and when. It comes before the
// version is noted.
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
	m.warnOfClock(worst)
}

// firstSight finds out when an experiment ends by the clock of this node. A record
// that was not there when this node last looked has been written since then. If it
// says otherwise, or comes from the future, the clocks differ, and the experiment
// lives from now on. Nothing is known of one from before that.
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

// warnOfClock says in the state and the log how far the clocks differ.
func (m *Member) warnOfClock(experiment string) {
	text := ""
	if s := m.known[experiment]; s != nil && s.skew != 0 {
		way := "ahead of"
		if s.skew < 0 {
			way = "behind"
		}
		text = fmt.Sprintf("experiment '%s' comes from a node whose clock is about %s %s the clock of this node: set the clocks, as with NTP",
			experiment, s.skew.Abs().Round(time.Second), way)
	}
	m.status.Lock()
	defer m.status.Unlock()
	if text != "" && text != m.skew {
		m.logger.Warn(text, zap.String("group", m.name))
	}
	m.skew = text
}

// prune forgets what has ended, however the clocks differ. What this node has not
// seen for long enough, and what it does not understand, stays.
func (m *Member) prune(doc *document) {
	now := m.store.now()
	for name, s := range m.known {
		if !s.until.IsZero() && !now.Before(s.until) {
			delete(doc.Experiments, name)
		}
	}
}
