package experiments

import (
	"context"
	"slices"
	"sync"
	"testing"
)

func TestSwitch(t *testing.T) {
	exit, beginExit := context.WithCancel(t.Context())
	s := NewSwitch(exit)
	var told []bool
	s.Watch(func(state State) { told = append(told, state.Halted) })
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
		t.Error("at exit what is held has to let go, and that is no halt")
	}
}

// A pinned switch takes a halt and no resume, and says afterwards why it is
// still halted.
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

// When Set returns, everybody sees it, and what was held is let go of.
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
