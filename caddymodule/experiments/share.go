package experiments

import (
	"context"
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

// ErrStorage says that a change could not be shared, and has not been made. One
// that a storage takes when nobody waits for it any more is found in it later, as
// if another node had made it.
var ErrStorage = errors.New("the shared storage cannot be used")

// ErrHaltedAgain says that a halt has come between, and beats the resume.
var ErrHaltedAgain = errors.New("faults have been halted again meanwhile")

// StorageTime bounds what one change may wait for the storage.
const StorageTime = 5 * time.Second

// tryTime is the same for a node that only tries whether it could make one, and
// should not stop following for long.
const tryTime = 2 * time.Second

// Group keeps the experiments and the switch of this process the same as those
// of all nodes that share a document.
type Group struct {
	name  string
	sw    *Switch
	store *Store

	mu      sync.Mutex // held over each exchange with the storage
	seen    []byte     // the document as it was applied last
	version uint64     // of it
	looked  time.Time  // when it was loaded last
	halted  bool       // whether it was halted
	halt    *State     // that still has to be delivered; written under status, too
	failed  bool       // the last change could not be stored
	known   map[string]*sight

	status   sync.Mutex
	synced   time.Time // the last exchange that went well
	err      error     // of the last one
	skew     string    // how far the clocks differ
	replaced string    // the last corrupt object
}

// NewGroup joins the store and the switch to a group.
func NewGroup(name string, sw *Switch, store *Store) *Group {
	return &Group{name: name, sw: sw, store: store, known: make(map[string]*sight)}
}

// Name is the name of the group.
func (g *Group) Name() string { return g.name }

// Member is the group with the storage of one configuration.
type Member struct {
	*Group
	storage Storage
	logger  *zap.Logger
	joined  bool // the document has been applied for this configuration
	more    bool // its time was up before that
	full    bool // the last experiment had no room
	ignored map[string]*sight
}

// Member makes the group reachable for a configuration.
func (g *Group) Member(storage Storage, logger *zap.Logger) *Member {
	return &Member{Group: g, storage: Bound(storage), logger: logger, ignored: make(map[string]*sight)}
}

// Join says, when the process joins the group, whether it is halted because the
// group was when it left: that halt is over when the group says so. One of the
// process alone stays. What it saw before it left is of no account.
func (g *Group) Join(halted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.halted, g.seen = halted, nil
}

// Restore takes over the switch only, before anything is injected. Experiments
// need a running configuration.
func (m *Member) Restore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StorageTime)
	defer cancel()
	m.mu.Lock()
	defer m.mu.Unlock()
	data, err := m.storage.Load(ctx, m.key())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	doc, err := m.read(data)
	if err == nil {
		m.turn(doc)
		m.halted = doc.Switch.Halted
	}
	return err
}

// Follow keeps in step until ctx is done, and calls behind each time it has
// looked.
func (m *Member) Follow(ctx context.Context, interval time.Duration, behind func()) {
	for {
		more := m.Sync(ctx)
		behind()
		// some jitter, lest all nodes ask at once
		pause := interval - time.Duration(rand.Int64N(int64(interval)/10+1)) //nolint:gosec // chance, not secrecy
		if more {
			pause = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Sync takes over what the others have changed, and delivers a halt that is due. It
// reports whether there is more to take over: it takes a while only, so that the
// next call meets a halt that has come meanwhile.
func (m *Member) Sync(ctx context.Context) (more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bound, cancel := context.WithTimeout(ctx, StorageTime)
	defer cancel()
	m.more = false
	if err := m.sync(bound); err == nil || ctx.Err() == nil { // else it has been told to stop
		m.note(err)
	}
	return m.more
}

func (m *Member) sync(ctx context.Context) error {
	if m.halt != nil {
		err := m.change(ctx, m.halting(*m.halt))
		if err == nil {
			m.deliver(nil)
		}
		return err
	}
	err := m.pull(ctx)
	switch {
	case errors.Is(err, errGone):
		return m.change(ctx, nil)
	case err == nil && m.failed: // some storages can be read but not locked or written to
		try, cancel := context.WithTimeout(ctx, tryTime)
		defer cancel()
		return m.change(try, nil)
	}
	return err
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
		if m.halt != nil || doc.Switch.Halted && !known.isHalt(doc.Switch) {
			return ErrHaltedAgain
		}
		doc.turn(state)
		return nil
	}, nil)
	if err == nil {
		m.sw.Set(state)
		m.joined = false // to take over what it could not while it was halted
	}
	return err
}

// Put begins an experiment on all nodes.
func (m *Member) Put(e *Experiment, data []byte, when Condition) (live *Live, created bool, err error) {
	if live, err = m.store.prepare(e, data); err != nil {
		return nil, false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.exchange(func(doc *document) error {
		if m.more {
			return ErrBehind
		}
		if err := m.store.admit(e.Name, when); err != nil {
			return err
		}
		if _, there := doc.Experiments[e.Name]; !there && len(doc.Experiments) >= MaxExperiments {
			return errFull(len(doc.Experiments))
		}
		live.begins(m.store.now()) // the others take it for the time of the change
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

// Delete ends an experiment on all nodes. Without a condition, it can be one that
// this node could not load.
func (m *Member) Delete(name string, when Condition) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.exchange(func(doc *document) error {
		if m.more && when != nil {
			return ErrBehind
		}
		_, there := doc.Experiments[name]
		if err := m.store.has(name, when); err != nil && (!there || when != nil) {
			return err
		}
		delete(doc.Experiments, name)
		return nil
	}, nil)
	if err == nil {
		_ = m.store.Delete(name, nil) // it may not be here, or may have expired meanwhile
	}
	return err
}
