package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// memory is a storage in which single calls can fail.
type memory struct {
	objects sync.Map // []byte by key

	mu      sync.Mutex
	lock    chan struct{}    // has an element while it is held
	failing map[string]error // by the name of the call
	storing func()           // called once, before an object is stored
}

func (m *memory) fail(err error, calls ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = make(map[string]error)
	for _, call := range calls {
		m.failing[call] = err
	}
}

func (m *memory) fails(call string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failing[call]
}

func (m *memory) Lock(ctx context.Context, _ string) error {
	if err := m.fails("lock"); err != nil {
		return err
	}
	select {
	case m.held() <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *memory) Unlock(context.Context, string) error {
	<-m.held()
	return m.fails("unlock")
}

func (m *memory) held() chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lock == nil {
		m.lock = make(chan struct{}, 1)
	}
	return m.lock
}

func (m *memory) Store(_ context.Context, key string, value []byte) error {
	if err := m.fails("store"); err != nil {
		return err
	}
	if storing := m.storing; storing != nil {
		m.storing = nil
		storing()
	}
	m.objects.Store(key, bytes.Clone(value))
	return nil
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	if err := m.fails("load"); err != nil {
		return nil, err
	}
	value, ok := m.objects.Load(key)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return value.([]byte), nil
}

var errDown = errors.New("connection refused")

const object = "fault/staging.json"

// node is a node of a group.
type node struct {
	*bench
	*Member
	logs *observer.ObservedLogs
}

func newNode(t testing.TB, storage Storage) *node {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	b := newBench(t)
	return &node{b, NewGroup("staging", b.sw, b.Store).Member(storage, zap.New(core)), logs}
}

// reload makes the node a member with a new configuration.
func (n *node) reload() { n.Member = n.Group.Member(n.storage, n.logger) }

// put starts an experiment on all nodes.
func (n *node) put(name, settings string, when Condition) error {
	data := []byte(`{` + settings + `"points": ["*"], ` + closing + `}`)
	e, err := Parse(name, data)
	if err != nil {
		return err
	}
	_, _, err = n.Member.Start(Batch{Drafts: []Draft{{e, data}}, When: when})
	return err
}

// step syncs and describes the state of the node.
func (n *node) step() []string {
	n.Sync(n.t.Context())
	return n.has()
}

func (n *node) has() []string {
	names := []string{}
	for _, live := range n.List() {
		names = append(names, live.Name)
	}
	if n.bench.sw.Halted() {
		names = append(names, "HALTED")
	}
	return names
}

func (n *node) want(got []string, want ...string) {
	n.t.Helper()
	if !slices.Equal(got, want) {
		n.t.Errorf("the node has %q, want %q", got, want)
	}
}

// inStep checks the result of State.
func (n *node) inStep(problem string, pending bool) {
	n.t.Helper()
	state := n.State()
	if !strings.Contains(state.Error, problem) || (problem == "") != (state.Error == "") || state.Pending != pending {
		n.t.Errorf("state is %+v, want the error %q and pending %t", state, problem, pending)
	}
}

func halted(why string) State {
	now := time.Now()
	return State{Halted: true, Since: &now, Why: why}
}

func resumed() State {
	now := time.Now()
	return State{Since: &now}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestShareFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("one", `"ttl": "1h", `, nil))
		must(t, b.put("two", `"ttl": 0, `, nil)) // has not pulled: must not lose the first
		a.want(a.step(), "one", "two")
		b.want(b.step(), "one", "two")
		for _, name := range []string{"one", "two"} {
			if x, y := a.Get(name), b.Get(name); x.Revision != y.Revision || !x.Ends.Equal(y.Ends) || !x.Started.Equal(y.Started) {
				t.Errorf("%s: revision %d, %v to %v on one node, %d, %v to %v on the other", name, x.Revision, x.Started, x.Ends, y.Revision, y.Started, y.Ends)
			}
		}
		before := a.Get("one")
		a.want(a.step(), "one", "two")
		if a.Get("one") != before {
			t.Error("an unchanged experiment was begun again")
		}
		must(t, a.put("one", `"ttl": "2h", `, nil))
		b.want(b.step(), "one", "two")
		if !b.Get("one").Ends.Equal(a.Get("one").Ends) {
			t.Error("the replaced experiment has another end on the other node")
		}
		must(t, b.Member.Delete("two", "", nil))
		a.want(a.step(), "one")
		a.inStep("", false)
		if state := a.State(); state.Group != a.Name() || state.Synced == nil {
			t.Errorf("state is %+v", state)
		}
	})
}

func TestShareConditions(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("one", "", nil))
	never := func(*Live) bool { return false }
	if err := b.put("one", "", never); !errors.Is(err, ErrModified) {
		t.Errorf("put: got %v, want %v", err, ErrModified)
	}
	if err := b.Member.Delete("one", "", never); !errors.Is(err, ErrModified) {
		t.Errorf("delete: got %v, want %v", err, ErrModified)
	}
	if err := b.Member.Delete("none", "", nil); !errors.Is(err, ErrUnknown) {
		t.Errorf("delete: got %v, want %v", err, ErrUnknown)
	}
	if b.unloaded != 1 {
		t.Errorf("%d unloaded, want the refused one", b.unloaded)
	}
	b.want(b.has(), "one") // even a refused change has shown the document
	b.inStep("", false)
}

func TestShareHalt(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("one", "", nil))
	must(t, b.Member.Halt(halted("api")))
	a.want(a.step(), "HALTED")
	if err := a.put("two", "", nil); !errors.Is(err, ErrHalted) {
		t.Errorf("put while halted: got %v, want %v", err, ErrHalted)
	}
	must(t, a.Resume(resumed()))
	b.want(b.step())

	must(t, a.Member.Halt(halted("api")))
	b.Sync(t.Context())
	must(t, a.Member.Halt(halted("again"))) // b has not seen this one
	if err := b.Resume(resumed()); !errors.Is(err, ErrHaltedAgain) {
		t.Errorf("resume: got %v, want %v", err, ErrHaltedAgain)
	}
	b.want(b.has(), "HALTED")
	if why := b.bench.sw.State().Why; why != "again" {
		t.Errorf("halted by %q, want the last halt", why)
	}
	must(t, b.Resume(resumed()))
	a.want(a.step())

	must(t, a.Member.Halt(halted("api")))
	late := newNode(t, storage)
	must(t, late.Restore(t.Context()))
	late.want(late.has(), "HALTED")
}

// Whatever cannot be reached, a halt takes effect immediately and is delivered later.
// All other changes are refused and change nothing.
func TestShareStorageDown(t *testing.T) {
	for _, call := range []string{"lock", "load", "store"} {
		t.Run(call, func(t *testing.T) {
			storage := new(memory)
			a, b := newNode(t, storage), newNode(t, storage)
			must(t, a.put("one", "", nil))
			b.want(b.step(), "one")

			storage.fail(errDown, call)
			for name, err := range map[string]error{
				"put":    a.put("two", "", nil),
				"delete": a.Member.Delete("one", "", nil),
				"resume": a.Resume(resumed()),
			} {
				if !errors.Is(err, ErrStorage) || !errors.Is(err, errDown) {
					t.Errorf("%s: got %v, want %v", name, err, ErrStorage)
				}
			}
			a.want(a.has(), "one")
			a.inStep(errDown.Error(), false)
			if err := a.Member.Halt(halted("api")); !errors.Is(err, ErrStorage) {
				t.Errorf("halt: got %v, want %v", err, ErrStorage)
			}
			a.want(a.step(), "HALTED")
			a.inStep(errDown.Error(), true)
			if err := a.Resume(resumed()); !errors.Is(err, ErrStorage) {
				t.Errorf("resume before the halt is delivered: got %v, want %v", err, ErrStorage)
			}
			if got := a.logs.FilterMessageSnippet("not synchronized").Len(); got != 1 {
				t.Errorf("%d lines say that the storage is away, want 1", got)
			}

			storage.fail(nil)
			a.want(a.step(), "HALTED")
			a.inStep("", false)
			b.want(b.step(), "HALTED")
			if a.logs.FilterMessageSnippet("synchronized with the group again").Len() != 1 {
				t.Error("no line says that the storage is back")
			}
		})
	}
}

// While a storage is read-only, a node follows the others and reports why it cannot
// make a change. It finds out without a change when the storage can be written again.
func TestShareReadOnly(t *testing.T) {
	for _, call := range []string{"lock", "store"} {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("one", "", nil))
		storage.fail(errDown, call)
		if err := a.put("two", "", nil); !errors.Is(err, ErrStorage) {
			t.Errorf("%s: put: got %v, want %v", call, err, ErrStorage)
		}
		for _, name := range []string{"three", "two"} {
			storage.fail(nil)
			must(t, b.put(name, "", nil))
			storage.fail(errDown, call)
			for range 3 {
				a.Sync(t.Context())
				a.inStep(errDown.Error(), false)
			}
			_ = a.Member.Delete("none", "", nil) // refused, if it gets that far
			a.inStep(errDown.Error(), false)
		}
		a.want(a.has(), "one", "three", "two")
		storage.fail(nil)
		a.Sync(t.Context())
		a.inStep("", false)
		if out, in := a.logs.FilterMessageSnippet("not synchronized").Len(), a.logs.FilterMessageSnippet("synchronized with the group again").Len(); out != 1 || in != 1 {
			t.Errorf("%s: %d lines say that it is not synchronized, %d that it is again, want one each", call, out, in)
		}
	}
}

// A lock that another node keeps does not stop a node from following.
func TestShareFollowsWhileLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a := newNode(t, storage)
		must(t, storage.Lock(t.Context(), object))
		if err := a.put("one", "", nil); !errors.Is(err, ErrStorage) {
			t.Errorf("put: got %v, want %v", err, ErrStorage)
		}
		for range 3 {
			start := time.Now()
			a.Sync(t.Context())
			if took := time.Since(start); took > tryTime {
				t.Errorf("took %v to look", took)
			}
			a.inStep("waiting for the lock", false)
		}
		must(t, storage.Unlock(t.Context(), object))
		a.Sync(t.Context())
		a.inStep("", false)
		must(t, a.put("one", "", nil))
	})
}

func TestShareUnlockFails(t *testing.T) {
	storage := new(memory)
	a := newNode(t, storage)
	storage.fail(errDown, "unlock")
	must(t, a.put("one", "", nil))
	if a.logs.FilterMessageSnippet("unlocking").Len() != 1 {
		t.Error("no line reports the lock")
	}
}

// An object that has vanished ends nothing. It is made again.
func TestShareGone(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("one", `"ttl": 0, `, nil))
	b.want(b.step(), "one")
	storage.objects.Delete(object)
	a.want(a.step(), "one")
	b.want(b.step(), "one")
	a.inStep("", false)

	storage.objects.Delete(object)
	must(t, b.put("two", "", nil))
	a.want(a.step(), "one", "two")

	must(t, a.Member.Halt(halted("api")))
	b.Sync(t.Context())
	storage.objects.Delete(object)
	b.want(b.step(), "HALTED")
	late := newNode(t, storage)
	late.want(late.step(), "HALTED")
}

// A node that lacks some of the group's experiments makes the object again with all of
// them.
func TestShareGoneWhereSomeAreMissing(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	pinned := halted("configuration")
	b.bench.sw.Pin(&pinned)
	b.bench.sw.Set(pinned)
	must(t, a.put("one", `"ttl": 0, `, nil))
	a.edit(func(doc *document) {
		doc.Experiments["foreign"] = record{Experiment: json.RawMessage(`{"faults": [{"fault": "of_another_build"}]}`), Revision: 100}
	})
	b.want(b.step(), "HALTED")
	storage.objects.Delete(object)
	b.want(b.step(), "HALTED")
	a.want(a.step(), "one")
	doc := a.document()
	if _, there := doc.Experiments["foreign"]; !there {
		t.Errorf("the object has %v, want the experiment that no node here knows, too", doc.Experiments)
	}
	if doc.Switch.Halted {
		t.Error("a node's own halt has become one of the group")
	}
}

// A node that joins again while the object is missing begins with its current state,
// not with the state of when it left.
func TestShareGoneBeforeJoining(t *testing.T) {
	storage := new(memory)
	a := newNode(t, storage)
	must(t, a.put("old", `"ttl": 0, `, nil))
	must(t, a.bench.Delete("old", "", nil)) // by a configuration without the group
	storage.objects.Delete(object)
	a.Join(false)
	a.reload()
	a.want(a.step())
	must(t, a.put("new", "", nil))
	a.want(a.step(), "new")
}

// An invalid experiment in the storage is reported once and left out. The others
// continue.
func TestShareIgnores(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("good", "", nil))
	for name, experiment := range map[string]string{
		"file":   `{"points": ["*"], "faults": [{"fault": "respond", "status_code": 500, "body_file": "/etc/passwd"}]}`,
		"kind":   `{"points": ["*"], "faults": [{"fault": "no_such_kind"}]}`,
		"nobody": `{"faults": [{"fault": "close"}]}`,
	} {
		a.edit(func(doc *document) {
			doc.Experiments[name] = record{Experiment: json.RawMessage(experiment), Revision: 100, Started: time.Now()}
		})
	}
	for range 3 {
		a.edit(func(doc *document) { doc.Version++ })
		b.want(b.step(), "good")
	}
	if got := b.logs.FilterMessageSnippet("ignoring").Len(); got != 3 {
		t.Errorf("%d lines, want one for each bad experiment", got)
	}
	b.inStep("", false)
	a.edit(func(doc *document) {
		delete(doc.Experiments, "file")
		doc.Version++
	})
	b.step()
	if len(b.ignored) != 2 {
		t.Errorf("remembers %d bad experiments, want the 2 that are still there", len(b.ignored))
	}
}

// document is the document that the nodes share.
func (n *node) document() *document {
	n.t.Helper()
	data, err := n.storage.Load(n.t.Context(), object)
	must(n.t, err)
	doc, err := parse(data)
	must(n.t, err)
	return doc
}

// edit changes the document without the nodes.
func (n *node) edit(change func(*document)) {
	n.t.Helper()
	doc := n.document()
	change(doc)
	data, err := doc.encode()
	must(n.t, err)
	must(n.t, n.storage.Store(n.t.Context(), object, data))
}

// Follow keeps up within the interval. Expired experiments do not stay in the document
// for long.
func TestShareFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Second
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		ctx, stop := context.WithCancel(t.Context())
		go b.Follow(ctx, interval, func() {})
		synctest.Wait()
		must(t, a.put("short", `"ttl": "1m", `, nil))
		time.Sleep(interval)
		synctest.Wait()
		b.want(b.has(), "short")
		time.Sleep(time.Minute)
		synctest.Wait()
		b.want(b.has())
		late := newNode(t, storage)
		late.want(late.step())
		must(t, a.put("next", "", nil))
		if doc := a.document(); len(doc.Experiments) != 1 {
			t.Errorf("the document has %v, want what is on only", doc)
		}
		stop()
		synctest.Wait()
	})
}

// Concurrent puts, deletes and halts leave all nodes in the same state.
func TestShareConcurrent(t *testing.T) {
	storage := new(memory)
	nodes := []*node{newNode(t, storage), newNode(t, storage), newNode(t, storage)}
	names := []string{"a", "b", "c", "d"}
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() {
			for round := range 50 {
				name := names[(i+round)%len(names)]
				switch round % 5 {
				case 3:
					_ = n.Member.Delete(name, "", nil)
				case 4:
					n.Sync(t.Context())
				default:
					if err := n.put(name, `"ttl": 0, `, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	var all [][]string
	for _, n := range nodes {
		all = append(all, n.step())
	}
	if !slices.Equal(all[0], all[1]) || !slices.Equal(all[0], all[2]) {
		t.Errorf("the nodes have %q", all)
	}
}

// A group begins with the experiments of its first node. A node that joins later takes
// over what exists, and does so again whenever its configuration changes.
func TestShareJoin(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	a.mustPut("old", "")
	b.mustPut("own", "")
	a.Sync(t.Context())
	must(t, a.put("new", "", nil))
	a.Sync(t.Context())
	a.want(a.has(), "new", "old")
	b.Sync(t.Context())
	b.want(b.has(), "new", "old")

	must(t, b.bench.Delete("old", "", nil)) // by a configuration without the group
	b.reload()
	b.Sync(t.Context())
	b.want(b.has(), "new", "old")
}

// An experiment of a node alone is not mistaken for one of the group with the same
// number.
func TestShareSameRevision(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("x", "", nil))
	b.bench.revision = a.Get("x").Revision - 1
	lonely := b.mustPut("x", `"percent": 1,`)
	if shared := a.Get("x"); shared.Revision != lonely.Revision {
		t.Fatalf("the revisions are %d and %d", shared.Revision, lonely.Revision)
	}
	b.Sync(t.Context())
	if live := b.Get("x"); live == lonely || live.Percent != nil {
		t.Error("the node keeps its own experiment")
	}
}

// A node that was halted when it joined takes over the experiments of the group once it
// resumes.
func TestShareJoinHalted(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("x", "", nil))
	b.bench.sw.Set(halted("api"))
	b.Sync(t.Context())
	b.want(b.has(), "HALTED")
	must(t, b.Resume(resumed()))
	b.Sync(t.Context())
	b.want(b.has(), "x")
}

// An object without experiments has several forms.
func TestShareOddObjects(t *testing.T) {
	for _, odd := range []string{`{"version": 1}`, `{"version": 1, "experiments": null}`, `{"version": 1, "experiments": {"x": null}}`} {
		storage := new(memory)
		must(t, storage.Store(t.Context(), object, []byte(odd)))
		a := newNode(t, storage)
		a.Sync(t.Context())
		if err := a.put("x", "", nil); err != nil {
			t.Errorf("%s: %v", odd, err)
		}
		a.want(a.has(), "x")
	}
}

// A halt that could not be delivered also halts its node again, if the other nodes have
// resumed meanwhile.
func TestSharePendingHalt(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.Halt(halted("api")))
	b.Sync(t.Context())
	storage.fail(errDown, "lock")
	if err := a.Halt(halted("api")); !errors.Is(err, ErrStorage) {
		t.Fatalf("the halt says %v", err)
	}
	storage.fail(nil)
	must(t, b.Resume(resumed()))
	a.Sync(t.Context())
	b.Sync(t.Context())
	a.want(a.has(), "HALTED")
	b.want(b.has(), "HALTED")
}

// A halt outlasts an older document, which a node stores that was stuck and has lost
// its lock.
func TestShareHaltOutlastsLateStore(t *testing.T) {
	for _, late := range []uint64{0, 1} { // it has the number from before, or that of the halt
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("one", "", nil))
		before, _ := storage.Load(t.Context(), object)
		must(t, a.Member.Halt(halted("api")))
		b.want(b.step(), "HALTED")
		must(t, storage.Store(t.Context(), object, before))
		b.edit(func(doc *document) { doc.Version += late })
		if err := a.Resume(resumed()); !errors.Is(err, ErrHaltedAgain) {
			t.Errorf("resume: got %v, want %v", err, ErrHaltedAgain)
		}
		a.want(a.has(), "HALTED")
		if err := a.put("two", "", nil); !errors.Is(err, ErrHalted) {
			t.Errorf("put: got %v, want %v", err, ErrHalted)
		}
		b.want(b.step(), "HALTED")
		a.want(a.step(), "HALTED")
		b.want(b.step(), "HALTED")
		a.inStep("", false)
		if doc := a.document(); !doc.Switch.Halted {
			t.Errorf("the document is %+v, want it halted", doc)
		}
		must(t, a.Resume(resumed()))
		b.want(b.step())
	}
}

// A halt wins over a resume of the same node at the same time.
func TestShareHaltWhileResuming(t *testing.T) {
	storage := new(memory)
	a := newNode(t, storage)
	must(t, a.Halt(halted("api")))
	halt, done := halted("second"), make(chan error, 1)
	storage.storing = func() {
		go func() { done <- a.Halt(halt) }()
		for a.bench.sw.State().Why != halt.Why {
			runtime.Gosched()
		}
	}
	must(t, a.Resume(resumed()))
	must(t, <-done)
	a.want(a.has(), "HALTED")
}

// A node that takes over a halt when it starts also takes over its end.
func TestShareRestore(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.Halt(halted("api")))
	must(t, b.Restore(t.Context()))
	b.want(b.has(), "HALTED")
	must(t, a.Resume(resumed()))
	b.Sync(t.Context())
	b.want(b.has())
}

// A node that begins halted because its group was halted resumes if the group has
// resumed meanwhile, but not because the object is missing.
func TestShareInheritHalt(t *testing.T) {
	storage := new(memory)
	inheriting := func() *node {
		n := newNode(t, storage)
		n.bench.sw.Set(halted("api"))
		n.Join(true)
		return n
	}
	gone := inheriting()
	must(t, gone.Restore(t.Context()))
	gone.want(gone.step(), "HALTED")

	must(t, gone.Resume(resumed()))
	for _, b := range []*node{inheriting(), inheriting()} {
		must(t, b.Restore(t.Context()))
		b.want(b.has())
		b.want(b.step())
	}
	late := inheriting()
	storage.fail(errDown, "load")
	if err := late.Restore(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("got %v, want %v", err, errDown)
	}
	late.want(late.has(), "HALTED")
	storage.fail(nil)
	late.want(late.step())
}

// While a halt is being stored, a document that was resumed meanwhile starts nothing on
// the halted node.
func TestShareHaltStaysHalted(t *testing.T) {
	storage := new(memory)
	for _, pending := range []bool{false, true} {
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.Halt(halted("api")))
		b.Sync(t.Context())
		must(t, b.Resume(resumed()))
		must(t, b.put("one", "", nil))
		turns := 0
		a.bench.sw.Watch(func(*Turn) { turns++ })
		if pending {
			storage.fail(errDown, "lock")
			if err := a.Halt(halted("again")); !errors.Is(err, ErrStorage) {
				t.Fatalf("the halt says %v", err)
			}
			storage.fail(nil)
			a.Sync(t.Context())
		} else {
			must(t, a.Halt(halted("again")))
		}
		if turns > 0 {
			t.Errorf("pending %t: the switch was turned %d times", pending, turns)
		}
		a.wantTold()
		a.inStep("", false)
		b.want(b.step(), "HALTED")
		must(t, b.Resume(resumed()))
	}
}

// An experiment that another node has replaced ends, also if this node cannot load the
// new one.
func TestShareIgnoresReplacement(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.put("x", `"ttl": 0, `, nil))
	must(t, a.start("outage", "y", "z"))
	b.want(b.step(), "x", "y", "z")
	for _, name := range []string{"x", "y"} {
		a.edit(func(doc *document) {
			rec := doc.Experiments[name]
			rec.raw, rec.Revision = nil, doc.Version+1
			rec.Experiment = json.RawMessage(`{"points": ["*"], "faults": [{"fault": "of_another_build"}]}`)
			doc.Experiments[name] = rec
			doc.Version++
		})
	}
	b.want(b.step(), "z")
	b.wantTold("x", "y", "z", "x replaced", "y replaced")
	if b.unloaded != 2 {
		t.Errorf("unloaded %d, want the 2 that were replaced", b.unloaded)
	}
}
