package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Storage is what a group of nodes has in common: a part of Caddy's storage.
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
}

// ErrStorage says that a change could not be shared, and has not been made.
var ErrStorage = errors.New("the shared storage cannot be used")

// ErrHaltedAgain says that a halt has come between, and beats the resume.
var ErrHaltedAgain = errors.New("faults have been halted again meanwhile")

// StorageTime bounds what one change may wait for the storage.
const StorageTime = 5 * time.Second

// document is the object that a group shares. Writers lock it, load it, change
// it and store it, so that none loses the change of another.
type document struct {
	// Version counts the changes.
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

// Group keeps the experiments and the switch of this process the same as those
// of all nodes that share a document.
type Group struct {
	name  string
	sw    *Switch
	store *Store

	mu      sync.Mutex // held over each exchange with the storage
	seen    []byte     // the document as it was applied last
	version uint64     // of it
	halted  bool       // whether it was halted
	halt    *State     // that still has to be delivered; written under status, too
	ignored map[string]uint64

	status sync.Mutex
	synced time.Time // the last exchange that went well
	err    error     // of the last one
}

// NewGroup joins the store and the switch to a group.
func NewGroup(name string, sw *Switch, store *Store) *Group {
	return &Group{name: name, sw: sw, store: store, ignored: make(map[string]uint64)}
}

// Name is the name of the group.
func (g *Group) Name() string { return g.name }

// Member is the group with the storage of one configuration.
type Member struct {
	*Group
	storage Storage
	logger  *zap.Logger
	joined  bool // the document has been applied for this configuration
}

// Member makes the group reachable for a configuration.
func (g *Group) Member(storage Storage, logger *zap.Logger) *Member {
	return &Member{Group: g, storage: storage, logger: logger}
}

// Restore takes over the switch only, before anything is injected. Experiments
// need a running configuration.
func (m *Member) Restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StorageTime)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	doc, _, err := m.load(ctx)
	if err == nil && doc.Switch.Halted {
		m.sw.Set(doc.Switch)
		m.halted = true
	}
	return err
}

// GroupState tells how the sharing goes.
type GroupState struct {
	Group string `json:"group"`

	// Synced is when the node was last in step with the group; null: never.
	Synced *time.Time `json:"synced"`

	// Error is why it is not, at the moment.
	Error string `json:"error,omitempty"`

	// Pending says that a halt of this node still has to reach the others.
	Pending bool `json:"pending,omitempty"`

	// PerNode is what is not shared.
	PerNode []string `json:"per_node"`
}

// State is how the sharing goes.
func (g *Group) State() GroupState {
	g.status.Lock()
	defer g.status.Unlock()
	state := GroupState{Group: g.name, PerNode: []string{"counters", "times", "journal", "verify", "max_active"}}
	if !g.synced.IsZero() {
		synced := g.synced.UTC()
		state.Synced = &synced
	}
	if g.err != nil {
		state.Error = g.err.Error()
	}
	state.Pending = g.halt != nil
	return state
}

// Follow keeps in step until ctx is done.
func (m *Member) Follow(ctx context.Context, interval time.Duration) {
	for {
		m.Sync(ctx)
		// some jitter, lest all nodes ask at once
		pause := interval - time.Duration(rand.Int64N(int64(interval)/10+1)) //nolint:gosec // chance, not secrecy
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Sync takes over what the others have changed, and delivers a halt that is due.
func (m *Member) Sync(ctx context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, StorageTime)
	defer cancel()
	if m.halt != nil {
		err := m.change(ctx, m.halting(*m.halt))
		if err == nil {
			m.deliver(nil)
		}
		m.note(err)
		return
	}
	_, err := m.pull(ctx)
	if errors.Is(err, errGone) {
		err = m.change(ctx, func(*document) error { return nil })
	}
	m.note(err)
}

// Halt stops the faults of this node at once, and of the others as soon as the
// storage can be reached. An error says that it cannot be at the moment.
func (m *Member) Halt(state State) error {
	m.sw.Set(state)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sw.Set(state) // a resume may have come between
	return m.exchange(m.halting(state), func() { m.deliver(&state) })
}

// halting halts the group, and this node once more: what has been pulled before
// may have been a resume.
func (m *Member) halting(state State) func(*document) error {
	return func(doc *document) error {
		m.sw.Set(state)
		doc.halt(state)
		return nil
	}
}

// deliver keeps a halt for later; nil is none.
func (g *Group) deliver(state *State) {
	g.status.Lock()
	defer g.status.Unlock()
	g.halt = state
}

// Resume re-arms the group. A halt that this node has not seen yet wins.
func (m *Member) Resume(state State) error {
	known := m.sw.State()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halt != nil {
		return fmt.Errorf("%w: a halt still has to be delivered", ErrStorage)
	}
	err := m.exchange(func(doc *document) error {
		if doc.Switch.Halted && !sameTime(doc.Switch.Since, known.Since) {
			return ErrHaltedAgain
		}
		doc.Switch = state
		return nil
	}, nil)
	if err == nil {
		m.sw.Set(state)
		m.joined = false // to take over what it could not while it was halted
	}
	return err
}

func sameTime(a, b *time.Time) bool { return a != nil && b != nil && a.Equal(*b) }

// Put begins an experiment on all nodes.
func (m *Member) Put(e *Experiment, data []byte, when Condition) (live *Live, created bool, err error) {
	if live, err = m.store.prepare(e, data); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.exchange(func(doc *document) error {
		if err := m.store.admit(e.Name, when); err != nil {
			return err
		}
		live.Revision = doc.Version + 1
		doc.Experiments[e.Name] = newRecord(live)
		return nil
	}, nil)
	if err != nil {
		live.unload()
		return nil, false, err
	}
	created = m.store.commit(live)
	return live, created, nil
}

// Delete ends an experiment on all nodes.
func (m *Member) Delete(name string, when Condition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.exchange(func(doc *document) error {
		if err := m.store.has(name, when); err != nil {
			return err
		}
		delete(doc.Experiments, name)
		return nil
	}, nil)
	if err == nil {
		err = m.store.Delete(name, nil)
	}
	return err
}

// exchange makes a change for somebody who waits for it. When the storage cannot
// be used, it calls otherwise.
func (m *Member) exchange(change func(*document) error, otherwise func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), StorageTime)
	defer cancel()
	err := m.change(ctx, change)
	if refused := (refusedError{}); errors.As(err, &refused) {
		m.note(nil)
		return refused.error
	}
	m.note(err)
	if err != nil {
		if otherwise != nil {
			otherwise()
		}
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// refusedError is a change that was not wanted once the document was known.
type refusedError struct{ error }

// change takes over the document, changes it and stores it, under its lock.
func (m *Member) change(ctx context.Context, change func(*document) error) (err error) {
	if err := m.storage.Lock(ctx, m.key()); err != nil {
		return err
	}
	defer func() {
		unlock, cancel := context.WithTimeout(context.WithoutCancel(ctx), StorageTime)
		defer cancel()
		if unlockErr := m.storage.Unlock(unlock, m.key()); unlockErr != nil {
			m.logger.Warn("unlocking the shared experiments", zap.Error(unlockErr))
		}
	}()
	doc, err := m.pull(ctx)
	if errors.Is(err, errGone) { // the lock shows that the storage can be reached
		doc, err = m.recreate(), nil
	}
	if err != nil {
		return err
	}
	if err := change(doc); err != nil {
		return refusedError{err}
	}
	doc.Version++
	doc.prune()
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	if err := m.storage.Store(ctx, m.key(), data); err != nil {
		return err
	}
	m.saw(doc, data)
	return nil
}

func (g *Group) key() string { return "fault/" + g.name + ".json" }

// load reads the document. What is no document is left alone; without one, data
// is nil.
func (m *Member) load(ctx context.Context) (doc *document, data []byte, err error) {
	doc = &document{Experiments: make(map[string]record)}
	data, err = m.storage.Load(ctx, m.key())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return doc, nil, nil
	case err != nil:
		return nil, nil, err
	}
	if err := json.Unmarshal(data, doc); err != nil {
		return nil, nil, fmt.Errorf("%s is corrupt: %w", m.key(), err)
	}
	if doc.Experiments == nil { // it said null
		doc.Experiments = make(map[string]record)
	}
	return doc, data, nil
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

// recreate makes the document anew from what this node knows.
func (g *Group) recreate() *document {
	doc := &document{Version: g.version, Experiments: make(map[string]record)}
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
	if doc.Switch.Halted || m.halted {
		m.sw.Set(doc.Switch)
	}
	for _, live := range m.store.List() {
		if _, still := doc.Experiments[live.Name]; !still {
			_ = m.store.Delete(live.Name, nil) // it may have expired meanwhile
		}
	}
	if m.sw.Halted() {
		return // by its configuration, or by itself from before the group
	}
	for name, rec := range doc.Experiments {
		if live := m.store.Get(name); live != nil && rec.is(live) || rec.over() {
			continue
		}
		if err := m.adopt(name, rec); err != nil && m.ignored[name] != rec.Revision {
			m.ignored[name] = rec.Revision
			m.logger.Error("ignoring a shared experiment", zap.String("experiment", name), zap.Error(err))
		}
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
	live.Revision, live.Started, live.Ends = rec.Revision, rec.Started, time.Time{}
	if rec.Ends != nil {
		live.Ends = *rec.Ends
	}
	m.store.commit(live)
	return nil
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

// note keeps how an exchange went, and logs when that changes.
func (m *Member) note(err error) {
	m.status.Lock()
	defer m.status.Unlock()
	switch {
	case err != nil && (m.err == nil || m.err.Error() != err.Error()):
		m.logger.Error("out of step with the group: going on with what there is",
			zap.String("group", m.name), zap.Error(err))
	case err == nil && m.err != nil:
		m.logger.Info("in step with the group again", zap.String("group", m.name))
	}
	m.err = err
	if err == nil {
		m.synced = time.Now()
	}
}
