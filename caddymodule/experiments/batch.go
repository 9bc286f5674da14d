package experiments

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Draft is an experiment that is to start, with its JSON as received.
type Draft struct {
	*Experiment
	JSON []byte
}

// A Batch is the experiments of one change. They start together, or none of them does.
// Their names differ.
type Batch struct {
	Drafts []Draft

	// Set is the name of the configured set that has the experiments. It may be empty.
	Set string

	// When must hold for each name.
	When Condition
}

// names returns the names of the experiments.
func (b *Batch) names() []string {
	names := make([]string, len(b.Drafts))
	for i, draft := range b.Drafts {
		names[i] = draft.Name
	}
	return names
}

// A BatchError has the reason for each experiment that keeps a batch from starting.
type BatchError map[string]error

// Error returns the reasons, each with the name of its experiment.
func (e BatchError) Error() string {
	texts := make([]string, 0, len(e))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		texts = append(texts, fmt.Sprintf("experiment '%s': %v", name, e[name]))
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the reasons in the order of the names.
func (e BatchError) Unwrap() []error {
	all := make([]error, 0, len(e))
	for _, name := range slices.Sorted(maps.Keys(e)) {
		all = append(all, e[name])
	}
	return all
}

// of returns the error for a batch of n experiments, or nil without reasons. An
// experiment that is alone needs no name.
func (e BatchError) of(n int) error {
	switch {
	case len(e) == 0:
		return nil
	case n == 1:
		return e.Unwrap()[0]
	default:
		return e
	}
}

// Start starts the experiments of a batch. Each replaces the experiment with its name,
// which ends together with its counters. It returns them in their order, and how many
// names are new.
func (s *Store) Start(b Batch) (started []*Live, created int, err error) {
	if started, err = s.prepareAll(b); err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.admitLocked(b.names(), b.When); err != nil {
		unload(started)
		return nil, 0, err
	}
	s.revision++
	s.date(started, s.revision)
	return started, s.begin(started), nil
}

// prepareAll loads the experiments of a batch so that they can start.
func (s *Store) prepareAll(b Batch) (ready []*Live, err error) {
	failed := make(BatchError)
	for _, draft := range b.Drafts {
		live, err := s.prepare(draft.Experiment, draft.JSON)
		if err != nil {
			failed[draft.Name] = err
			continue
		}
		live.Set = b.Set
		ready = append(ready, live)
	}
	if err := failed.of(len(b.Drafts)); err != nil {
		unload(ready)
		return nil, err
	}
	return ready, nil
}

// date sets the beginning and the revision of experiments that start in one change.
func (s *Store) date(all []*Live, revision uint64) {
	now := s.now()
	for _, live := range all {
		live.begins(now)
		live.Revision = revision
		if len(all) > 1 {
			live.together = revision
		}
	}
}

// unload undoes the loading of experiments that have not started.
func unload(all []*Live) {
	for _, live := range all {
		live.unload()
	}
}

// DeleteSet ends the experiments that a set has started, together. It returns their
// names.
func (s *Store) DeleteSet(set, by string) (names []string, err error) {
	names = s.endWhere(func(l *Live) bool { return l.Set == set }, WhyDeleted, by)
	if len(names) == 0 {
		return nil, ErrUnknown
	}
	return names, nil
}

// Start starts the experiments of a batch on all nodes, in one change of the document.
func (m *Member) Start(b Batch) (started []*Live, created int, err error) {
	if started, err = m.store.prepareAll(b); err != nil {
		return nil, 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.exchange(func(doc *document) error {
		if m.more {
			return ErrBehind
		}
		if err := m.store.admit(b.names(), b.When); err != nil {
			return err
		}
		if err := doc.hasRoom(b.names()); err != nil {
			return err
		}
		m.store.date(started, doc.Version+1) // the other nodes apply them with the time of the change
		for _, live := range started {
			doc.Experiments[live.Name] = newRecord(live)
		}
		return nil
	})
	if err != nil {
		unload(started)
		return nil, 0, err
	}
	return started, m.store.commit(started), nil
}

// hasRoom returns an error if the document has no room for experiments with these names.
func (doc *document) hasRoom(names []string) error {
	added := 0
	for _, name := range names {
		if _, there := doc.Experiments[name]; !there {
			added++
		}
	}
	return checkRoom(len(doc.Experiments), added)
}

// checkRoom returns an error if there is no room for more experiments.
func checkRoom(there, added int) error {
	switch {
	case added == 0 || there+added <= MaxExperiments:
		return nil
	case added == 1:
		return fmt.Errorf("%w: there are %d of at most %d; end one first, for example with 'caddy fault rm <name>'", ErrFull, there, MaxExperiments)
	default:
		return fmt.Errorf("%w: there are %d of at most %d, and %d more would start; end some first, for example with 'caddy fault rm <name>'",
			ErrFull, there, MaxExperiments, added)
	}
}

// DeleteSet ends the experiments of a set on all nodes, in one change of the document.
// It also ends those that this node could not load.
func (m *Member) DeleteSet(set, by string) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	err = m.exchange(func(doc *document) error {
		for _, name := range slices.Sorted(maps.Keys(doc.Experiments)) {
			if doc.Experiments[name].Set == set {
				names = append(names, name)
				delete(doc.Experiments, name)
			}
		}
		if len(names) == 0 {
			return ErrUnknown
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.store.endWhere(func(l *Live) bool { return slices.Contains(names, l.Name) }, WhyDeleted, by)
	return names, nil
}
