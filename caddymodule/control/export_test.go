package control

import (
	"context"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// DefaultInterval is the default interval at which a node reads the changes of its
// group.
const DefaultInterval = defaultInterval

// SwitchKey is the key of this Caddy's switch in the storage.
var SwitchKey = switchKey

// LoadSwitch reads the switch from a storage.
var LoadSwitch = loadSwitch

// StorageTime is how long a call may wait for the storage.
const StorageTime = experiments.StorageTime

// Probe writes an object to a storage and deletes it.
var Probe = probe

// ProbeStorage warns of a storage that cannot be written, until stop.
func ProbeStorage(ctx context.Context, storage certmagic.Storage, logger *zap.Logger) (stop func()) {
	p := new(storageProbe)
	p.start(ctx, storage, logger)
	return p.stop
}

// AdminOf returns the settings of the admin endpoint.
var AdminOf = adminOf

// IsOpen reports whether other machines can reach an address.
var IsOpen = isOpen

// ChecksHosts reports whether Caddy compares the Host of requests to an address.
var ChecksHosts = checksHosts

// NewState returns a state of the switch that begins now.
var NewState = newState

// NewApp returns an app with only these settings.
func NewApp(ctx caddy.Context, ctl *Control, journal *int) *App {
	return &App{ctx: ctx, ctl: ctl, logger: zap.NewNop(), Journal: journal}
}

// Events returns the events app of the configuration.
func (a *App) Events() *caddyevents.App { return a.events }

// SetLogger replaces the logger of the app.
func (a *App) SetLogger(logger *zap.Logger) { a.logger = logger }

// Join provisions the share of an app.
func (s *Share) Join(a *App) { s.provision(a) }

// Leave stops following the group.
func (s *Share) Leave() { s.stop() }

// Run makes these the started apps, the latest last.
func (c *Control) Run(apps ...*App) {
	c.apps = apps
	c.settle()
}

// Enter makes the app of a configuration the current one.
func (c *Control) Enter(a *App) { c.enter(a) }

// Save stores the switch for the next process.
func (c *Control) Save(ctx context.Context, storage certmagic.Storage) error {
	return c.save(ctx, storage)
}

// Group returns the group with a name.
func (c *Control) Group(name string) *experiments.Group { return c.group(name) }

// LoadExperiment loads the rule of an experiment.
func (c *Control) LoadExperiment(e *experiments.Experiment) (unload func(), err error) {
	return c.loadExperiment(e)
}
