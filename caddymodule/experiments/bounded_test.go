package experiments

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// hung is the access of one node to a storage whose calls can hang.
type hung struct {
	*memory

	mu    sync.Mutex
	calls map[string]chan struct{} // by their name
}

// hang makes calls hang until the storage answers.
func (h *hung) hang(call string) (answer func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	hangs := make(chan struct{})
	h.calls = map[string]chan struct{}{call: hangs}
	return sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.calls = nil
		close(hangs)
	})
}

func (h *hung) wait(call string) {
	h.mu.Lock()
	hangs := h.calls[call]
	h.mu.Unlock()
	if hangs != nil {
		<-hangs // ignores the context
	}
}

func (h *hung) Lock(ctx context.Context, name string) error {
	h.wait("lock")
	return h.memory.Lock(context.WithoutCancel(ctx), name)
}

func (h *hung) Unlock(ctx context.Context, name string) error {
	h.wait("unlock")
	return h.memory.Unlock(ctx, name)
}

func (h *hung) Store(ctx context.Context, key string, value []byte) error {
	h.wait("store")
	return h.memory.Store(ctx, key, value)
}

func (h *hung) Load(ctx context.Context, key string) ([]byte, error) {
	h.wait("load")
	return h.memory.Load(ctx, key)
}

// Whichever call hangs, a node answers in time, and immediately once it knows.
// Goroutines do not pile up. When the storage answers, the lock is free, all nodes have
// what was stored late, and a halt wins.
func TestShareHangs(t *testing.T) {
	for _, call := range []string{"lock", "load", "store", "unlock"} {
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := new(memory)
				way := &hung{memory: storage}
				a, b := newNode(t, way), newNode(t, storage)
				must(t, a.put("one", `"ttl": 0, `, nil))
				b.want(b.step(), "one")
				answer := way.hang(call)
				defer answer()

				goroutines, start := runtime.NumGoroutine(), time.Now()
				if err := a.put("two", `"ttl": 0, `, nil); call != "unlock" && !errors.Is(err, ErrStorage) {
					t.Errorf("put: got %v, want %v", err, ErrStorage)
				}
				if took := time.Since(start); took > StorageTime+grace {
					t.Errorf("put took %v", took)
				}
				start = time.Now()
				for range 10 {
					if err := a.put("three", "", nil); !errors.Is(err, ErrStorage) {
						t.Errorf("put: got %v, want %v", err, ErrStorage)
					}
					a.Sync(t.Context())
				}
				if err := a.Member.Halt(halted("api")); !errors.Is(err, ErrStorage) {
					t.Errorf("halt: got %v, want %v", err, ErrStorage)
				}
				a.want(a.has(), "HALTED")
				a.inStep(errHangs.Error(), true)
				if took := time.Since(start); took > 0 {
					t.Errorf("the calls after took %v, want them to fail at once", took)
				}
				if more := runtime.NumGoroutine() - goroutines; more > 2 {
					t.Errorf("%d goroutines more", more)
				}
				if lines := a.logs.FilterMessageSnippet("not synchronized").Len(); lines != 1 {
					t.Errorf("%d lines about it, want 1", lines)
				}

				answer()
				synctest.Wait()
				if call == "store" {
					b.want(b.step(), "one", "two")
				}
				a.want(a.step(), "HALTED")
				a.inStep("", false)
				b.want(b.step(), "HALTED")
				must(t, b.Resume(resumed()))
				a.want(a.step())
			})
		})
	}
}

// A Store that hangs keeps the lock. Otherwise it would undo what other nodes store
// meanwhile.
func TestShareLateStoreIsLocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := new(memory)
		way := &hung{memory: storage}
		a, b := newNode(t, way), newNode(t, storage)
		answer := way.hang("store")
		if err := a.put("one", "", nil); !errors.Is(err, ErrStorage) {
			t.Errorf("put: got %v, want %v", err, ErrStorage)
		}
		if err := b.put("two", "", nil); !errors.Is(err, ErrStorage) {
			t.Errorf("put on the other node: got %v, want %v", err, ErrStorage)
		}
		answer()
		synctest.Wait()
		must(t, b.put("two", "", nil))
		a.want(a.step(), "one", "two")
	})
}

// A node stops following even while the storage hangs, and does not report this as a
// failure of the storage.
func TestShareFollowHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		way := &hung{memory: new(memory)}
		a := newNode(t, way)
		defer way.hang("load")()
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.Follow(ctx, time.Second, func() {})
		}()
		synctest.Wait()
		start := time.Now()
		stop()
		<-ended
		if took := time.Since(start); took > grace {
			t.Errorf("took %v to stop", took)
		}
		a.inStep("", false)
	})
}
