package inject

import (
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// Observe returns the logs of the handler.
func Observe(h *Handler) *observer.ObservedLogs {
	core, logs := observer.New(zapcore.DebugLevel)
	h.logger = zap.New(core)
	return logs
}

// LoadTransport exports loadTransport for external tests.
func LoadTransport(t testing.TB, config string) *Transport { return loadTransport(t, config) }

// JournalOf returns the journal of the transport's node.
func JournalOf(t *Transport) *experiments.Journal { return t.ctl.Journal }
