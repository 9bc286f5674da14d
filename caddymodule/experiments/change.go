package experiments

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// exchange makes a change for a caller who waits for it.
func (m *Member) exchange(change func(*document) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), StorageTime)
	defer cancel()
	err := m.change(ctx, change)
	if refused := (refusedError{}); errors.As(err, &refused) {
		if !m.failed { // the change was not stored
			m.note(refused.still)
		}
		return refused.error
	}
	m.note(err)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStorage, err)
	}
	return nil
}

// refusedError reports a change that was refused once the document was known.
type refusedError struct {
	error
	still error // why the node is not synchronized: the object is corrupt
}

// change loads the document, changes it and stores it, under its lock. Without a change
// it stores the document as it was.
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

// changeLocked replaces a corrupt document only for a change that a caller requests. It
// stores a document that is gone again: the lock shows that the storage can be reached.
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

// changed returns the encoded document with the change.
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
