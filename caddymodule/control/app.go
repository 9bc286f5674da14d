package control

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/internal/text"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

func init() {
	caddy.RegisterModule(new(App))
	httpcaddyfile.RegisterGlobalOption("fault", parseGlobalOption)
}

// App configures what all injection points of a configuration share. It is optional.
type App struct {
	// Halt all faults. While the configuration contains this setting, they cannot be
	// resumed. A configuration without it ends this halt. Default: false.
	Halted bool `json:"halted,omitempty"`

	// Decide, count and log for every rule, experiment and trigger, but inject nothing.
	// Default: false.
	DryRun bool `json:"dry_run,omitempty"`

	// The header field that names the rule of a hit to the client. Fields that frame
	// the message, such as `Trailer`, are not allowed. `off` sends neither this field,
	// nor `X-Fault-Refused`, which says why a trigger is refused, nor `X-Fault-Change`,
	// which says what `mutate` has changed. Default: `X-Fault-Injected`.
	Disclose string `json:"disclose,omitempty"`

	// Maximum number of active requests at all points together. Further requests pass.
	// Default: no limit.
	MaxActive int64 `json:"max_active,omitempty" zero:"default"`

	// Number of injected faults that the journal remembers: 0 to 100000, where 0
	// switches it off. It remembers the same number of refused triggers, but at most
	// 1000. Default: 1000.
	Journal *int `json:"journal,omitempty"`

	// How long the journal remembers an entry: 1s or more. Default: no limit, until newer
	// entries replace it.
	JournalKeep caddy.Duration `json:"journal_keep,omitempty" zero:"default"`

	// With `off`, the journal has no addresses of clients. Findings on clients then show a
	// short text instead of an address. The text changes when Caddy starts again. Default:
	// addresses are recorded.
	ClientAddresses string `json:"client_addresses,omitempty"`

	// Matchers from modules outside Caddy that experiments may use. Write their names
	// without `http.matchers.`. Experiments may read only the request, and Caddy cannot
	// check this for other modules. Default: none.
	ExperimentMatchers []string `json:"experiment_matchers,omitempty"`

	// Share experiments and the switch with other nodes. Default: not shared.
	Share *Share `json:"share,omitempty"`

	// Requests that no point, experiment or trigger ever hits, such as the probes of an
	// orchestrator. A request that matches one of the sets is exempt. Matchers see the
	// method and the URL of the client, even after a rewrite. Default: none.
	ExemptRaw caddyhttp.RawMatcherSets `json:"exempt,omitempty" caddy:"namespace=http.matchers"`

	// How Caddy records and judges what clients do after a fault. Default: the defaults of
	// all settings.
	Clients *Clients `json:"clients,omitempty"`

	// Experiments that are started together, by the name of their set. Default: none.
	Sets map[string]*Set `json:"sets,omitempty"`

	// Presets of the configuration, by their names. They must not have the name of a
	// preset of the binary. Default: none.
	Presets map[string]*Preset `json:"presets,omitempty"`

	// Halt all faults after too many upstream errors. Default: never.
	HaltWhen *HaltWhen `json:"halt_when,omitempty"`

	ctx    caddy.Context
	ctl    *Control
	events *caddyevents.App
	logger *zap.Logger
	points rules.Group
	known  atomic.Pointer[layout] // of points
	fields trigger.Servers
	exempt caddyhttp.MatcherSets
	shown  caddyhttp.RawMatcherSets // ExemptRaw, which Caddy clears
	own    presets.Set

	probe    storageProbe
	triggers sync.Map // []*trigger.Trigger by *rules.Point
}

// RefusedField is the header field with the reason why a trigger is refused.
const RefusedField = "X-Fault-Refused"

const (
	defaultDisclose = "X-Fault-Injected"
	discloseOff     = "off"
	maxJournal      = 100_000
)

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "fault",
		New: func() caddy.Module { return new(App) },
	}
}

// UnmarshalJSON decodes the app. An error names a field that is null or a meaningless
// zero.
func (a *App) UnmarshalJSON(data []byte) error {
	type plain App
	return strictjson.DecodeConfig(data, (*plain)(a))
}

// Provision sets the defaults. Before any server starts, it reads from the storage
// whether faults were halted when the last process exited.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.ctl, a.logger = ctx, Of(ctx), ctx.Logger()
	if a.Disclose == "" {
		a.Disclose = defaultDisclose
	}
	if err := errors.Join(a.Validate(), a.checkSets()); err != nil {
		return err
	}
	if err := metrics.Register(ctx.GetMetricsRegistry()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("getting events app: %w", err)
	}
	a.events = events.(*caddyevents.App)
	if a.HaltWhen != nil {
		a.HaltWhen.provision(a)
	}
	a.shown = a.ExemptRaw
	if a.own, err = ownPresets(a.Presets); err != nil {
		return err
	}
	if err := loadMatchers(ctx, a, a.ExemptRaw, "ExemptRaw", "exempt", &a.exempt); err != nil {
		return err
	}
	if err := a.Clients.provision(ctx); err != nil {
		return err
	}
	if err := a.loadSets(ctx); err != nil {
		return err
	}
	a.ctl.Restore(ctx)
	a.Share.provision(a)
	return nil
}

// Validate checks the settings.
func (a *App) Validate() error {
	if a.Disclose != "" {
		if err := text.ValidFieldName(a.Disclose); err != nil {
			return fmt.Errorf("disclose: %w; write another field such as X-Chaos, or off", err)
		}
	}
	switch {
	case strings.EqualFold(a.Disclose, RefusedField):
		return fmt.Errorf("disclose: '%s' is reserved for refused triggers; write another field such as X-Chaos, or off", RefusedField)
	case a.MaxActive < 0:
		return fmt.Errorf("bad max_active '%d': negative", a.MaxActive)
	case a.Journal != nil && (*a.Journal < 0 || *a.Journal > maxJournal):
		return fmt.Errorf("bad journal '%d': want 0 to %d", *a.Journal, maxJournal)
	}
	for i, name := range a.ExperimentMatchers {
		if err := experiments.CheckNamed(name); err != nil {
			return fmt.Errorf("experiment_matchers: %w", err)
		}
		if slices.Contains(a.ExperimentMatchers[:i], name) {
			return fmt.Errorf("experiment_matchers: duplicate name '%s'", name)
		}
	}
	return errors.Join(a.validatePrivate(), checkExempt(a.ExemptRaw), a.Share.validate(), a.HaltWhen.validate(), a.Clients.validate())
}

// Start makes this the current configuration. Caddy may still discard it.
func (a *App) Start() error {
	a.warn()
	a.points.Settle() // while the previous configuration still holds the shared state
	a.ctl.enter(a)
	a.ctl.settle()
	a.probe.start(a.ctx, a.ctx.Storage(), a.logger)
	return nil
}

// warn logs what is probably a mistake. It needs the complete configuration.
func (a *App) warn() {
	a.warnOfPlaces()
	a.warnOfSets()
	a.warnOfAdmin()
}

// Context returns the context in which the app was provisioned.
func (a *App) Context() caddy.Context { return a.ctx }

// HTTP returns the http app of the configuration, or nil if it has none.
func (a *App) HTTP() *caddyhttp.App {
	mod, _ := a.ctx.AppIfConfigured("http")
	app, _ := mod.(*caddyhttp.App)
	return app
}

// Control returns the state of the process, which outlives the configuration.
func (a *App) Control() *Control { return a.ctl }

// ProvisionPoint adds an injection point to the configuration.
func (a *App) ProvisionPoint(ctx caddy.Context, point *rules.Point) error {
	return point.Provision(ctx, &a.points)
}

// FieldsOf returns the header fields that the triggers of a server read.
func (a *App) FieldsOf(srv *caddyhttp.Server) *trigger.Fields { return a.fields.Of(srv) }

// SetTriggers sets the triggers of a point.
func (a *App) SetTriggers(point *rules.Point, triggers []*trigger.Trigger) {
	a.triggers.Store(point, triggers)
}

// Triggers returns the triggers of a point. A transport has none.
func (a *App) Triggers(point *rules.Point) []*trigger.Trigger {
	found, _ := a.triggers.Load(point)
	triggers, _ := found.([]*trigger.Trigger)
	return triggers
}

// DiscloseField returns the name of the header field that discloses a hit, or "" for
// none.
func (a *App) DiscloseField() string {
	if a.Disclose == discloseOff {
		return ""
	}
	return http.CanonicalHeaderKey(a.Disclose)
}

// Stop makes the next configuration current, or the previous one if Caddy has discarded
// this one.
func (a *App) Stop() error {
	a.probe.stop()
	a.Share.stop()
	a.ctl.leave(a)
	a.ctl.settle()
	return nil
}

// Cleanup stops the app. Caddy does not call Stop if it discards a configuration after
// all its apps have started. A configuration that is only validated never starts, so
// Cleanup checks its routes.
func (a *App) Cleanup() error {
	if a.validated() {
		a.warn()
	}
	return a.Stop()
}

func (a *App) journalSize() int {
	if a.Journal == nil {
		return defaultJournal
	}
	return *a.Journal
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
)
