package experiments

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Storage is the part of Caddy's storage that a group of nodes shares.
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
}

// ErrStorage reports that a change could not be shared and was not made. If the storage
// completes an abandoned call later, the change appears as if another node had made it.
var ErrStorage = errors.New("the shared storage cannot be used")

// ErrHaltedAgain reports a halt that happened during a resume. The halt wins.
var ErrHaltedAgain = errors.New("another halt happened during the resume; faults remain halted")

// errUndelivered reports that the other nodes do not know of a halt yet.
var errUndelivered = fmt.Errorf("%w: a halt is still waiting to be delivered", ErrStorage)

// StorageTime is how long one change may wait for the storage.
const StorageTime = 5 * time.Second

// tryTime is how long a node waits that only tests whether it could make a change,
// because it should not stop following for long.
const tryTime = 2 * time.Second

// Group synchronizes the experiments and the switch of this process with all nodes that
// share a document.
type Group struct {
	name  string
	sw    *Switch
	store *Store

	mu      sync.Mutex // held during each exchange with the storage
	seen    []byte     // the document as last applied
	version uint64     // of the document
	looked  time.Time  // when it was last loaded
	halt    *State     // still to be delivered; also written under status
	failed  bool       // the last change could not be stored
	known   map[string]*sight

	halted atomic.Bool // whether the document was halted; written under mu

	status   sync.Mutex
	synced   time.Time // time of the last successful exchange
	err      error     // of the last exchange
	skew     string    // how far the clocks differ
	replaced string    // about the last corrupt object
}

// NewGroup returns a group that synchronizes the store and the switch.
func NewGroup(name string, sw *Switch, store *Store) *Group {
	return &Group{name: name, sw: sw, store: store, known: make(map[string]*sight)}
}

// Name returns the name of the group.
func (g *Group) Name() string { return g.name }

// Halted reports whether the group was halted when this node last looked. A halt of this
// node alone does not count.
func (g *Group) Halted() bool { return g.halted.Load() }

// Member is a group with the storage of one configuration.
type Member struct {
	*Group
	storage Storage
	logger  *zap.Logger
	joined  bool // the document has been applied for this configuration
	more    bool // the time slice ended first
	full    bool // no room for the last experiment
	left    bool // it follows no longer
	ignored map[string]*sight
	ready   map[string]readied // loaded, but not started yet
}

// Member returns the group as a member with this storage.
func (g *Group) Member(storage Storage, logger *zap.Logger) *Member {
	return &Member{Group: g, storage: Bound(storage), logger: logger, ignored: make(map[string]*sight), ready: make(map[string]readied)}
}

// Join records, when the process joins the group, whether it is halted because the
// group was halted when the process left. Such a halt ends when the group says so. A
// halt of the process alone remains. Join discards the document from before.
func (g *Group) Join(halted bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = nil
	g.halted.Store(halted)
}

// Restore applies only the switch, before anything can be injected. Experiments need a
// running configuration.
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
		m.halted.Store(doc.Switch.Halted)
	}
	return err
}

// Follow synchronizes until ctx is done, and calls synced after each attempt.
func (m *Member) Follow(ctx context.Context, interval time.Duration, synced func()) {
	defer m.leave()
	for {
		more := m.Sync(ctx)
		synced()
		// Jitter keeps the nodes from loading at the same time.
		pause := interval - time.Duration(rand.Int64N(int64(interval)/10+1)) //nolint:gosec // jitter, not a secret
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

// Sync applies the changes of other nodes and delivers a pending halt. It stops after a
// while, so that the next call sees a halt that happened meanwhile, and reports whether
// changes remain.
func (m *Member) Sync(ctx context.Context) (more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	bound, cancel := context.WithTimeout(ctx, StorageTime)
	defer cancel()
	m.more = false
	if err := m.sync(bound); err == nil || ctx.Err() == nil { // otherwise following was stopped
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

// Halt stops the faults of this node immediately, and those of the other nodes as soon
// as the storage can be reached. It returns an error if the storage cannot be reached
// now.
func (m *Member) Halt(state State) error {
	m.sw.Set(state)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sw.Set(state) // a resume may have happened between
	m.deliver(&state)
	err := m.exchange(m.halting(state))
	if err == nil {
		m.deliver(nil)
	}
	return err
}

// Annotate sets the note of the halt on all nodes, unless another node has resumed. If the
// storage cannot be reached, only this node has the note.
func (m *Member) Annotate(note string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.halt != nil {
		state := *m.halt
		state.Note = note
		m.deliver(&state)
		return cmp.Or(m.sw.Annotate(note), errUndelivered)
	}
	err := m.exchange(func(doc *document) error {
		if !doc.Switch.Halted {
			return ErrNotHalted
		}
		state := doc.Switch
		state.Note = note
		doc.turn(state)
		return nil
	})
	if errors.Is(err, ErrNotHalted) {
		err = nil // this node may be halted alone
	}
	return cmp.Or(m.sw.Annotate(note), err)
}

// halting halts the group. The pulled document may have another halt, so it also sets
// the state of this node.
func (m *Member) halting(state State) func(*document) error {
	return func(doc *document) error {
		m.sw.Set(state)
		doc.halt(state)
		return nil
	}
}

// deliver keeps a halt to be stored later. Nil means none.
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
		return errUndelivered
	}
	err := m.exchange(func(doc *document) error {
		if m.halt != nil || doc.Switch.Halted && !known.isHalt(doc.Switch) {
			return ErrHaltedAgain
		}
		doc.turn(state)
		return nil
	})
	if err == nil {
		m.sw.Set(state)
		m.joined = false // loads what it could not load while halted
	}
	return err
}

// Delete ends an experiment on all nodes. Without a condition it can end an experiment
// that this node could not load.
func (m *Member) Delete(name, by string, when Condition) error {
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
	})
	if err == nil {
		_ = m.store.Delete(name, by, nil) // it may be missing here, or may have expired
	}
	return err
}
