package experiments

import (
	"errors"
	"testing"
)

// A note reaches all nodes, and halts none of them.
func TestAnnotate(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	notes := func(want string, nodes ...*node) {
		t.Helper()
		for _, n := range nodes {
			if now := n.bench.sw.State(); now.Note != want || now.Why != "api" || !now.Halted {
				t.Errorf("the switch is %+v, want a halt with the note %q", now, want)
			}
		}
	}
	refused := func(n *node) {
		t.Helper()
		if err := n.Annotate("late"); !errors.Is(err, ErrNotHalted) {
			t.Errorf("got %v, want %v", err, ErrNotHalted)
		}
		n.want(n.has())
	}
	refused(a)
	must(t, a.Halt(halted("api")))
	released := a.bench.sw.Ended()
	must(t, b.Annotate("first")) // b has not seen the halt
	a.Sync(t.Context())
	notes("first", a, b)
	if a.bench.sw.Ended() != released || !a.bench.sw.State().isHalt(b.bench.sw.State()) {
		t.Error("the note has made another halt")
	}
	must(t, b.Resume(resumed()))
	refused(a) // a has not seen the resume
	refused(b)

	a.bench.sw.Set(halted("api")) // outside of the group
	must(t, a.Annotate("alone"))
	notes("alone", a)
	b.want(b.step())
	a.bench.sw.Set(resumed())

	must(t, a.Halt(halted("api")))
	storage.fail(errDown, "lock")
	if err := a.Annotate("kept"); !errors.Is(err, ErrStorage) {
		t.Errorf("got %v, want %v", err, ErrStorage)
	}
	notes("kept", a)
}

// A pending halt is delivered with its note.
func TestAnnotatePending(t *testing.T) {
	storage := new(memory)
	a, b := newNode(t, storage), newNode(t, storage)
	storage.fail(errDown, "lock")
	for _, err := range []error{a.Halt(halted("api")), a.Annotate("pending")} {
		if !errors.Is(err, ErrStorage) {
			t.Errorf("got %v, want %v", err, ErrStorage)
		}
	}
	storage.fail(nil)
	a.Sync(t.Context())
	b.Sync(t.Context())
	for _, n := range []*node{a, b} {
		if got := n.bench.sw.State().Note; got != "pending" {
			t.Errorf("the note is %q", got)
		}
	}
}

// Another halt that reaches the group replaces a pending one.
func TestHaltAfterPendingOne(t *testing.T) {
	storage := new(memory)
	a := newNode(t, storage)
	storage.fail(errDown, "lock")
	if err := a.Halt(halted("first")); !errors.Is(err, ErrStorage) {
		t.Errorf("got %v, want %v", err, ErrStorage)
	}
	storage.fail(nil)
	must(t, a.Halt(halted("second")))
	a.inStep("", false)
	a.want(a.step(), "HALTED")
	if why := a.bench.sw.State().Why; why != "second" {
		t.Errorf("halted by %q, want the last halt", why)
	}
	must(t, a.Resume(resumed()))
}
