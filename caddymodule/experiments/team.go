package experiments

import (
	"errors"
	"maps"
	"slices"
	"time"
)

// A team is the experiments that one change has started. A node runs all of them or
// none: it starts a team once all its members are loaded, which may take several time
// slices.

// errSlice reports that the time slice has ended.
var errSlice = errors.New("the time slice has ended")

// readied is an experiment of another node that is loaded.
type readied struct {
	*Live
	seen *sight // the record from which it was loaded
}

// teams returns the names of the experiments that start together, by their first names.
func (doc *document) teams() (teams [][]string) {
	at := make(map[uint64]int)
	for _, name := range slices.Sorted(maps.Keys(doc.Experiments)) {
		team := doc.Experiments[name].Together
		if i, known := at[team]; known && team != 0 {
			teams[i] = append(teams[i], name)
			continue
		}
		at[team] = len(teams)
		teams = append(teams, []string{name})
	}
	return teams
}

// prepare loads the experiments of a team. If it fails, it returns the experiment that
// fails. It returns errSlice if the time slice ends first. What is loaded stays ready.
func (m *Member) prepare(team []string, began time.Time) (at string, err error) {
	for _, name := range team {
		seen := m.known[name]
		if ready, there := m.ready[name]; there && ready.seen == seen {
			continue
		}
		if time.Since(began) > sliceTime {
			return name, errSlice
		}
		live, err := m.load(name, seen)
		if err != nil {
			return name, err
		}
		m.drop(name)
		m.ready[name] = readied{live, seen}
	}
	if len(team) > 0 {
		at = team[0]
	}
	return at, nil
}

// load loads an experiment of another node.
func (m *Member) load(name string, seen *sight) (*Live, error) {
	if seen.err != nil {
		return nil, seen.err
	}
	e, err := seen.parse(name)
	if err != nil {
		return nil, err
	}
	return m.store.prepare(e, seen.Experiment)
}

// adopt starts the experiments of a team, which are ready.
func (m *Member) adopt(team []string) error {
	if len(team) == 0 {
		return nil
	}
	if err := m.store.admit(team, nil); err != nil {
		return err
	}
	all := make([]*Live, len(team))
	for i, name := range team {
		ready := m.ready[name]
		delete(m.ready, name)
		ready.take(ready.seen)
		all[i] = ready.Live
	}
	m.store.commit(all)
	return nil
}

// drop unloads an experiment that is ready, if it is.
func (m *Member) drop(name string) {
	if ready, there := m.ready[name]; there {
		ready.unload()
		delete(m.ready, name)
	}
}

// discard unloads what is ready and will not start.
func (m *Member) discard() {
	for name := range m.ready {
		m.drop(name)
	}
}

// leave ends the following.
func (m *Member) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.left = true
	m.discard()
}
