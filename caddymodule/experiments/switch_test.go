package experiments

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestSwitch(t *testing.T) {
	exit, beginExit := context.WithCancel(t.Context())
	s := NewSwitch(exit)
	var told []bool
	s.Watch(func(turn *Turn) { told = append(told, turn.Halted) })
	held := s.Ended()
	if s.Halted() || held.Err() != nil {
		t.Fatal("a new switch is halted")
	}
	steps := []struct {
		halted, changed bool
	}{{false, false}, {true, true}, {true, false}, {false, true}, {false, false}}
	for i, step := range steps {
		if got := s.Set(State{Halted: step.halted, Why: "test"}); got != step.changed || s.Halted() != step.halted {
			t.Errorf("step %d: changed %v and halted %v, want %v and %v", i, got, s.Halted(), step.changed, step.halted)
		}
		if ended := s.Ended().Err() != nil; ended != step.halted {
			t.Errorf("step %d: what is injected now has ended: %v", i, ended)
		}
	}
	if held.Err() == nil {
		t.Error("what was held before the halt is still held after the resume")
	}
	if want := []bool{true, false}; !slices.Equal(told, want) {
		t.Errorf("watchers were told %v, want %v", told, want)
	}
	if got := s.State().Why; got != "test" {
		t.Errorf("got why %q", got)
	}
	beginExit()
	if s.Ended().Err() == nil || s.Halted() {
		t.Error("at exit held requests must be released, and that is not a halt")
	}
}

// A pinned switch can be halted, but not resumed. After it is unpinned, it reports why
// it is still halted.
func TestSwitchPinned(t *testing.T) {
	s := NewSwitch(t.Context())
	s.Set(State{Halted: true, Why: "somebody"})
	s.Pin(&State{Halted: true, Why: "pin"})
	if s.Set(State{}) || s.State().Why != "pin" {
		t.Errorf("a pinned switch is %+v after a resume", s.State())
	}
	s.Pin(nil)
	if !s.Set(State{}) || s.Halted() {
		t.Error("the pin has gone, and the switch cannot be resumed")
	}
}

// When Set returns, everyone sees the new state, and held requests have been released.
func TestSwitchConcurrently(t *testing.T) {
	s := NewSwitch(t.Context())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 500 {
				held := s.Ended()
				s.Set(State{Halted: i%2 == 0})
				if s.Set(State{Halted: true}); held.Err() == nil && s.Ended() == held {
					t.Error("a halt has let nothing go")
				}
			}
		})
	}
	wg.Wait()
}

// A halt knows its effects until the next turn.
func TestSwitchLast(t *testing.T) {
	b := newBench(t)
	b.sw.Active = func() int64 { return 3 }
	if last := b.sw.Last(); last.Halted || last.Since != nil {
		t.Errorf("at the start: got %+v", last)
	}
	b.mustPut("b", "")
	b.mustPut("a", "")
	b.sw.Set(State{Halted: true, Why: "one"})
	b.sw.Set(State{Halted: true, Why: "two"}) // turns nothing
	if last := b.sw.Last(); last.Why != "one" || last.Released != 3 || strings.Join(last.Ended, " ") != "a b" {
		t.Errorf("halted: got %+v", last)
	}
	b.sw.Set(State{})
	if last := b.sw.Last(); last.Halted || last.Released != 0 || last.Ended != nil {
		t.Errorf("resumed: got %+v", last)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	var names []string
	for i, want := range map[int]string{0: "", 1: "n0", 2: "n0, n1", 10: "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9", 13: "n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 3 more"} {
		names = nil
		for j := range i {
			names = append(names, fmt.Sprint("n", j))
		}
		if got := Names(names); got != want {
			t.Errorf("%d names: got %q, want %q", i, got, want)
		}
	}
}
