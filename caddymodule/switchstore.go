package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// Why the switch is halted.
const (
	whyAPI        = "api"
	whyConfigured = "configuration"
	whyErrors     = "halt_when"
)

// switchKey is where the storage has the switch.
const switchKey = "fault/switch.json"

// storageTime bounds a write to the storage.
const storageTime = 5 * time.Second

// restore reads the switch as it was when the last process ended.
func (c *control) restore(ctx caddy.Context) {
	var state experiments.State
	data, err := ctx.Storage().Load(ctx, switchKey)
	if err == nil {
		err = json.Unmarshal(data, &state)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		ctx.Logger().Error("cannot read the switch from the storage; faults are live", zap.String("key", switchKey), zap.Error(err))
	case state.Halted:
		c.sw.Set(state)
	}
}

// save keeps the switch for the next process. A halt by the configuration is
// not kept: the next one says it again.
func save(storage certmagic.Storage, state experiments.State) error {
	ctx, cancel := context.WithTimeout(context.Background(), storageTime)
	defer cancel()
	data, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return storage.Store(ctx, switchKey, data)
}
