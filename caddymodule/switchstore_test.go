package caddymodule

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// hungStorage answers nobody before it is closed.
type hungStorage struct {
	certmagic.Storage
	answers chan struct{}
}

func (h *hungStorage) Store(context.Context, string, []byte) error {
	<-h.answers
	return nil
}

func (h *hungStorage) Load(context.Context, string) ([]byte, error) {
	<-h.answers
	return nil, errors.New("too late")
}

// A storage that hangs keeps neither a start nor a halt; no goroutines pile up.
func TestSwitchStorageHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &hungStorage{answers: make(chan struct{})}
		defer close(storage.answers)
		timely := func(what string, most time.Duration, f func() error) {
			t.Helper()
			start := time.Now()
			if err := f(); err == nil {
				t.Errorf("%s: no error", what)
			}
			if took := time.Since(start); took > most {
				t.Errorf("%s took %v, want %v at most", what, took, most)
			}
		}
		timely("start", experiments.StorageTime+time.Second, func() error {
			_, err := loadSwitch(t.Context(), storage, "key")
			return err
		})
		c := newControl()
		defer c.beginExit()
		timely("halt", experiments.StorageTime+time.Second, func() error { return c.halt(whyAPI, storage) })
		before := runtime.NumGoroutine()
		for range 10 {
			timely("halt again", 0, func() error { return c.halt(whyAPI, storage) })
		}
		if more := runtime.NumGoroutine() - before; more > 2 {
			t.Errorf("%d goroutines more", more)
		}
		if !c.sw.Halted() {
			t.Error("not halted")
		}
	})
}
