package control

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// DefaultInterval is how often a node looks for changes of its group.
const DefaultInterval = defaultInterval

// SwitchKey is where the storage has the switch of this Caddy.
var SwitchKey = switchKey

// LoadSwitch reads the switch from a storage.
var LoadSwitch = loadSwitch

// NewState is a state of the switch from now on.
var NewState = newState

// NewApp is an app of a configuration that has only this.
func NewApp(ctx caddy.Context, ctl *Control, journal *int) *App {
	return &App{ctx: ctx, ctl: ctl, logger: zap.NewNop(), Journal: journal}
}

// Events is the events app of the configuration.
func (a *App) Events() *caddyevents.App { return a.events }

// SetLogger gives the app another logger.
func (a *App) SetLogger(logger *zap.Logger) { a.logger = logger }

// Join provisions the share of an app.
func (s *Share) Join(a *App) { s.provision(a) }

// Leave ends the following of the group.
func (s *Share) Leave() { s.stop() }

// Run makes these the apps that have been started, the last one last.
func (c *Control) Run(apps ...*App) {
	c.apps = apps
	c.settle()
}

// Enter makes the app of a configuration the current one.
func (c *Control) Enter(a *App) { c.enter(a) }

// Save keeps the switch for the next process.
func (c *Control) Save(ctx context.Context, storage certmagic.Storage) error {
	return c.save(ctx, storage)
}

// Group is the group of that name.
func (c *Control) Group(name string) *experiments.Group { return c.group(name) }

// LoadExperiment makes the rule of an experiment ready.
func (c *Control) LoadExperiment(e *experiments.Experiment) (unload func(), err error) {
	return c.loadExperiment(e)
}
