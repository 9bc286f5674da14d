package experiments

import (
	"time"

	"go.uber.org/zap"
)

// GroupState tells how the sharing goes.
type GroupState struct {
	Group string `json:"group"`

	// Synced is when the node was last in step with the group; null: never.
	Synced *time.Time `json:"synced"`

	// Error is why it is not, at the moment.
	Error string `json:"error,omitempty"`

	// Pending says that a halt of this node still has to reach the others.
	Pending bool `json:"pending,omitempty"`

	// PerNode is what is not shared.
	PerNode []string `json:"per_node"`
}

// State is how the sharing goes.
func (g *Group) State() GroupState {
	g.status.Lock()
	defer g.status.Unlock()
	state := GroupState{Group: g.name, PerNode: []string{"counters", "times", "journal", "verify", "max_active"}}
	if !g.synced.IsZero() {
		synced := g.synced.UTC()
		state.Synced = &synced
	}
	if g.err != nil {
		state.Error = g.err.Error()
	}
	state.Pending = g.halt != nil
	return state
}

// note keeps how an exchange went, and logs when that changes.
func (m *Member) note(err error) {
	m.status.Lock()
	defer m.status.Unlock()
	switch {
	case err != nil && (m.err == nil || m.err.Error() != err.Error()):
		m.logger.Error("out of step with the group: going on with what there is",
			zap.String("group", m.name), zap.Error(err))
	case err == nil && m.err != nil:
		m.logger.Info("in step with the group again", zap.String("group", m.name))
	}
	m.err = err
	if err == nil {
		m.synced = time.Now()
	}
}
