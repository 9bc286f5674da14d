package control_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// probedStorage records the calls of a probe. It refuses to store if err is set.
type probedStorage struct {
	certmagic.Storage
	err   error
	mu    sync.Mutex
	calls []string
}

func (s *probedStorage) Store(_ context.Context, key string, _ []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "store "+key)
	return s.err
}

func (s *probedStorage) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "delete "+key)
	return nil
}

func TestProbe(t *testing.T) {
	id, err := caddy.InstanceID()
	if err != nil {
		t.Fatal(err)
	}
	key := "fault/probe/" + id.String()
	refused := error(&fs.PathError{Op: "open", Path: key, Err: fs.ErrPermission})
	tests := []struct {
		name  string
		err   error
		calls []string
	}{
		{"writable", nil, []string{"store " + key, "delete " + key}},
		{"read-only", refused, []string{"store " + key}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			storage := &probedStorage{err: tc.err}
			if err := control.Probe(t.Context(), storage); !errors.Is(err, tc.err) {
				t.Errorf("got error %v, want %v", err, tc.err)
			}
			if !slices.Equal(storage.calls, tc.calls) {
				t.Errorf("got calls %q, want %q", storage.calls, tc.calls)
			}
		})
	}
}

// A storage that hangs ends a probe after a while.
func TestProbeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &hungStorage{answers: make(chan struct{})}
		defer close(storage.answers)
		ctx, cancel := context.WithTimeout(t.Context(), control.StorageTime)
		defer cancel()
		if err := control.Probe(ctx, storage); err == nil {
			t.Error("no error")
		}
	})
}

// An app warns of a storage that it cannot write, unless it has stopped meanwhile.
func TestProbeWarns(t *testing.T) {
	const want = "cannot write to the storage, so a halt would not survive a restart; make the data folder writable"
	tests := []struct {
		name     string
		readOnly bool
		stopped  bool
		warns    bool
	}{
		{"writable", false, false, false},
		{"read-only", true, false, true},
		{"read-only, but stopped", true, true, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := new(probedStorage)
				if tc.readOnly {
					storage.err = fs.ErrPermission
				}
				core, logs := observer.New(zapcore.WarnLevel)
				ctx, cancel := context.WithCancel(t.Context())
				if tc.stopped {
					cancel()
				}
				stop := control.ProbeStorage(ctx, storage, zap.New(core))
				defer cancel()
				defer stop()
				synctest.Wait()
				if got := logs.FilterMessage(want).Len() > 0; got != tc.warns {
					t.Errorf("warned: %v, want %v", got, tc.warns)
				}
			})
		})
	}
}

// A start probes the storage of the configuration.
func TestStartProbes(t *testing.T) {
	n := testnode.Start(t, testnode.Shop, `{}`)
	core, logs := observer.New(zapcore.WarnLevel)
	n.App.SetLogger(zap.New(core))
	if err := n.App.Start(); err != nil {
		t.Fatal(err)
	}
	if err := n.App.Stop(); err != nil {
		t.Fatal(err)
	}
	if logs.Len() > 0 {
		t.Errorf("logged %v, want nothing", logs.All())
	}
}
