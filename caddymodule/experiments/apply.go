package experiments

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"go.uber.org/zap"
)

// sliceTime is how long a node applies experiments before it checks for a halt again.
const sliceTime = 500 * time.Millisecond

func (g *Group) key() string { return "fault/" + g.name + ".json" }

// corruptKey returns the key under which a corrupt object is kept after it has been
// replaced. The key is in a folder, so that it is never the key of a group.
func (g *Group) corruptKey() string { return "fault/corrupt/" + g.name + ".json" }

// corruptError reports an object that is not a valid document.
type corruptError struct {
	error
	data []byte
}

// errGone reports that the document no longer exists. Some storages also return this
// error when they cannot be reached, so no experiment ends because of it.
var errGone = errors.New("the shared object is gone")

// ErrBehind reports that a change cannot be checked until this node has all experiments
// of the group.
var ErrBehind = fmt.Errorf("%w: this node is still loading the experiments of the group; try again", ErrStorage)

// read parses the document. A corrupt document can still halt this node.
func (m *Member) read(data []byte) (*document, error) {
	doc, err := parse(data)
	if err == nil {
		return doc, nil
	}
	if doc.Switch.Halted {
		m.turn(doc)
		m.halted.Store(true)
		m.joined = false
	}
	return nil, &corruptError{fmt.Errorf("%s is corrupt: %w; a halt, a resume or another change replaces it and keeps a copy as %s",
		m.key(), err, m.corruptKey()), data}
}

// pull loads the document and applies it if it has changed. It does not replace a
// corrupt document.
func (m *Member) pull(ctx context.Context) error {
	looking := m.store.now()
	m.more = false
	data, err := m.storage.Load(ctx, m.key())
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.seen != nil:
		return errGone
	case errors.Is(err, fs.ErrNotExist): // a new group
	case err != nil:
		return err
	case !m.joined || !bytes.Equal(data, m.seen):
		doc, err := m.read(data)
		if err != nil {
			return err
		}
		if m.halted.Load() && !doc.Switch.Halted && !newer(doc.Version, m.version) {
			// A resume would count up. A node that had lost the lock has stored the
			// state from before the halt.
			state := m.sw.State()
			doc.halt(state)
			m.deliver(&state)
		}
		m.see(doc)
		m.joined = m.apply(doc)
		m.more = !m.joined
		m.saw(doc, data)
	}
	m.looked = looking
	return nil
}

// saw remembers the document that this node is synchronized with.
func (g *Group) saw(doc *document, data []byte) {
	g.seen, g.version = data, doc.Version
	g.halted.Store(doc.Switch.Halted)
}

// last returns the document as this node last saw it. The document can have experiments
// that this node lacks: those halted by its configuration, and those that it could not
// load. The document of a new group has the experiments of this node.
func (g *Group) last() *document {
	doc, err := parse(g.seen)
	if err != nil {
		doc = newDocument()
		doc.Version = g.version
		for _, live := range g.store.List() {
			doc.Experiments[live.Name] = newRecord(live)
		}
	}
	if g.halted.Load() && !doc.Switch.Halted {
		doc.halt(g.sw.State())
	}
	return doc
}

// apply makes the state of this node equal to the document. It reports whether that is
// complete. If its time slice has ended, the next pull continues.
func (m *Member) apply(doc *document) (complete bool) {
	defer func() {
		if complete || m.left {
			m.discard()
		}
	}()
	m.turn(doc)
	m.store.endWhere(func(l *Live) bool {
		_, still := doc.Experiments[l.Name]
		return !still
	}, WhyDeleted, byGroup)
	began := time.Now()
	for _, team := range doc.teams() {
		if m.sw.Halted() {
			return true // by its configuration, by a halt from before it joined the group, or by a concurrent halt
		}
		lacking := m.lacking(team)
		at, err := m.prepare(lacking, began)
		if err == nil {
			err = m.adopt(lacking)
		}
		switch {
		case errors.Is(err, errSlice):
			return false
		case err != nil && !m.ignore(lacking, at, err):
			return true
		}
	}
	return true
}

// lacking returns the members of a team that this node must start. It extends those that
// another node has extended.
func (m *Member) lacking(team []string) (names []string) {
	for _, name := range team {
		if m.ignored[name] == m.known[name] {
			return nil
		}
	}
	for _, name := range team {
		live, seen := m.store.Get(name), m.known[name]
		if !seen.over(m.store.now()) && (live == nil || !seen.is(live) && !m.goOn(live, seen)) {
			names = append(names, name)
		}
	}
	return names
}

// ignore logs, once, why experiments are left out: because of the experiment at. Their
// earlier versions end, because the group has replaced them. It reports whether the next
// ones can be tried.
func (m *Member) ignore(team []string, at string, err error) bool {
	if errors.Is(err, ErrHalted) {
		return false
	}
	m.store.endWhere(func(l *Live) bool { return slices.Contains(team, l.Name) }, WhyReplaced, byGroup)
	full := errors.Is(err, ErrFull)
	if !full || !m.full {
		fields := []zap.Field{zap.String("experiment", at), zap.Error(err)}
		if len(team) > 1 {
			fields = append(fields, zap.String("together", Names(team)))
		}
		m.logger.Error("ignoring a shared experiment", fields...)
	}
	if m.full = full; !full {
		for _, name := range team {
			m.ignored[name] = m.known[name]
		}
	}
	return !full
}

// turn sets the switch as the document says. A halt of this node alone remains, and one
// that the document does not have yet.
func (m *Member) turn(doc *document) {
	if doc.Switch.Halted || m.halted.Load() && m.halt == nil {
		m.sw.Set(doc.Switch)
	}
}

// goOn extends an experiment that another node has extended. It reports false if the
// other node has changed anything else.
func (m *Member) goOn(live *Live, seen *sight) bool {
	if !seen.isExtended(live) {
		return false
	}
	e, err := seen.parse(live.Name)
	if err != nil {
		return false
	}
	next := live.extended(e, seen.Experiment, m.store.now())
	next.take(seen)
	return m.store.commitExtended(next) == nil
}

// take sets the times and the revision of an experiment to those of the record, by the
// clock of this node.
func (l *Live) take(seen *sight) {
	if !l.stamp().Equal(seen.Started) {
		l.Started, l.stamped = seen.Started.Add(-seen.skew), seen.Started
	}
	l.Revision, l.Ends = seen.Revision, seen.ends
	l.Set, l.together = seen.Set, seen.Together
}
