package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"go.uber.org/zap"
)

// document is the object that a group shares. Writers lock it, load it, change
// it and store it, so that none loses the change of another.
type document struct {
	// Version counts the changes, so it is never 0.
	Version     uint64            `json:"version"`
	Switch      State             `json:"switch"`
	Experiments map[string]record `json:"experiments"`
}

// record is an experiment in the document.
type record struct {
	Experiment json.RawMessage `json:"experiment"`
	Revision   uint64          `json:"revision"`
	Started    time.Time       `json:"started"`
	Ends       *time.Time      `json:"ends,omitempty"`
}

func (g *Group) key() string { return "fault/" + g.name + ".json" }

// load reads the document. What is no document is left alone; without one, data
// is nil.
func (m *Member) load(ctx context.Context) (doc *document, data []byte, err error) {
	data, err = m.storage.Load(ctx, m.key())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return newDocument(), nil, nil
	case err != nil:
		return nil, nil, err
	}
	if doc, err = parse(data); err != nil {
		return nil, nil, fmt.Errorf("%s is corrupt: %w", m.key(), err)
	}
	return doc, data, nil
}

func newDocument() *document { return &document{Experiments: make(map[string]record)} }

func parse(data []byte) (*document, error) {
	doc := newDocument()
	if err := json.Unmarshal(data, doc); err != nil {
		return nil, err
	}
	if doc.Version == 0 { // as of null or {}, which would resume and end everything
		return nil, errors.New("it has no version")
	}
	if doc.Experiments == nil { // it said null
		doc.Experiments = make(map[string]record)
	}
	return doc, nil
}

// errGone says that there is no document any more. Some storages say so as well
// when they cannot be reached, so nothing is ended because of it.
var errGone = errors.New("the shared object is gone")

// pull loads the document and applies it if it has changed.
func (m *Member) pull(ctx context.Context) (*document, error) {
	doc, data, err := m.load(ctx)
	switch {
	case err != nil:
		return nil, err
	case data == nil && m.seen != nil:
		return nil, errGone
	case data == nil:
		return m.recreate(), nil // a new group begins with what its first node has
	case !m.joined || !bytes.Equal(data, m.seen):
		if m.halted && !doc.Switch.Halted && doc.Version <= m.version {
			// no resume, which counts on: a node that had lost the lock has stored
			// what there was before the halt
			state := m.sw.State()
			doc.halt(state)
			m.deliver(&state)
		}
		m.apply(doc)
		m.saw(doc, data)
		m.joined = true
	}
	return doc, nil
}

// saw remembers the document that this node is in step with.
func (g *Group) saw(doc *document, data []byte) {
	g.seen, g.version, g.halted = data, doc.Version, doc.Switch.Halted
}

// recreate makes the document anew: as this node has seen it last, which can be
// more than it has. One that the configuration halts has no experiment, and one
// that it could not load is missing. A new group begins with what there is.
func (g *Group) recreate() *document {
	if doc, err := parse(g.seen); err == nil {
		return doc
	}
	doc := newDocument()
	doc.Version = g.version
	if g.halted {
		doc.Switch = g.sw.State()
	}
	for _, live := range g.store.List() {
		doc.Experiments[live.Name] = newRecord(live)
	}
	return doc
}

// apply makes this node like the document.
func (m *Member) apply(doc *document) {
	m.turn(doc)
	for _, live := range m.store.List() {
		if _, still := doc.Experiments[live.Name]; !still {
			_ = m.store.Delete(live.Name, nil) // it may have expired meanwhile
		}
	}
	if m.sw.Halted() {
		return // by its configuration, or by itself from before the group
	}
	for name, rec := range doc.Experiments {
		live := m.store.Get(name)
		if rec.over() || live != nil && (rec.is(live) || m.goOn(live, rec)) {
			continue
		}
		if err := m.adopt(name, rec); err != nil && m.ignored[name] != rec.Revision {
			m.ignored[name] = rec.Revision
			m.logger.Error("ignoring a shared experiment", zap.String("experiment", name), zap.Error(err))
		}
	}
}

// turn makes the switch like the document. A halt of this node alone stays.
func (m *Member) turn(doc *document) {
	if doc.Switch.Halted || m.halted {
		m.sw.Set(doc.Switch)
	}
}

// adopt begins an experiment of another node.
func (m *Member) adopt(name string, rec record) error {
	e, err := Parse(name, rec.Experiment)
	if err != nil {
		return err
	}
	live, err := m.store.prepare(e, rec.Experiment)
	if err != nil {
		return err
	}
	if err := m.store.admit(name, nil); err != nil {
		live.unload()
		return err
	}
	live.take(rec)
	m.store.commit(live)
	return nil
}

// goOn extends an experiment as another node has done, if that is all that has
// been done.
func (m *Member) goOn(live *Live, rec record) bool {
	if !rec.isExtended(live) {
		return false
	}
	e, err := Parse(live.Name, rec.Experiment)
	if err != nil {
		return false
	}
	next := live.extended(e, rec.Experiment)
	next.take(rec)
	return m.store.commitExtended(next) == nil
}

// take makes the times and the number of an experiment those of the record.
func (l *Live) take(rec record) {
	l.Revision, l.Started, l.Ends = rec.Revision, rec.Started, time.Time{}
	if rec.Ends != nil {
		l.Ends = *rec.Ends
	}
}

func newRecord(l *Live) record {
	rec := record{Experiment: l.JSON, Revision: l.Revision, Started: l.Started}
	if !l.Ends.IsZero() {
		rec.Ends = &l.Ends
	}
	return rec
}

// is reports whether the experiment is this one. One that is older than the
// group has a number of this process alone.
func (rec *record) is(l *Live) bool {
	return l.Revision == rec.Revision && l.Started.Equal(rec.Started)
}

func (rec *record) over() bool { return rec.Ends != nil && !rec.Ends.After(time.Now()) }

// halt stops all faults of the group, and ends its experiments.
func (doc *document) halt(state State) {
	doc.Switch = state
	doc.Experiments = make(map[string]record)
}

// prune forgets what is over.
func (doc *document) prune() {
	for name, rec := range doc.Experiments {
		if rec.over() {
			delete(doc.Experiments, name)
		}
	}
}
