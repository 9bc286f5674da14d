package inject

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// Observe keeps what the handler logs.
func Observe(h *Handler) *observer.ObservedLogs {
	core, logs := observer.New(zapcore.DebugLevel)
	h.logger = zap.New(core)
	return logs
}

// LoadTransport is loadTransport for tests of the package from outside.
func LoadTransport(t testing.TB, config string) *Transport { return loadTransport(t, config) }

// JournalOf is the journal of the node that the transport is at.
func JournalOf(t *Transport) *experiments.Journal { return t.ctl.Journal }
