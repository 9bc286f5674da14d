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
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/trigger"
)

func init() {
	caddy.RegisterModule(new(App))
	httpcaddyfile.RegisterGlobalOption("fault", parseGlobalOption)
}

// App is what all injection points of a configuration have in common. It need
// not be configured.
type App struct {
	// Halt the switch: nothing is injected, and as long as this stands here,
	// nobody can resume. A configuration without it ends this halt.
	Halted bool `json:"halted,omitempty"`

	// Let every rule, experiment and trigger decide, count and log what would
	// have happened, but change nothing.
	DryRun bool `json:"dry_run,omitempty"`

	// The header field that tells a client which rule has hit it. It cannot be
	// one that frames the message, such as `Trailer`. `off` sends none, nor
	// `X-Fault-Refused`, which tells why a trigger is refused. Default:
	// `X-Fault-Injected`.
	Disclose string `json:"disclose,omitempty"`

	// How many requests may be hit at a time, of all points together; more
	// pass. Default: no bound.
	MaxActive int64 `json:"max_active,omitempty" zero:"default"`

	// How many injected faults the journal remembers, and up to 1000 how many
	// refused triggers; 0 is none. Default: 1000.
	Journal *int `json:"journal,omitempty"`

	// Matchers of modules that are not Caddy's own and that experiments may use:
	// their names, without `http.matchers.`. An experiment reads the request and
	// nothing else, and only the module knows what it reads. Default: none.
	ExperimentMatchers []string `json:"experiment_matchers,omitempty"`

	// Share experiments and the switch with other nodes.
	Share *Share `json:"share,omitempty"`

	// Halts everything when real upstream errors pile up.
	HaltWhen *HaltWhen `json:"halt_when,omitempty"`

	ctx    caddy.Context
	ctl    *Control
	events *caddyevents.App
	logger *zap.Logger
	points rules.Group
	known  atomic.Pointer[layout] // of the points
	fields trigger.Servers

	triggers sync.Map // []*trigger.Trigger by *rules.Point
}

// RefusedField is the header field that tells a client why its trigger is refused.
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

// UnmarshalJSON reads the app and names what is null or a meaningless zero.
func (a *App) UnmarshalJSON(data []byte) error {
	type plain App
	return strictjson.DecodeConfig(data, (*plain)(a))
}

// Provision fills in the defaults. Before any server starts, it asks the
// storage whether the switch was halted when the process before this one ended.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.ctl, a.logger = ctx, Of(ctx), ctx.Logger()
	if a.Disclose == "" {
		a.Disclose = defaultDisclose
	}
	if err := a.Validate(); err != nil {
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
	a.ctl.Restore(ctx)
	a.Share.provision(a)
	return nil
}

// Validate checks the settings.
func (a *App) Validate() error {
	if a.Disclose != "" {
		if err := text.ValidFieldName(a.Disclose); err != nil {
			return fmt.Errorf("disclose: %w; want a field of your own, or off", err)
		}
	}
	switch {
	case strings.EqualFold(a.Disclose, RefusedField):
		return fmt.Errorf("disclose: '%s' tells of refused triggers; want another field, or off", RefusedField)
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
			return fmt.Errorf("experiment_matchers: '%s' is there twice", name)
		}
	}
	return errors.Join(a.Share.validate(), a.HaltWhen.validate())
}

// Start makes this the current configuration. It may still be given up.
func (a *App) Start() error {
	a.warnOfPlaces()
	a.points.Settle() // while the configuration before still has what they go on with
	a.ctl.enter(a)
	a.ctl.settle()
	return nil
}

// Context is the one in which the app was provisioned.
func (a *App) Context() caddy.Context { return a.ctx }

// HTTP returns the http app of the configuration, nil if it has none.
func (a *App) HTTP() *caddyhttp.App {
	mod, _ := a.ctx.AppIfConfigured("http")
	app, _ := mod.(*caddyhttp.App)
	return app
}

// Control is what outlives the configuration that the app belongs to.
func (a *App) Control() *Control { return a.ctl }

// ProvisionPoint makes an injection point one of the configuration's.
func (a *App) ProvisionPoint(ctx caddy.Context, point *rules.Point) error {
	return point.Provision(ctx, &a.points)
}

// FieldsOf returns the fields in which the triggers of a server stand.
func (a *App) FieldsOf(srv *caddyhttp.Server) *trigger.Fields { return a.fields.Of(srv) }

// SetTriggers says what requests may ask for at a point themselves.
func (a *App) SetTriggers(point *rules.Point, triggers []*trigger.Trigger) {
	a.triggers.Store(point, triggers)
}

// Triggers returns what requests may ask for at a point. A transport has none.
func (a *App) Triggers(point *rules.Point) []*trigger.Trigger {
	found, _ := a.triggers.Load(point)
	triggers, _ := found.([]*trigger.Trigger)
	return triggers
}

// DiscloseField is the name of the header field that discloses a hit, "" for none.
func (a *App) DiscloseField() string {
	if a.Disclose == discloseOff {
		return ""
	}
	return http.CanonicalHeaderKey(a.Disclose)
}

// Stop leaves the process to the configuration that has come, or to the one
// before if this one has been given up.
func (a *App) Stop() error {
	a.Share.stop()
	a.ctl.leave(a)
	a.ctl.settle()
	return nil
}

// Cleanup stops the app, which Caddy does not do itself when it gives up a
// configuration after all its apps have started. One that is only validated never
// starts: there has been no other time to look at its routes.
func (a *App) Cleanup() error {
	if a.validated() {
		a.warnOfPlaces()
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
