package experiments

import (
	"context"
	"errors"
	"sync"
	"time"
)

// bounded is a storage whose calls end with their context. The calls of a file system
// do not, while its server is unreachable. An abandoned call keeps running. Until it
// has ended, all other calls fail immediately, so that calls do not pile up.
type bounded struct {
	storage Storage

	mu   sync.Mutex
	last chan struct{} // closed when the last call has ended
}

var errHangs = errors.New("the storage hangs; the call may still take effect when it answers")

// grace is the time that a storage which respects the context has to report its error.
const grace = 100 * time.Millisecond

// Bound returns a storage whose calls end with their context. Calls run one at a time.
func Bound(storage Storage) Storage {
	b := &bounded{storage: storage, last: make(chan struct{})}
	close(b.last)
	return b
}

// Lock acquires the lock. A lock that is acquired too late is released again.
func (b *bounded) Lock(ctx context.Context, name string) error {
	return b.call(ctx,
		func() error {
			breakLock(ctx, b.storage, name)
			return b.storage.Lock(ctx, name)
		},
		func() { _ = b.storage.Unlock(context.WithoutCancel(ctx), name) })
}

// Unlock waits in the background for a call that hangs. The call may be a Store, which
// must not undo a change that another node makes once the lock is free.
func (b *bounded) Unlock(ctx context.Context, name string) error {
	unlock := func() error { return b.storage.Unlock(context.WithoutCancel(ctx), name) }
	if b.hangs() {
		b.run(func() { _ = unlock() })
		return errHangs
	}
	return b.call(ctx, unlock, nil)
}

func (b *bounded) Store(ctx context.Context, key string, value []byte) error {
	return b.call(ctx, func() error { return b.storage.Store(ctx, key, value) }, nil)
}

func (b *bounded) Load(ctx context.Context, key string) ([]byte, error) {
	var data []byte
	err := b.call(ctx, func() (err error) {
		data, err = b.storage.Load(ctx, key)
		return err
	}, nil)
	if err != nil {
		return nil, err // an abandoned call may still write to data
	}
	return data, nil
}

// call runs f until ctx is done. If f succeeds after that, late runs.
func (b *bounded) call(ctx context.Context, f func() error, late func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.hangs() {
		return errHangs
	}
	result, givenUp := make(chan error), make(chan struct{})
	ended := b.run(func() {
		err := f()
		select {
		case result <- err:
		case <-givenUp:
			if err == nil && late != nil {
				late()
			}
		}
	})
	var err error
	select {
	case err = <-result:
	case <-ctx.Done():
		select {
		case err = <-result:
		case <-time.After(grace):
			close(givenUp)
			return errHangs
		}
	}
	<-ended // ends immediately; the next call must not see it as hanging
	return err
}

// run runs f after the last call has ended.
func (b *bounded) run(f func()) (ended chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, ended := b.last, make(chan struct{})
	b.last = ended
	go func() {
		defer close(ended)
		<-before
		f()
	}()
	return ended
}

func (b *bounded) hangs() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.last:
		return false
	default:
		return true
	}
}
