package experiments

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Switch stops all faults of the process and releases the requests that they hold.
type Switch struct {
	// Active returns how many requests are hit. Nil means unknown.
	Active func() int64

	exit context.Context

	mu      sync.Mutex
	armed   atomic.Pointer[lease]
	pinned  *State // the state while it cannot be resumed; nil: not pinned
	last    Turn
	watches []func(*Turn)
}

// Turn is a turn of the switch with its effects.
type Turn struct {
	State

	// Ended are the names of the experiments that a halt ended.
	Ended []string

	// Released is how many requests were hit, and are released now.
	Released int64
}

// State is the state of a switch.
type State struct {
	// Halted reports that nothing is injected.
	Halted bool `json:"halted"`

	// Since is when the switch was halted or resumed; null if it has not been turned
	// since the start.
	Since *time.Time `json:"since,omitempty"`

	// Why is the cause of the halt, such as `api` or `halt_when`.
	Why string `json:"why,omitempty"`

	// By is who has turned the switch, if that is known.
	By string `json:"by,omitempty"`

	// Note is the purpose of the halt, for people.
	Note string `json:"note,omitempty"`
}

// ParseState parses a state. It omits a time or a text that it cannot read, because a
// halt counts without them.
func ParseState(data []byte) (State, error) {
	var fields struct {
		Halted json.RawMessage `json:"halted"`
		Since  json.RawMessage `json:"since"`
		Why    json.RawMessage `json:"why"`
		By     json.RawMessage `json:"by"`
		Note   json.RawMessage `json:"note"`
	}
	var state State
	if err := json.Unmarshal(data, &fields); err != nil {
		return state, fmt.Errorf("want an object, not '%.40s'", data)
	}
	if len(fields.Halted) > 0 && json.Unmarshal(fields.Halted, &state.Halted) != nil {
		return state, fmt.Errorf("halted: want true or false, not '%.40s'", fields.Halted)
	}
	if json.Unmarshal(fields.Since, &state.Since) != nil {
		state.Since = nil
	}
	state.Why, state.By, state.Note = textOf(fields.Why), textOf(fields.By), textOf(fields.Note)
	return state, nil
}

// textOf returns a JSON string, or "" for anything else.
func textOf(data json.RawMessage) (text string) {
	if json.Unmarshal(data, &text) != nil {
		return ""
	}
	return text
}

// Actor returns who has turned the switch: a user, or else a part of Caddy.
func (s State) Actor() string { return cmp.Or(s.By, s.Why) }

// isHalt reports whether both states are the same halt.
func (s State) isHalt(other State) bool {
	return s.Halted && other.Halted && sameTime(s.Since, other.Since)
}

func sameTime(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// lease is the time between two turns of the switch.
type lease struct {
	State
	ctx context.Context // done: releases held requests
	end context.CancelFunc
}

// NewSwitch returns a switch that is armed until exit is done.
func NewSwitch(exit context.Context) *Switch {
	s := &Switch{exit: exit}
	s.armed.Store(newLease(exit, State{}))
	return s
}

func newLease(exit context.Context, state State) *lease {
	l := &lease{State: state}
	if l.ctx, l.end = context.WithCancel(exit); state.Halted {
		l.end()
	}
	return l
}

// Halted reports whether nothing is injected.
func (s *Switch) Halted() bool { return s.armed.Load().Halted }

// State returns the state.
func (s *Switch) State() State { return s.armed.Load().State }

// Ended is done when current faults must release their requests: when the switch is
// halted or the process exits.
func (s *Switch) Ended() context.Context { return s.armed.Load().ctx }

// Set halts or resumes and reports whether that changed anything. When it returns, no
// further fault is injected, and held requests have been released.
func (s *Switch) Set(state State) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned != nil && !state.Halted {
		state = *s.pinned
	}
	before := s.armed.Load()
	if before.Halted == state.Halted {
		if state.Halted { // the latest halt counts
			s.armed.Store(&lease{state, before.ctx, before.end})
		}
		return false
	}
	s.armed.Store(newLease(s.exit, state))
	s.last = Turn{State: state}
	if state.Halted && s.Active != nil {
		s.last.Released = s.Active()
	}
	before.end()
	for _, watch := range s.watches {
		watch(&s.last)
	}
	return true
}

// ErrNotHalted reports that there is no halt.
var ErrNotHalted = errors.New("faults are not halted")

// Annotate sets the note of the halt, and turns nothing.
func (s *Switch) Annotate(note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := *s.armed.Load()
	if !now.Halted {
		return ErrNotHalted
	}
	now.Note = note
	s.armed.Store(&now)
	return nil
}

// namesShown is how many names are listed.
const namesShown = 10

// Names lists names of experiments. Of many it lists the first.
func Names(names []string) string {
	more := len(names) - namesShown
	if more <= 0 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:namesShown], ", ") + fmt.Sprintf(" and %d more", more)
}

// Last returns the last turn.
func (s *Switch) Last() Turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Pin keeps the switch halted with this state. While it is pinned, it cannot be
// resumed. Nil unpins the switch and does not turn it.
func (s *Switch) Pin(state *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinned = state
}

// Watch registers f. It runs, one call at a time, after each turn of the switch. It may
// add effects to the turn for watchers registered earlier.
func (s *Switch) Watch(f func(*Turn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(s.watches, f)
}
