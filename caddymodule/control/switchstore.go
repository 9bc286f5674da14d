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

// Reasons why the switch is halted.
const (
	WhyAPI        = "api"
	WhyConfigured = "configuration"
	whyErrors     = "halt_when"
)

// switchFolder is the folder in the storage with the switch of each Caddy. The objects
// of groups are outside of the folder, so their names cannot conflict.
const switchFolder = "fault/switch/"

// switchKey returns the key of this Caddy's switch in the storage. If Caddy has no
// instance ID, the key contains the host name, and the error explains why.
func switchKey() (string, error) {
	id, err := caddy.InstanceID()
	name := id.String()
	if err != nil {
		host, _ := os.Hostname() // without a host name, all such Caddys share one key
		name = certmagic.StorageKeys.Safe("host-" + host)
	}
	return switchFolder + name + ".json", err
}

// keptSwitch is the switch in the storage.
type keptSwitch struct {
	experiments.State

	// Group is the group that had the same switch, if any. It is empty for a halt that
	// the group does not know yet.
	Group string `json:"group,omitempty"`
}

// is reports whether the switch is unchanged since.
func (k *keptSwitch) is(now experiments.State) bool {
	never := k.Since == nil && now.Since == nil
	return k.Halted == now.Halted && (never || k.Since != nil && now.Since != nil && k.Since.Equal(*now.Since))
}

// Restore reads the switch of the last process, once.
func (c *Control) Restore(ctx caddy.Context) {
	c.restored.Do(func() { c.load(ctx) })
}

func (c *Control) load(ctx caddy.Context) {
	key, err := switchKey()
	if err != nil {
		ctx.Logger().Warn("this Caddy has no instance ID; its switch is stored under the host name", zap.String("key", key), zap.Error(err))
	}
	var kept *keptSwitch
	data, err := loadSwitch(ctx, ctx.Storage(), key)
	if err == nil {
		kept, err = parseSwitch(data)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		ctx.Logger().Error("cannot read the switch from the storage; faults are not halted", zap.String("key", key), zap.Error(err))
	case kept.Halted:
		ctx.Logger().Warn("faults are halted, as they were when the last process exited", zap.String("why", kept.Why))
		c.kept.Store(kept)
		c.Switch.Set(kept.State)
	}
}

// parseSwitch decodes the switch. A halt is returned even if the rest is invalid.
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

// loadSwitch reads the switch. A timeout keeps a start from waiting for the storage.
func loadSwitch(ctx context.Context, storage experiments.Storage, key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, experiments.StorageTime)
	defer cancel()
	return experiments.Bound(storage).Load(ctx, key)
}

// save stores the switch for the next process. It reads the state after taking the
// lock, so that of two concurrent changes the later one is stored. A halt by the
// configuration alone is not stored, because the next configuration contains it.
func (c *Control) save(ctx context.Context, storage certmagic.Storage) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	ctx, cancel := context.WithTimeout(ctx, experiments.StorageTime)
	defer cancel()
	now := c.Switch.State()
	kept := &keptSwitch{State: now, Group: c.sharedBy(now)}
	data, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	key, _ := switchKey() // load has logged the error
	if err := c.saving.bound(storage).Store(ctx, key, data); err != nil {
		return err
	}
	c.kept.Store(kept)
	return nil
}

// sharedBy returns the name of the group that has this state of the switch, or "".
func (c *Control) sharedBy(state experiments.State) string {
	if group := c.Shared(); group != nil && !group.State().Pending && group.Halted() == state.Halted {
		return group.Name()
	}
	return ""
}

// switchSaver serializes the writes of the switch.
type switchSaver struct {
	sync.Mutex
	storage certmagic.Storage
	bounded experiments.Storage
}

// bound returns the storage with a time limit for each call. It returns the same one
// for the same storage, because it keeps track of calls that hang.
func (s *switchSaver) bound(storage certmagic.Storage) experiments.Storage {
	if s.bounded == nil || !reflect.TypeOf(storage).Comparable() || s.storage != storage {
		s.storage, s.bounded = storage, experiments.Bound(storage)
	}
	return s.bounded
}

// follow stores the switch of the group, for a process without the group.
func (c *Control) follow(ctx context.Context, storage certmagic.Storage) error {
	now := c.Switch.State()
	if now.Why == WhyConfigured || c.kept.Load().is(now) {
		return nil
	}
	return c.save(ctx, storage)
}
