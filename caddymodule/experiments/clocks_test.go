package experiments

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// clock sets how far the clock of a node is ahead.
func (n *node) clock(ahead time.Duration) *node {
	n.bench.Store.now = func() time.Time { return time.Now().Add(ahead) }
	return n
}

// follow makes a node follow the others at the default interval.
func (n *node) follow(interval time.Duration) {
	ctx, stop := context.WithCancel(n.t.Context())
	n.t.Cleanup(stop)
	go n.Follow(ctx, interval, func() {})
	synctest.Wait()
}

// after lets time pass.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (n *node) warned(text string) {
	n.t.Helper()
	all := strings.Join(n.State().Warnings, "\n")
	if !strings.Contains(all, text) || text == "" && all != "" {
		n.t.Errorf("the warnings are %q, want %q", all, text)
	}
}

// An experiment lives equally long on all nodes, whatever their clocks say, and no node
// ends it for the others.
func TestShareClocks(t *testing.T) {
	const interval, ttl = time.Second, time.Minute
	for _, tt := range []struct {
		ahead time.Duration
		text  string
	}{
		{-time.Hour, "1h0m1s behind"},
		{time.Hour, "59m59s ahead"}, // if everything were known
		{-365 * 24 * time.Hour, "8760h0m1s behind"},
		{365 * 24 * time.Hour, "8759h59m59s ahead"},
		{3 * time.Second, ""},
		{-3 * time.Second, ""}, // the clocks count as equal
	} {
		t.Run(tt.ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := new(memory)
				a, b := newNode(t, storage).clock(tt.ahead), newNode(t, storage)
				a.follow(interval)
				b.follow(interval)
				must(t, a.put("x", `"ttl": "1m", `, nil))
				after(interval)
				b.want(b.has(), "x")
				b.warned(tt.text)
				a.warned("")
				must(t, b.put("y", `"ttl": "1m", `, nil))
				must(t, b.Member.Delete("y", "", nil))
				after(ttl - 6*interval)
				a.want(a.has(), "x")
				b.want(b.has(), "x")
				after(9 * interval)
				a.want(a.has())
				b.want(b.has())
				after(2 * interval)
				must(t, b.put("z", `"ttl": 0, `, nil))
				if doc := a.document(); len(doc.Experiments) != 1 {
					t.Errorf("the document has %v, want what is on only", doc.Experiments)
				}
				b.warned("")
				if got := b.logs.FilterMessageSnippet("synchronize the clocks").Len(); (got == 1) != (tt.text != "") {
					t.Errorf("%d lines about the clocks", got)
				}
				after(interval)
			})
		})
	}
}

// The same holds for experiments of both nodes, and for an experiment that the other
// node extends.
func TestShareClocksExtend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Second
		storage := new(memory)
		a, b := newNode(t, storage).clock(-time.Hour), newNode(t, storage)
		a.follow(interval)
		b.follow(interval)
		must(t, a.put("x", `"ttl": "1m", `, nil))
		after(50 * time.Second)
		onA, onB := a.Get("x"), b.Get("x")
		if off := onB.Started.Sub(time.Now().Add(-50 * time.Second)).Abs(); off > interval {
			t.Errorf("it started at %v here, which is %v off", onB.Started, off)
		}
		e, data := extension(t, "x", "", `"ttl": "1m", "note": "longer", `)
		if _, err := b.Member.Extend(e, data, nil); err != nil {
			t.Fatal(err)
		}
		after(50 * time.Second)
		for _, n := range []*node{a, b} {
			n.want(n.has(), "x")
		}
		if a.Get("x").Ended() != onA.Ended() || b.Get("x").Ended() != onB.Ended() {
			t.Error("the one that was extended does not go on")
		}
		after(11 * time.Second)
		a.want(a.has())
		b.want(b.has())
	})
}

// A node that joins later cannot know how old an experiment is. It ends no experiment
// for the others, and runs one from the future no longer than its ttl.
func TestShareClocksOfLateNode(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			storage := new(memory)
			a := newNode(t, storage)
			must(t, a.put("x", `"ttl": "10m", `, nil))
			time.Sleep(time.Minute)
			late := newNode(t, storage).clock(ahead)
			if ahead < 0 {
				late.want(late.step(), "x")
				late.warned("59m0s ahead of")
			} else {
				late.want(late.step())
			}
			must(t, late.put("y", `"ttl": 0, `, nil))
			a.want(a.step(), "x", "y")
			after(10 * time.Minute)
			late.want(late.step(), "y")
			must(t, late.put("y", `"ttl": 0, `, nil))
			if doc := a.document(); len(doc.Experiments) != 1 {
				t.Errorf("the document has %v, want what is on only", doc.Experiments)
			}
		})
	}
}

// An old object, for example from a backup, starts no experiment that has ended.
func TestShareClocksOfBackup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		b.Sync(t.Context())
		must(t, a.put("x", `"ttl": "1m", `, nil))
		backup, err := storage.Load(t.Context(), object)
		must(t, err)
		must(t, a.Member.Delete("x", "", nil))
		b.want(b.step())
		after(time.Hour)
		b.want(b.step())
		must(t, storage.Store(t.Context(), object, backup))
		b.want(b.step())
		b.warned("")
	})
}

// A slow storage is not mistaken for a different clock, and the experiment ends on all
// nodes at the same instant.
func TestShareSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval = time.Second
		storage := new(memory)
		a, b := newNode(t, storage), newNode(t, storage)
		b.follow(interval)
		must(t, storage.Lock(t.Context(), object))
		go func() {
			time.Sleep(3 * time.Second)
			must(t, storage.Unlock(t.Context(), object))
		}()
		storage.storing = func() { time.Sleep(StorageTime - 3*time.Second - time.Millisecond) }
		must(t, a.put("x", `"ttl": "1m", `, nil))
		after(interval)
		b.warned("")
		if x, y := a.Get("x"), b.Get("x"); y == nil || !x.Ends.Equal(y.Ends) {
			t.Errorf("got %v and %v", x, y)
		}
	})
}
