package experiments

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// memory is a storage that can be out of reach.
type memory struct {
	sync.Mutex // the lock that the nodes take

	mu      sync.Mutex
	object  []byte
	away    bool
	storing func() // called before an object is stored
}

var errAway = errors.New("out of reach")

func (s *memory) Lock(context.Context, string) error {
	if s.isAway() {
		return errAway
	}
	s.Mutex.Lock()
	return nil
}

func (s *memory) Unlock(context.Context, string) error {
	s.Mutex.Unlock()
	return nil
}

func (s *memory) Store(_ context.Context, _ string, value []byte) error {
	if s.storing != nil {
		s.storing()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.object = value
	return nil
}

func (s *memory) Load(context.Context, string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.away:
		return nil, errAway
	case s.object == nil:
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(s.object), nil
}

func (s *memory) isAway() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.away
}

func (s *memory) goAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
}

// peer is a node of a group.
type peer struct {
	*bench
	*Member
}

func newPeer(t *testing.T, storage Storage) *peer {
	b := newBench(t)
	return &peer{b, NewGroup("g", b.sw, b.Store).Member(storage, zap.NewNop())}
}

// reload makes the peer the member of a new configuration.
func (p *peer) reload() { p.Member = p.Group.Member(p.storage, p.logger) }

func (p *peer) sync() { p.Sync(p.t.Context()) }

func (p *peer) share(name string) error {
	data := []byte(`{"points": ["*"], ` + closing + `}`)
	e, err := Parse(name, data)
	if err == nil {
		_, _, err = p.Member.Put(e, data, nil)
	}
	return err
}

func (p *peer) wantNames(want string) {
	p.t.Helper()
	var names []string
	for _, live := range p.List() {
		names = append(names, live.Name)
	}
	if got := strings.Join(names, " "); got != want {
		p.t.Errorf("the node has the experiments %q, want %q", got, want)
	}
}

func (p *peer) wantHalted(want bool) {
	p.t.Helper()
	if got := p.bench.sw.Halted(); got != want {
		p.t.Errorf("halted: %v, want %v", got, want)
	}
}

func at(halted bool) State {
	now := time.Now()
	return State{Halted: halted, Since: &now}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A group begins with what its first node has; who comes later takes over what
// there is, and does so anew whenever its configuration changes.
func TestGroupJoin(t *testing.T) {
	storage := new(memory)
	a, b := newPeer(t, storage), newPeer(t, storage)
	a.mustPut("old", "")
	b.mustPut("other", "")
	a.sync()
	must(t, a.share("new"))
	a.sync()
	a.wantNames("new old")
	b.sync()
	b.wantNames("new old")

	must(t, b.bench.Delete("old", nil)) // by a configuration without the group
	b.reload()
	b.sync()
	b.wantNames("new old")
}

// An experiment of a node alone is not one of the group because both are the
// first of their kind.
func TestGroupSameRevision(t *testing.T) {
	storage := new(memory)
	a, b := newPeer(t, storage), newPeer(t, storage)
	must(t, a.share("x"))
	lonely := b.mustPut("x", `"percent": 1,`)
	if shared := a.Get("x"); shared.Revision != lonely.Revision {
		t.Fatalf("the revisions are %d and %d", shared.Revision, lonely.Revision)
	}
	b.sync()
	if live := b.Get("x"); live == lonely || live.Percent != nil {
		t.Error("the node keeps an experiment of its own")
	}
}

// A node that was halted when it joined takes over the experiments of the group
// once it resumes.
func TestGroupJoinHalted(t *testing.T) {
	storage := new(memory)
	a, b := newPeer(t, storage), newPeer(t, storage)
	must(t, a.share("x"))
	b.bench.sw.Set(at(true))
	b.sync()
	b.wantNames("")
	must(t, b.Resume(at(false)))
	b.sync()
	b.wantNames("x")
}

// An object without experiments can say so in more than one way.
func TestGroupOddObjects(t *testing.T) {
	for _, object := range []string{`{}`, `{"experiments": null}`, `{"experiments": {"x": null}}`, `null`} {
		a := newPeer(t, &memory{object: []byte(object)})
		a.sync()
		if err := a.share("x"); err != nil {
			t.Errorf("%s: %v", object, err)
		}
		a.wantNames("x")
	}
}

// A halt that could not be delivered halts its own node, too, when the others
// have resumed meanwhile.
func TestGroupPendingHalt(t *testing.T) {
	storage := new(memory)
	a, b := newPeer(t, storage), newPeer(t, storage)
	must(t, a.Halt(at(true)))
	b.sync()
	storage.goAway(true)
	if err := a.Halt(at(true)); !errors.Is(err, ErrStorage) {
		t.Fatalf("the halt says %v", err)
	}
	storage.goAway(false)
	must(t, b.Resume(at(false)))
	a.sync()
	b.sync()
	a.wantHalted(true)
	b.wantHalted(true)
}

// A halt wins that comes while the same node resumes.
func TestGroupHaltWhileResuming(t *testing.T) {
	storage := new(memory)
	a := newPeer(t, storage)
	must(t, a.Halt(at(true)))
	halt, halted := at(true), make(chan error, 1)
	halt.Why = "second"
	storage.storing = func() {
		storage.storing = nil
		go func() { halted <- a.Halt(halt) }()
		for a.bench.sw.State().Why != halt.Why {
			runtime.Gosched()
		}
	}
	must(t, a.Resume(at(false)))
	must(t, <-halted)
	a.wantHalted(true)
}

// A node that takes over a halt when it starts takes over its end as well.
func TestGroupRestore(t *testing.T) {
	storage := new(memory)
	a, b := newPeer(t, storage), newPeer(t, storage)
	must(t, a.Halt(at(true)))
	must(t, b.Restore(t.Context()))
	b.wantHalted(true)
	must(t, a.Resume(at(false)))
	b.sync()
	b.wantHalted(false)
}
