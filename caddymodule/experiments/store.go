package experiments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Errors of a store.
var (
	ErrHalted   = errors.New("faults are halted; resume first: caddy fault resume")
	ErrUnknown  = errors.New("no such experiment")
	ErrModified = errors.New("precondition failed")
	ErrFull     = errors.New("no room for another experiment")
)

// MaxExperiments is the maximum number of live experiments.
const MaxExperiments = 1000

func errFull(n int) error {
	return fmt.Errorf("%w: there are %d of at most %d; end one first, for example with 'caddy fault rm <name>'", ErrFull, n, MaxExperiments)
}

// Loader provisions the rule of an experiment. It returns a function that undoes this.
type Loader func(e *Experiment) (unload func(), err error)

// Live is a running experiment.
type Live struct {
	*Experiment

	// JSON is the experiment as received.
	JSON json.RawMessage

	// Revision changes with the experiment.
	Revision uint64

	Started time.Time
	Ends    time.Time // zero: never

	stamped time.Time // Started by the clock of the node that started it; zero: this node

	// Labels holds the metrics of its hits by point, for the package that counts them.
	Labels sync.Map

	traffic *traffic        // the requests at its points
	ended   context.Context // done: releases held requests
	end     context.CancelFunc
	unload  func()
	timer   *time.Timer
}

// Ended is done when the experiment has ended.
func (l *Live) Ended() context.Context { return l.ended }

// At reports whether the experiment applies to a place. It is loaded either for
// handlers or for transports, and a reload may have moved the name of a point from one
// to the other.
func (l *Live) At(at Place) bool {
	return at.Transport == l.InTransport() && l.Experiment.At(at)
}

// Store holds the experiments of the process.
type Store struct {
	sw     *Switch
	load   Loader
	places func() []Place
	now    func() time.Time // the clock of this node

	mu       sync.Mutex
	live     map[string]*Live
	past     []Past // latest first
	revision uint64
	watches  []func(live *Live, why string)

	snapshot atomic.Pointer[Snapshot]
	visits   visits
}

// NewStore returns an empty store. places reports the injection points currently
// configured. A halt of the switch ends all experiments.
//
// Revisions start with the current time, so that they differ from those of an earlier
// process.
func NewStore(sw *Switch, load Loader, places func() []Place) *Store {
	s := &Store{sw: sw, load: load, places: places, now: time.Now, live: make(map[string]*Live)}
	s.revision = uint64(s.now().UnixMilli())
	sw.Watch(func(turn *Turn) {
		if turn.Halted {
			turn.Ended = s.endAll()
		}
	})
	return s
}

// Watch registers f. It runs, one call at a time, for each experiment that starts (with
// an empty reason), is extended or ends.
func (s *Store) Watch(f func(live *Live, why string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(s.watches, f)
}

// Condition restricts a change to the state that the caller has seen. Nil means no
// condition.
type Condition func(now *Live) bool

// Put starts an experiment, or replaces the one with its name. The replaced experiment
// ends, together with its counters.
func (s *Store) Put(e *Experiment, data []byte, when Condition) (live *Live, created bool, err error) {
	if live, err = s.prepare(e, data); err != nil {
		return nil, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admitLocked(e.Name, when); err != nil {
		live.unload()
		return nil, false, err
	}
	s.revision++
	live.Revision = s.revision
	return live, s.begin(live), nil
}

// prepare loads an experiment so that it can start.
func (s *Store) prepare(e *Experiment, data []byte) (*Live, error) {
	live := &Live{Experiment: e, JSON: compact(data)}
	live.begins(s.now())
	var err error
	live.unload, err = s.load(e)
	return live, err
}

// begins sets the start of the experiment to now.
func (l *Live) begins(now time.Time) { l.Started, l.Ends = now, l.ends(now) }

// stamp returns when the experiment started, by the clock of the node that started it.
func (l *Live) stamp() time.Time {
	if l.stamped.IsZero() {
		return l.Started
	}
	return l.stamped
}

// admit reports why an experiment with this name must not start, or nil.
func (s *Store) admit(name string, when Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitLocked(name, when)
}

func (s *Store) admitLocked(name string, when Condition) error {
	switch {
	case s.sw.Halted():
		return ErrHalted
	case when != nil && !when(s.live[name]):
		return modified(name, s.live[name])
	case s.live[name] == nil && len(s.live) >= MaxExperiments:
		return errFull(len(s.live))
	}
	return nil
}

// modified returns ErrModified with the reason.
func modified(name string, now *Live) error {
	if now == nil {
		return fmt.Errorf("%w: experiment '%s' does not exist", ErrModified, name)
	}
	return fmt.Errorf("%w: experiment '%s' exists, currently at revision %d", ErrModified, name, now.Revision)
}

// has reports why the experiment cannot be ended, or nil.
func (s *Store) has(name string, when Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hasLocked(name, when)
}

func (s *Store) hasLocked(name string, when Condition) error {
	switch l := s.live[name]; {
	case l == nil:
		return ErrUnknown
	case when != nil && !when(l):
		return modified(name, l)
	}
	return nil
}

// commit starts an admitted experiment, and reports whether its name is new.
func (s *Store) commit(l *Live) (created bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin(l)
}

// begin makes an experiment live. It replaces the experiment with its name without a
// gap.
func (s *Store) begin(l *Live) (created bool) {
	before := s.live[l.Name]
	l.Owner = l
	l.traffic = newTraffic(&s.visits)
	l.ended, l.end = context.WithCancel(s.sw.Ended())
	s.wind(l)
	s.live[l.Name] = l
	s.publish()
	s.tell(l, "")
	if before != nil {
		s.finish(before, WhyReplaced)
	}
	if s.sw.Halted() {
		s.finish(l, WhyHalted) // it was admitted
	}
	return before == nil
}

// wind sets the timer of an experiment that has an end.
func (s *Store) wind(l *Live) {
	if !l.Ends.IsZero() {
		l.timer = time.AfterFunc(l.Ends.Sub(s.now()), func() { s.expire(l) })
	}
}

// expire ends an experiment that has expired, if it still exists.
func (s *Store) expire(l *Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live[l.Name] == l {
		s.finish(l, WhyExpired)
	}
}

// Delete ends an experiment.
func (s *Store) Delete(name string, when Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.hasLocked(name, when); err != nil {
		return err
	}
	s.finish(s.live[name], WhyDeleted)
	return nil
}

// endAll ends all experiments because the switch has been halted, and returns their
// names.
func (s *Store) endAll() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.sorted()
	clear(s.live)
	s.publish()
	for _, l := range all {
		names = append(names, l.Name)
		s.finish(l, WhyHalted)
	}
	return names
}

// finish removes an experiment and releases the requests that it holds. Requests in
// flight continue with their state.
func (s *Store) finish(l *Live, why string) {
	if l.timer != nil {
		l.timer.Stop()
	}
	if s.live[l.Name] == l {
		delete(s.live, l.Name)
		s.publish()
	}
	l.end()
	l.Dismiss()
	s.remember(l, why)
	s.tell(l, why)
	l.unload()
}

func (s *Store) tell(l *Live, why string) {
	for _, watch := range s.watches {
		watch(l, why)
	}
}

// Get returns the live experiment with this name, or nil.
func (s *Store) Get(name string) *Live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[name]
}

// List returns the live experiments by name.
func (s *Store) List() []*Live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sorted()
}

func (s *Store) sorted() []*Live {
	all := make([]*Live, 0, len(s.live))
	for _, l := range s.live {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *Live) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// Snapshot returns the experiments as requests see them, or nil if there are no
// experiments.
func (s *Store) Snapshot() *Snapshot { return s.snapshot.Load() }

func (s *Store) publish() {
	if len(s.live) == 0 {
		s.snapshot.Store(nil)
		return
	}
	s.snapshot.Store(&Snapshot{live: s.sorted(), visits: &s.visits})
}

func compact(data []byte) json.RawMessage {
	var buf bytes.Buffer
	if err := json.Compact(&buf, data); err != nil {
		return data // cannot happen: it has been parsed before
	}
	return buf.Bytes()
}
