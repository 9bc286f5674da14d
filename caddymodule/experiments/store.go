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

// Loader provisions the rule of an experiment. It returns a function that undoes this.
type Loader func(e *Experiment) (unload func(), err error)

// Live is a running experiment.
type Live struct {
	*Experiment

	// JSON is the experiment as received.
	JSON json.RawMessage

	// Revision changes with the experiment. Experiments that start in one change have
	// the same one.
	Revision uint64

	// Set is the name of the configured set that has started it, or empty.
	Set string

	Started time.Time
	Ends    time.Time // zero: never

	// Replaces reports that the experiment has replaced one with the same name.
	Replaces bool

	// Labels holds the metrics of its hits by point, for the package that counts them.
	Labels *sync.Map

	stamped  time.Time       // Started by the clock of the node that started it; zero: this node
	together uint64          // the revision of the change that started it with others; 0: alone
	traffic  *traffic        // the requests at its points
	ended    context.Context // done: releases held requests
	end      context.CancelFunc
	unload   func()
	timer    *time.Timer
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
	watches  []func(live *Live, why, by string)

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
			turn.Ended = s.endAll(turn.Actor())
		}
	})
	return s
}

// Watch registers f. It runs, one call at a time, for each experiment that starts (with
// an empty reason), is extended or ends. by is who has caused that.
func (s *Store) Watch(f func(live *Live, why, by string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(s.watches, f)
}

// Condition restricts a change to the state that the caller has seen. Nil means no
// condition.
type Condition func(now *Live) bool

// prepare loads an experiment so that it can start.
func (s *Store) prepare(e *Experiment, data []byte) (*Live, error) {
	live := &Live{Experiment: e, JSON: compact(data), Labels: new(sync.Map)}
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

// admit reports why experiments with these names must not start, or nil.
func (s *Store) admit(names []string, when Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitLocked(names, when)
}

func (s *Store) admitLocked(names []string, when Condition) error {
	if s.sw.Halted() {
		return ErrHalted
	}
	added, failed := 0, make(BatchError)
	for _, name := range names {
		if when != nil && !when(s.live[name]) {
			failed[name] = modified(name, s.live[name])
		}
		if s.live[name] == nil {
			added++
		}
	}
	if err := failed.of(len(names)); err != nil {
		return err
	}
	return checkRoom(len(s.live), added)
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

// commit starts admitted experiments, and returns how many of their names are new.
func (s *Store) commit(all []*Live) (created int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin(all)
}

// begin makes experiments live. Requests see all of them at once. Each replaces the
// experiment with its name without a gap.
func (s *Store) begin(all []*Live) (created int) {
	var replaced []*Live
	for _, l := range all {
		before := s.live[l.Name]
		if before != nil {
			replaced = append(replaced, before)
		}
		l.Owner, l.Replaces = l, before != nil
		l.traffic = newTraffic(&s.visits)
		l.ended, l.end = context.WithCancel(s.sw.Ended())
		s.wind(l)
		s.live[l.Name] = l
	}
	s.publish()
	for _, l := range all {
		s.tell(l, "", l.By)
	}
	for _, before := range replaced {
		s.finish(before, WhyReplaced, s.live[before.Name].By)
	}
	if now := s.sw.State(); now.Halted {
		s.finishAll(all, WhyHalted, now.Actor()) // they were admitted
	}
	return len(all) - len(replaced)
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
		s.finish(l, WhyExpired, "")
	}
}

// Delete ends an experiment. by is who wants that.
func (s *Store) Delete(name, by string, when Condition) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.hasLocked(name, when); err != nil {
		return err
	}
	s.finish(s.live[name], WhyDeleted, by)
	return nil
}

// endAll ends all experiments because the switch has been halted, and returns their
// names.
func (s *Store) endAll(by string) (names []string) {
	return s.endWhere(func(*Live) bool { return true }, WhyHalted, by)
}

// endWhere ends the experiments for which ends returns true, and returns their names.
// Requests see the end of all of them at once.
func (s *Store) endWhere(ends func(*Live) bool, why, by string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(s.sorted(), func(l *Live) bool { return !ends(l) })
	for _, l := range all {
		names = append(names, l.Name)
	}
	s.finishAll(all, why, by)
	return names
}

// finishAll is finish for several experiments.
func (s *Store) finishAll(all []*Live, why, by string) {
	if len(all) == 0 {
		return
	}
	for _, l := range all {
		if s.live[l.Name] == l {
			delete(s.live, l.Name)
		}
	}
	s.publish()
	for _, l := range all {
		s.finish(l, why, by)
	}
}

// finish removes an experiment and releases the requests that it holds. Requests in
// flight continue with their state.
func (s *Store) finish(l *Live, why, by string) {
	if l.timer != nil {
		l.timer.Stop()
	}
	if s.live[l.Name] == l {
		delete(s.live, l.Name)
		s.publish()
	}
	l.end()
	l.Dismiss()
	s.remember(l, why, by)
	s.tell(l, why, by)
	l.unload()
}

func (s *Store) tell(l *Live, why, by string) {
	for _, watch := range s.watches {
		watch(l, why, by)
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
