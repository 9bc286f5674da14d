package experiments

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Switch stops all faults of the process, and lets go of what they hold.
type Switch struct {
	// Active tells how many requests are hit; nil: nobody knows.
	Active func() int64

	exit context.Context

	mu      sync.Mutex
	armed   atomic.Pointer[lease]
	pinned  *State // what it says instead of being resumed; nil: it may be
	last    Turn
	watches []func(*Turn)
}

// Turn is a turn of the switch, and what a halt has done.
type Turn struct {
	State

	// Ended are the names of the experiments that it has ended.
	Ended []string

	// Released is how many requests were hit at that moment: what held them has
	// let go.
	Released int64
}

// State is what a switch says.
type State struct {
	// Halted says that nothing is injected.
	Halted bool `json:"halted"`

	// Since is when it was halted or resumed; null since the start.
	Since *time.Time `json:"since,omitempty"`

	// Why says what halted it, such as `api` or `halt_when`.
	Why string `json:"why,omitempty"`
}

// ParseState reads a state. A time or a reason that it cannot read is left out: a
// halt counts without them.
func ParseState(data []byte) (State, error) {
	var fields struct {
		Halted json.RawMessage `json:"halted"`
		Since  json.RawMessage `json:"since"`
		Why    json.RawMessage `json:"why"`
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
	if json.Unmarshal(fields.Why, &state.Why) != nil {
		state.Why = ""
	}
	return state, nil
}

// isHalt reports whether both states are the same halt.
func (s State) isHalt(other State) bool {
	return s.Halted && other.Halted && sameTime(s.Since, other.Since)
}

func sameTime(a, b *time.Time) bool { return a == b || a != nil && b != nil && a.Equal(*b) }

// lease is the time between two turns of the switch.
type lease struct {
	State
	ctx context.Context // done: what is held lets go
	end context.CancelFunc
}

// NewSwitch is a switch that is on until exit is done.
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

// Halted reports whether nothing is to be injected.
func (s *Switch) Halted() bool { return s.armed.Load().Halted }

// State is the state with its circumstances.
func (s *Switch) State() State { return s.armed.Load().State }

// Ended is done when what has been injected now has to let go of its request:
// when the switch is halted or the process exits.
func (s *Switch) Ended() context.Context { return s.armed.Load().ctx }

// Set halts or resumes and reports whether that changed anything. When it
// returns, no further fault is injected, and what was held is let go of.
func (s *Switch) Set(state State) (changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pinned != nil && !state.Halted {
		state = *s.pinned
	}
	before := s.armed.Load()
	if before.Halted == state.Halted {
		if state.Halted { // the last halt counts
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

// namesShown is how many names are written out.
const namesShown = 10

// Names writes out names of experiments; of many, the first ones.
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

// Pin keeps the switch halted, whoever wants to resume it: it says this state
// then. Nil ends that, and turns nothing.
func (s *Switch) Pin(state *State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinned = state
}

// Watch has f called, one call at a time, whenever the switch turns. It may add to
// what the turn has done, for those that watch since later.
func (s *Switch) Watch(f func(*Turn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(s.watches, f)
}
