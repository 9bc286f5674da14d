package experiments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// newBatch returns experiments with these names. A name may have settings after a space.
func newBatch(t testing.TB, set string, names ...string) Batch {
	t.Helper()
	b := Batch{Set: set}
	for _, name := range names {
		name, settings, _ := strings.Cut(name, " ")
		data := []byte(`{` + settings + `"points": ["*"], ` + closing + `}`)
		e, err := Parse(name, data)
		must(t, err)
		b.Drafts = append(b.Drafts, Draft{e, data})
	}
	return b
}

func TestStoreStartsTogether(t *testing.T) {
	b := newBench(t)
	before := b.mustPut("b", "")
	started, created, err := b.Start(newBatch(t, "outage", "a", "b", "c"))
	must(t, err)
	if created != 2 || len(started) != 3 {
		t.Errorf("%d started, %d created, want 3 and 2", len(started), created)
	}
	for _, live := range started {
		if live.Revision != started[0].Revision || live.Set != "outage" || !live.Started.Equal(started[0].Started) || b.Get(live.Name) != live {
			t.Errorf("%s: revision %d of set '%s', started %v, want what the others have", live.Name, live.Revision, live.Set, live.Started)
		}
	}
	if !ended(before) {
		t.Error("the replaced experiment has not ended")
	}
	b.wantTold("b", "a", "b", "c", "b replaced")
	if next := b.mustPut("d", ""); next.Revision <= started[0].Revision {
		t.Errorf("the next revision is %d, want more than %d", next.Revision, started[0].Revision)
	}
	names, err := b.DeleteSet("outage", "")
	must(t, err)
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("ended %q, want %q", names, want)
	}
	if _, err := b.DeleteSet("outage", ""); !errors.Is(err, ErrUnknown) {
		t.Errorf("ended again: got %v, want %v", err, ErrUnknown)
	}
	if all := b.List(); len(all) != 1 || all[0].Name != "d" {
		t.Errorf("left: %d experiments, want d", len(all))
	}
}

// Whatever the reason, a refused batch changes nothing, and unloads what it has loaded.
func TestStoreStartsNone(t *testing.T) {
	b := newBench(t)
	old := b.mustPut("a", "")
	never := newBatch(t, "", "a", "b", "c")
	never.When = func(now *Live) bool { return now != nil }
	bad := newBatch(t, "", "a", "b", "c")
	for _, i := range []int{0, 2} {
		bad.Drafts[i].FaultsRaw = []json.RawMessage{[]byte(`{"fault": "none_such"}`)}
	}
	var large []string
	for i := range MaxExperiments {
		large = append(large, fmt.Sprint("e", i))
	}
	for _, tt := range []struct {
		name     string
		batch    Batch
		want     error
		texts    []string
		unloaded int
	}{
		{"condition", never, ErrModified, []string{"experiment 'b': precondition failed", "experiment 'c': precondition failed"}, 3},
		{"loading", bad, nil, []string{"experiment 'a': ", "; experiment 'c': ", "none_such"}, 1},
		{"room", newBatch(t, "", large...), ErrFull, []string{"there are 1 of at most 1000, and 1000 more would start"}, MaxExperiments},
	} {
		b.unloaded = 0
		_, _, err := b.Start(tt.batch)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			continue
		}
		for _, text := range tt.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: got %q, want %q", tt.name, err, text)
			}
		}
		if b.unloaded != tt.unloaded {
			t.Errorf("%s: %d unloaded, want %d", tt.name, b.unloaded, tt.unloaded)
		}
		if all := b.List(); len(all) != 1 || all[0] != old {
			t.Errorf("%s: %d experiments are on, want the old one", tt.name, len(all))
		}
	}
	b.sw.Set(halted("api"))
	if _, _, err := b.Start(newBatch(t, "", "x", "y")); !errors.Is(err, ErrHalted) {
		t.Errorf("halted: got %v, want %v", err, ErrHalted)
	}
	b.wantTold("a", "a halted")
}

// A reader of snapshots sees all experiments of a batch or none, however many batches
// start and end at the same time.
func TestStoreShowsWholeBatches(t *testing.T) {
	b := newBench(t)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				wantWhole(t, b.Snapshot())
			}
		}
	})
	for _, set := range []string{"x", "y"} {
		writers.Go(func() {
			for range 200 {
				if _, _, err := b.Start(newBatch(t, set, set+"1", set+"2", set+"3")); err != nil {
					t.Error(err)
				}
				if _, err := b.DeleteSet(set, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// wantWhole checks that each set has three experiments of one revision.
func wantWhole(t *testing.T, s *Snapshot) {
	t.Helper()
	if s == nil {
		return
	}
	sizes := make(map[string]int)
	for _, live := range s.live {
		sizes[fmt.Sprint(live.Set, " at revision ", live.Revision)]++
	}
	for set, n := range sizes {
		if n != 3 {
			t.Errorf("%d experiments of set %s are on, want 3", n, set)
		}
	}
}

// A set that starts again replaces itself, also in the snapshots.
func TestStoreStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first, _, err := b.Start(newBatch(t, "x", `a "ttl": "1m", `, "b"))
		must(t, err)
		time.Sleep(time.Second)
		second, created, err := b.Start(newBatch(t, "x", `a "ttl": "1m", `, "b"))
		must(t, err)
		if created != 0 || !ended(first[0]) || !ended(first[1]) || ended(second[0]) {
			t.Errorf("%d created, want the first start to have ended", created)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.Get("a") != nil || b.Get("b") == nil {
			t.Error("want only a to have expired")
		}
		if names, err := b.DeleteSet("x", ""); err != nil || len(names) != 1 {
			t.Errorf("ended %q, %v, want what is left", names, err)
		}
	})
}

func (n *node) start(set string, names ...string) error {
	_, _, err := n.Member.Start(newBatch(n.t, set, names...))
	return err
}

// One change of the document starts a batch on all nodes, and one ends a set.
func TestShareStartsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("c", "", nil))
		version := a.document().Version
		must(t, a.start("outage", "a", "b", "c"))
		if doc := a.document(); doc.Version != version+1 || len(doc.Experiments) != 3 {
			t.Errorf("version %d with %d experiments, want one change", doc.Version, len(doc.Experiments))
		}
		b.want(b.step(), "a", "b", "c")
		for _, name := range b.has() {
			x, y := a.Get(name), b.Get(name)
			if x.Revision != version+1 || y.Revision != x.Revision || y.Set != "outage" || !y.Started.Equal(x.Started) || y.together != x.together {
				t.Errorf("%s: got %+v and %+v", name, x, y)
			}
		}
		before := b.Get("a")
		b.want(b.step(), "a", "b", "c")
		if b.Get("a") != before {
			t.Error("an unchanged experiment was begun again")
		}
		names, err := b.Member.DeleteSet("outage", "") // started by the other node
		must(t, err)
		a.want(names, "a", "b", "c")
		a.want(a.step())
		if _, err := a.Member.DeleteSet("outage", ""); !errors.Is(err, ErrUnknown) {
			t.Errorf("ended again: got %v, want %v", err, ErrUnknown)
		}
	})
}

// A member of a set that is extended still belongs to it on each node.
func TestShareExtendsOneOfSeveral(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	must(t, a.start("outage", "a", "b"))
	b.want(b.step(), "a", "b")
	data := []byte(`{"points": ["*"], "ttl": "1h", ` + closing + `}`)
	e, err := Parse("a", data)
	must(t, err)
	_, err = b.Member.Extend(e, data, nil)
	must(t, err)
	a.want(a.step(), "a", "b")
	late := newNode(t, storage)
	late.want(late.step(), "a", "b")
	for _, n := range []*node{a, b, late} {
		if x, y := n.Get("a"), n.Get("b"); x.Set != "outage" || x.together == 0 || x.together != y.together {
			t.Errorf("a is of set '%s' and change %d, b of change %d", x.Set, x.together, y.together)
		}
	}
}

// Without the storage no experiment of a batch starts, on no node.
func TestShareStartsNone(t *testing.T) {
	for _, call := range []string{"lock", "load", "store"} {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		must(t, a.put("one", "", nil))
		storage.fail(errDown, call)
		if err := a.start("outage", "one", "two"); !errors.Is(err, ErrStorage) {
			t.Errorf("%s: got %v, want %v", call, err, ErrStorage)
		}
		if _, err := a.Member.DeleteSet("outage", ""); !errors.Is(err, ErrStorage) && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: end: got %v", call, err)
		}
		a.want(a.has(), "one")
		if a.unloaded != 2 {
			t.Errorf("%s: %d unloaded, want 2", call, a.unloaded)
		}
		storage.fail(nil)
		b.want(b.step(), "one")
	}
}

// The document has room for all experiments of a batch, or none is added.
func TestShareHasNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // no time slice ends, however busy the machine is
		storage := new(memory)
		a := newNode(t, storage)
		must(t, a.put("one", "", nil))
		a.edit(func(doc *document) {
			for i := range MaxExperiments - 2 {
				doc.Experiments[fmt.Sprint("foreign", i)] = record{Experiment: json.RawMessage(`{"faults": [{"fault": "of_another_build"}]}`), Revision: 100}
			}
		})
		if err := a.start("", "two", "three"); !errors.Is(err, ErrFull) {
			t.Errorf("got %v, want %v", err, ErrFull)
		}
		a.want(a.has(), "one")
		must(t, a.start("", "one", "two"))
		a.want(a.has(), "one", "two")
	})
}

// slowly makes a node take this long to load an experiment. Each loads in a context
// that counts.
func (n *node) slowly(d time.Duration) {
	load := n.bench.load
	n.bench.load = func(e *Experiment) (func(), error) {
		time.Sleep(d)
		return load(e)
	}
}

// A slow node loads a batch in several time slices, and runs nothing of it before the
// last one.
func TestShareSlowNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		var names []string
		for i := range 9 {
			names = append(names, fmt.Sprint("e", i))
		}
		must(t, a.start("outage", names...))
		b.slowly(200 * time.Millisecond)
		parts := 0
		for b.Sync(t.Context()) {
			parts++
			b.want(b.has())
			if err := b.put("mine", "", nil); !errors.Is(err, ErrStorage) {
				t.Errorf("put: got %v, want %v", err, ErrBehind)
			}
		}
		b.want(b.has(), names...)
		if parts < 1 {
			t.Error("it took one time slice, want several")
		}
		if b.unloaded != parts {
			t.Errorf("%d unloaded, want only the refused ones", b.unloaded)
		}
	})
}

// What is loaded does not start if faults are halted meanwhile, if the batch ends, or if
// the node leaves the group.
func TestShareSlowNodeGivesUp(t *testing.T) {
	for name, happens := range map[string]func(a, b *node){
		"halt":      func(a, _ *node) { must(a.t, a.Member.Halt(halted("api"))) },
		"own halt":  func(_, b *node) { b.bench.sw.Set(halted("api")) },
		"end":       func(a, _ *node) { _, err := a.Member.DeleteSet("outage", ""); must(a.t, err) },
		"leaving":   func(_, b *node) { b.leave() },
		"one fewer": func(a, _ *node) { must(a.t, a.Member.Delete("e0", "", nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := new(memory)
				a, b := newNode(t, storage), newNode(t, storage)
				must(t, a.start("outage", "e0", "e1", "e2", "e3"))
				b.slowly(300 * time.Millisecond)
				if !b.Sync(t.Context()) || len(b.ready) == 0 {
					t.Fatalf("%d are loaded, want some", len(b.ready))
				}
				happens(a, b)
				switch name {
				case "leaving":
					b.want(b.has())
				case "one fewer":
					for b.Sync(t.Context()) {
						b.want(b.has())
					}
					b.want(b.has(), "e1", "e2", "e3")
				default:
					for b.Sync(t.Context()) {
						b.want(b.has())
					}
					if b.Snapshot() != nil {
						t.Error("there are experiments")
					}
				}
				if len(b.ready) > 0 {
					t.Errorf("%d experiments stay loaded", len(b.ready))
				}
			})
		})
	}
}

// A node that cannot load one experiment of a batch runs none of it, and says why. It
// runs the others of the document.
func TestShareIgnoresWholeBatches(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	load := b.bench.load
	b.bench.load = func(e *Experiment) (func(), error) {
		if e.Name == "b" {
			return nil, errors.New("no such module here")
		}
		return load(e)
	}
	must(t, a.put("z", "", nil))
	must(t, a.start("outage", "a", "b", "c"))
	for range 3 {
		a.edit(func(doc *document) { doc.Version++ })
		b.want(b.step(), "z")
	}
	logged := b.logs.FilterMessageSnippet("ignoring").All()
	if len(logged) != 1 {
		t.Fatalf("%d lines, want one", len(logged))
	}
	fields := logged[0].ContextMap()
	if fields["experiment"] != "b" || fields["together"] != "a, b, c" || fields["error"] != "no such module here" {
		t.Errorf("logged %v", fields)
	}
	b.unloaded = 0
	names, err := b.Member.DeleteSet("outage", "")
	must(t, err)
	b.want(names, "a", "b", "c")
	a.want(a.step(), "z")
	if len(b.ready) > 0 {
		t.Errorf("%d experiments stay loaded", len(b.ready))
	}
}

// Several nodes start and end sets at the same time. None of them ever shows a part of
// one.
func TestShareShowsWholeBatches(t *testing.T) {
	storage := new(memory)
	nodes := []*node{newNode(t, storage), newNode(t, storage), newNode(t, storage)}
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for _, n := range nodes {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					wantWhole(t, n.Snapshot())
				}
			}
		})
	}
	for i, n := range nodes {
		writers.Go(func() {
			set := fmt.Sprint("s", i)
			for range 20 {
				if err := n.start(set, set+"-1", set+"-2", set+"-3"); err != nil && !errors.Is(err, ErrStorage) {
					t.Error(err)
				}
				n.Sync(context.WithoutCancel(t.Context()))
				_, _ = n.Member.DeleteSet(fmt.Sprint("s", (i+1)%len(nodes)), "")
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

// The members of a record that starts with others are read as strictly as the rest.
func TestRecordTogether(t *testing.T) {
	for text, want := range map[string]string{
		`{"revision": 3, "experiment": {}, "set": "x", "together": 3}`:        "x 3",
		`{"revision": 3, "experiment": {}}`:                                   " 0",
		`{"revision": 3, "experiment": {}, "set": 5}`:                         "error",
		`{"revision": 3, "experiment": {}, "together": -1}`:                   "error",
		`{"revision": 3, "experiment": {}, "together": "all of them"}`:        "error",
		`{"revision": 3, "experiment": {}, "together": 18446744073709551615}`: " 18446744073709551615",
	} {
		var rec record
		must(t, json.Unmarshal([]byte(text), &rec))
		got := fmt.Sprint(rec.Set, " ", rec.Together)
		if rec.err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}
