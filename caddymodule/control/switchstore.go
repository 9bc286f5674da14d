package control

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"reflect"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// Why the switch is halted.
const (
	WhyAPI        = "api"
	whyConfigured = "configuration"
	whyErrors     = "halt_when"
)

// switchFolder is where the storage has the switch of each Caddy that uses it.
// The groups' objects stand beside the folder, so that none can be called as one
// of these.
const switchFolder = "fault/switch/"

// switchKey is where the storage has the switch of this Caddy. Without an ID of
// its own, which the error explains, it is known by its host.
func switchKey() (string, error) {
	id, err := caddy.InstanceID()
	name := id.String()
	if err != nil {
		host, _ := os.Hostname() // without a name there is one such Caddy
		name = certmagic.StorageKeys.Safe("host-" + host)
	}
	return switchFolder + name + ".json", err
}

// keptSwitch is the switch in the storage.
type keptSwitch struct {
	experiments.State

	// Group is the group that the switch was one with, if any. A halt that the
	// group does not know of yet is the node's own.
	Group string `json:"group,omitempty"`
}

// is reports whether nothing has turned the switch since.
func (k *keptSwitch) is(now experiments.State) bool {
	never := k.Since == nil && now.Since == nil
	return k.Halted == now.Halted && (never || k.Since != nil && now.Since != nil && k.Since.Equal(*now.Since))
}

// Restore reads the switch as it was when the last process ended, once.
func (c *Control) Restore(ctx caddy.Context) {
	c.restored.Do(func() { c.load(ctx) })
}

func (c *Control) load(ctx caddy.Context) {
	key, err := switchKey()
	if err != nil {
		ctx.Logger().Warn("this Caddy has no ID of its own; its switch is kept by the name of the host", zap.String("key", key), zap.Error(err))
	}
	var kept *keptSwitch
	data, err := loadSwitch(ctx, ctx.Storage(), key)
	if err == nil {
		kept, err = parseSwitch(data)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		ctx.Logger().Error("cannot read the switch from the storage; faults are live", zap.String("key", key), zap.Error(err))
	case kept.Halted:
		ctx.Logger().Warn("faults are halted, as they were when the last process ended", zap.String("why", kept.Why))
		c.kept.Store(kept)
		c.Switch.Set(kept.State)
	}
}

// parseSwitch reads what the storage has. A halt counts, whatever the rest says.
func parseSwitch(data []byte) (*keptSwitch, error) {
	state, err := experiments.ParseState(data)
	kept := &keptSwitch{State: state}
	var with struct {
		Group string `json:"group"`
	}
	if json.Unmarshal(data, &with) == nil {
		kept.Group = with.Group
	}
	return kept, err
}

// loadSwitch reads the switch. A start must not hang with the storage.
func loadSwitch(ctx context.Context, storage experiments.Storage, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, experiments.StorageTime)
	defer cancel()
	return experiments.Bound(storage).Load(ctx, key)
}

// save keeps the switch for the next process, as it is when its turn comes: of
// two turns at once the later one must not be lost. A halt by the configuration
// alone is not kept, the next one says it again.
func (c *Control) save(ctx context.Context, storage certmagic.Storage) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	ctx, cancel := context.WithTimeout(ctx, experiments.StorageTime)
	defer cancel()
	kept := &keptSwitch{State: c.Switch.State()}
	if group := c.Shared(); group != nil && !group.State().Pending {
		kept.Group = group.Name()
	}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	key, _ := switchKey() // load has told of an error
	if err := c.saving.bound(storage).Store(ctx, key, data); err != nil {
		return err
	}
	c.kept.Store(kept)
	return nil
}

// switchSaver lets the switch be saved once at a time.
type switchSaver struct {
	sync.Mutex
	storage certmagic.Storage
	bounded experiments.Storage
}

// bound is the storage with an end to each call. It is the same one for the same
// storage, as it knows of a call that hangs.
func (s *switchSaver) bound(storage certmagic.Storage) experiments.Storage {
	if s.bounded == nil || !reflect.TypeOf(storage).Comparable() || s.storage != storage {
		s.storage, s.bounded = storage, experiments.Bound(storage)
	}
	return s.bounded
}

// follow keeps what the group has made of the switch, for a process without it.
func (c *Control) follow(ctx context.Context, storage certmagic.Storage) error {
	now := c.Switch.State()
	if now.Why == whyConfigured || c.kept.Load().is(now) {
		return nil
	}
	return c.save(ctx, storage)
}
