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

// What a store refuses.
var (
	ErrHalted   = errors.New("faults are halted: resume first")
	ErrUnknown  = errors.New("no such experiment")
	ErrModified = errors.New("precondition failed")
	ErrFull     = errors.New("there is no room for another experiment")
)

// MaxExperiments is how many experiments there can be at a time.
const MaxExperiments = 1000

func errFull(n int) error {
	return fmt.Errorf("%w: there are %d, the most are %d: end one first, as with 'caddy fault rm <name>'", ErrFull, n, MaxExperiments)
}

// Loader makes the rule of an experiment ready, and tells how to undo that.
type Loader func(e *Experiment) (unload func(), err error)

// Live is an experiment that is on.
type Live struct {
	*Experiment

	// JSON is the experiment as it was given.
	JSON json.RawMessage

	// Revision changes with the experiment.
	Revision uint64

	Started time.Time
	Ends    time.Time // zero: never

	stamped time.Time // Started by the clock of the node that has put it; zero: by ours

	// Labels is for the use of those who count its hits, by point.
	Labels sync.Map

	traffic *traffic        // what has come to it
	ended   context.Context // done: what it holds lets go
	end     context.CancelFunc
	unload  func()
	timer   *time.Timer
}

// Ended is done when the experiment is over.
func (l *Live) Ended() context.Context { return l.ended }

// At reports whether the experiment is for a place. It has been loaded either
// for handlers or for transports, and a reload may have put a point of the same
// name into the other.
func (l *Live) At(at Place) bool {
	return at.Transport == l.InTransport() && l.Experiment.At(at)
}

// Store has the experiments of the process.
type Store struct {
	sw     *Switch
	load   Loader
	places func() []Place
	now    func() time.Time // the clock of this node

	mu       sync.Mutex
	live     map[string]*Live
	past     []Past // the last one first
	revision uint64
	watches  []func(live *Live, why string)

	snapshot atomic.Pointer[Snapshot]
	visits   visits
}

// NewStore is an empty store, in a process that has these injection points just
// now. When the switch is halted, all its experiments are over.
//
// Its revisions begin with the time, so that one of an earlier process is none of
// this one.
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

// Watch has f called, one call at a time, for each experiment that begins, with
// an empty reason, that is extended, and that is over.
func (s *Store) Watch(f func(live *Live, why string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches = append(s.watches, f)
}

// Condition bounds a change to what the caller has seen. Nil is no condition.
type Condition func(now *Live) bool

// Put begins an experiment, or replaces the one of its name. The experiment that
// was there is over, and its counts with it.
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

// prepare makes an experiment ready to begin now.
func (s *Store) prepare(e *Experiment, data []byte) (*Live, error) {
	live := &Live{Experiment: e, JSON: compact(data)}
	live.begins(s.now())
	var err error
	live.unload, err = s.load(e)
	return live, err
}

// begins makes now the time from which the experiment lives.
func (l *Live) begins(now time.Time) { l.Started, l.Ends = now, l.ends(now) }

// stamp returns when it started, by the clock of the node that has put it.
func (l *Live) stamp() time.Time {
	if l.stamped.IsZero() {
		return l.Started
	}
	return l.stamped
}

// admit reports why an experiment of that name must not begin; nil: it may.
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

// modified is ErrModified and why.
func modified(name string, now *Live) error {
	if now == nil {
		return fmt.Errorf("%w: there is no experiment '%s'", ErrModified, name)
	}
	return fmt.Errorf("%w: there is an experiment '%s', by now of revision %d", ErrModified, name, now.Revision)
}

// has reports why the experiment cannot be ended; nil: it can.
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

// commit begins an experiment that has been admitted, and reports whether its
// name is new.
func (s *Store) commit(l *Live) (created bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begin(l)
}

// begin makes an experiment live. It takes the place of the one of its name with
// no gap between.
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
		s.finish(l, WhyHalted) // it was admitted before
	}
	return before == nil
}

// wind sets the timer of an experiment that has an end.
func (s *Store) wind(l *Live) {
	if !l.Ends.IsZero() {
		l.timer = time.AfterFunc(l.Ends.Sub(s.now()), func() { s.expire(l) })
	}
}

// expire ends an experiment whose time is over, if it is still there.
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

// endAll ends all experiments, for the switch has been halted, and returns their
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

// finish takes an experiment out, and lets go of what it holds. Requests in
// flight go on with what they have of it.
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

// Get is the live experiment of that name, nil if there is none.
func (s *Store) Get(name string) *Live {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live[name]
}

// List is the live experiments by name.
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

// Snapshot is the experiments as requests see them; nil when there are none.
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
		return data // it has been read before, so this does not happen
	}
	return buf.Bytes()
}
