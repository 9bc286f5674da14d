package testkit

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

func init() { caddy.RegisterModule(logWriter{}) }

// logWriter keeps what configurations log.
type logWriter struct{}

func (logWriter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "caddy.logging.writers.testkit", New: func() caddy.Module { return new(logWriter) }}
}

func (logWriter) String() string                      { return "testkit" }
func (logWriter) WriterKey() string                   { return "testkit" }
func (logWriter) OpenWriter() (io.WriteCloser, error) { return &logged, nil }

// logged is the log of all configurations that use logWriter.
var logged logBuffer

type logBuffer struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(p)
}

func (*logBuffer) Close() error { return nil }

// take returns and removes what has been written.
func (b *logBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.lines.Reset()
	return b.lines.String()
}

// Warnings returns what `caddy validate` logs at level WARN for a Caddyfile, sorted,
// because Caddy loads the sites in any order. The adapter writes to the log of the
// process, so only one test at a time can call Warnings.
func Warnings(t *testing.T, caddyfile string) []string {
	t.Helper()
	validate := func(cfg *caddy.Config) {
		t.Helper()
		if cfg.Admin == nil {
			cfg.Admin = &caddy.AdminConfig{Disabled: true}
		}
		if err := caddy.Validate(cfg); err != nil {
			t.Fatalf("validating: %v", err)
		}
	}
	logging := func() *caddy.Logging {
		writer := caddy.BaseLog{WriterRaw: json.RawMessage(`{"output": "testkit"}`), EncoderRaw: json.RawMessage(`{"format": "json"}`)}
		return &caddy.Logging{Logs: map[string]*caddy.CustomLog{"default": {BaseLog: writer}}}
	}
	validate(&caddy.Config{Logging: logging()}) // becomes the log of the process
	defer validate(new(caddy.Config))
	logged.take()
	adapted, err := Adapt(t, caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	cfg := new(caddy.Config)
	if err := json.Unmarshal([]byte(adapted), cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Logging = logging()
	validate(cfg)
	return warnings(t, logged.take())
}

// warnings returns the messages of level WARN in a log, except those of Caddy itself.
func warnings(t *testing.T, log string) (messages []string) {
	t.Helper()
	for line := range strings.Lines(log) {
		var entry struct{ Level, Logger, Msg string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if entry.Level == "warn" && (entry.Logger == "caddyfile" || strings.Contains(entry.Logger, "fault")) {
			messages = append(messages, entry.Msg)
		}
	}
	slices.Sort(messages)
	return messages
}
