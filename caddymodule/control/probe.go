package control

import (
	"context"
	"errors"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// probeFolder is the folder in the storage for objects that are written only to find
// out whether that is possible.
const probeFolder = "fault/probe/"

// storageProbe warns of a storage that cannot be written. Without the warning, a
// read-only storage is first noticed when somebody halts.
type storageProbe struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// start returns at once, because a storage may hang.
func (p *storageProbe) start(ctx context.Context, storage certmagic.Storage, logger *zap.Logger) {
	p.stop()
	ctx, p.cancel = context.WithTimeout(ctx, experiments.StorageTime)
	p.done.Go(func() {
		if err := probe(ctx, storage); err != nil && !errors.Is(ctx.Err(), context.Canceled) {
			logger.Warn("cannot write to the storage, so a halt would not survive a restart; make the data folder writable", zap.Error(err))
		}
	})
}

// stop ends the probe. Its result does not count if it comes later.
func (p *storageProbe) stop() {
	if p.cancel != nil {
		p.cancel()
		p.done.Wait()
	}
}

// probe writes an object and deletes it.
func probe(ctx context.Context, storage certmagic.Storage) error {
	id, _ := caddy.InstanceID() // all Caddys without one use the same key
	return experiments.Bound(trace{storage}).Store(ctx, probeFolder+id.String(), []byte("{}"))
}

// trace is a storage that deletes what it has stored.
type trace struct{ certmagic.Storage }

func (t trace) Store(ctx context.Context, key string, value []byte) error {
	if err := t.Storage.Store(ctx, key, value); err != nil {
		return err
	}
	return t.Delete(ctx, key)
}
