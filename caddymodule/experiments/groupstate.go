package experiments

import (
	"fmt"
	"time"

	"go.uber.org/zap"
)

// GroupState reports how sharing works.
type GroupState struct {
	Group string `json:"group"`

	// Synced is when the node was last synchronized with the group; null means never.
	Synced *time.Time `json:"synced"`

	// Error is why the node is currently not synchronized.
	Error string `json:"error,omitempty"`

	// Pending reports that a halt of this node has not been stored yet.
	Pending bool `json:"pending,omitempty"`

	// Warnings report problems that do not prevent synchronization: clocks that differ,
	// and a corrupt object that this node has replaced.
	Warnings []string `json:"warnings,omitempty"`

	// PerNode lists the state that is not shared.
	PerNode []string `json:"per_node"`
}

// State returns how sharing works.
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

// note records the result of an exchange, and logs changes.
func (m *Member) note(err error) {
	m.status.Lock()
	defer m.status.Unlock()
	switch {
	case err != nil && (m.err == nil || m.err.Error() != err.Error()):
		m.logger.Error("not synchronized with the group; continuing with the current state",
			zap.String("group", m.name), zap.Error(err))
	case err == nil && m.err != nil:
		m.logger.Info("synchronized with the group again", zap.String("group", m.name))
	}
	m.err = err
	if err == nil {
		m.synced = time.Now()
	}
}

// tellReplaced reports that a change has replaced a corrupt object.
func (m *Member) tellReplaced() {
	m.status.Lock()
	defer m.status.Unlock()
	m.replaced = fmt.Sprintf("%s was corrupt and was replaced at %s; its old content is in %s",
		m.key(), time.Now().UTC().Format(time.RFC3339), m.corruptKey())
	m.logger.Warn(m.replaced, zap.String("group", m.name))
}
