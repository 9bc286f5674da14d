package experiments

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// exchange makes a change for somebody who waits for it. When the storage cannot
// be used, it calls otherwise.
func (m *Member) exchange(change func(*document) error, otherwise func()) error {
	ctx, cancel := context.WithTimeout(context.Background(), StorageTime)
	defer cancel()
	err := m.change(ctx, change)
	if refused := (refusedError{}); errors.As(err, &refused) {
		if !m.failed { // it did not get as far as to be stored
			m.note(refused.still)
		}
		return refused.error
	}
	m.note(err)
	if err != nil {
		if otherwise != nil {
			otherwise()
		}
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// refusedError is a change that was not wanted once the document was known.
type refusedError struct {
	error
	still error // why the node is still out of step: the object is corrupt
}

// change takes over the document, changes it and stores it, under its lock. Without
// a change it stores what there was.
func (m *Member) change(ctx context.Context, change func(*document) error) error {
	err := m.lock(ctx)
	if err == nil {
		err = m.changeLocked(ctx, change)
		m.unlock(ctx)
	}
	if refused := (refusedError{}); !errors.As(err, &refused) {
		m.failed = err != nil
	}
	return err
}

func (m *Member) lock(ctx context.Context) error {
	err := m.storage.Lock(ctx, m.key())
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("waiting for the lock of %s: %w", m.key(), err)
	}
	return err
}

func (m *Member) unlock(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), StorageTime)
	defer cancel()
	if err := m.storage.Unlock(ctx, m.key()); err != nil {
		m.logger.Warn("unlocking the shared experiments", zap.Error(err))
	}
}

// changeLocked replaces an object that is corrupt only for a change that somebody
// has asked for. One that is gone is stored again: the lock shows that the storage
// can be reached.
func (m *Member) changeLocked(ctx context.Context, change func(*document) error) error {
	err := m.pull(ctx)
	corrupt, isCorrupt := errors.AsType[*corruptError](err)
	replaces := errors.Is(err, errGone) || isCorrupt && change != nil
	if err != nil && !replaces {
		return err
	}
	doc := m.last()
	m.prune(doc)
	data, err := m.changed(doc, change)
	switch {
	case err != nil && isCorrupt:
		return refusedError{err, corrupt}
	case err != nil:
		return refusedError{err, nil}
	case isCorrupt:
		err = m.storage.Store(ctx, m.corruptKey(), corrupt.data)
	}
	if err == nil {
		err = m.storage.Store(ctx, m.key(), data)
	}
	if err != nil {
		return err
	}
	if isCorrupt {
		m.tellReplaced()
	}
	m.see(doc)
	m.saw(doc, data)
	return nil
}

// changed returns the object with the change.
func (m *Member) changed(doc *document, change func(*document) error) ([]byte, error) {
	if change != nil {
		if err := change(doc); err != nil {
			return nil, err
		}
	}
	doc.next()
	data, err := doc.encode()
	if err == nil && len(data) > maxObject {
		err = fmt.Errorf("%w: %s would have %d bytes, more than %d: end an experiment first", ErrFull, m.key(), len(data), maxObject)
	}
	return data, err
}
