package experiments

import (
	"fmt"
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

	// Warnings say what needs attention while the node is in step: clocks that
	// differ, and a corrupt object that this node has replaced.
	Warnings []string `json:"warnings,omitempty"`

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
	for _, warning := range []string{g.skew, g.replaced} {
		if warning != "" {
			state.Warnings = append(state.Warnings, warning)
		}
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

// tellReplaced says that a change has replaced a corrupt object.
func (m *Member) tellReplaced() {
	m.status.Lock()
	defer m.status.Unlock()
	m.replaced = fmt.Sprintf("%s was corrupt and was replaced at %s: its old content is in %s",
		m.key(), time.Now().UTC().Format(time.RFC3339), m.corruptKey())
	m.logger.Warn(m.replaced, zap.String("group", m.name))
}
