package control_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyfault/caddyfault/caddymodule/api"
	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/testnode"
)

// hungStorage does not answer until it is closed.
type hungStorage struct {
	certmagic.Storage
	answers chan struct{}
}

func (h *hungStorage) Store(context.Context, string, []byte) error {
	<-h.answers
	return nil
}

func (h *hungStorage) Delete(context.Context, string) error { return nil }

func (h *hungStorage) Load(context.Context, string) ([]byte, error) {
	<-h.answers
	return nil, errors.New("too late")
}

// A storage that hangs delays neither a start nor a halt, and goroutines do not pile
// up.
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
			_, err := control.LoadSwitch(t.Context(), storage, "key")
			return err
		})
		c := control.New()
		defer c.BeginExit()
		timely("halt", experiments.StorageTime+time.Second, func() error { return c.Halt(control.Cause{Why: "api"}, storage) })
		before := runtime.NumGoroutine()
		for range 10 {
			timely("halt again", 0, func() error { return c.Halt(control.Cause{Why: "api"}, storage) })
		}
		if more := runtime.NumGoroutine() - before; more > 2 {
			t.Errorf("%d more goroutines", more)
		}
		if !c.Switch.Halted() {
			t.Error("not halted")
		}
	})
}

// A stored halt counts, whatever else is invalid in the object, and can be resumed.
func TestSwitchKeptOddly(t *testing.T) {
	key, err := control.SwitchKey()
	if err != nil {
		t.Fatal(err)
	}
	n := testnode.Start(t, testnode.Shop, "")
	for object, halted := range map[string]bool{
		`{"halted": true}`:                                     true,
		`{"halted": true, "since": null}`:                      true,
		`{"halted": true, "since": ""}`:                        true,
		`{"halted": true, "since": "yesterday"}`:               true,
		`{"halted": true, "since": 7, "why": [], "group": {}}`: true,
		`{"halted": "yes"}`:                                    false, // the log reports that it cannot be read
		`{"halted": false, "since": "yesterday"}`:              false,
		`null`: false,
		``:     false,
		`{"halted": true, "since": "2026-01-02T03:04:05Z", "group": 1}`: true,
	} {
		if err := n.App.Context().Storage().Store(t.Context(), key, []byte(object)); err != nil {
			t.Fatal(err)
		}
		ctl := control.New()
		ctl.Enter(n.App)
		ctl.Restore(n.App.Context())
		if ctl.Switch.Halted() != halted {
			t.Errorf("%s: halted: %v", object, !halted)
		}
		restarted := &testnode.Node{T: t, API: api.New(ctl, n.App.Context().Storage())}
		restarted.Want(200, "POST", "/resume", "", `"halted": false`)
		next := control.New()
		next.Restore(n.App.Context())
		if next.Switch.Halted() {
			t.Errorf("%s: the next process is halted after a resume", object)
		}
		next.BeginExit()
		ctl.BeginExit()
	}
}
