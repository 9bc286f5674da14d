package control

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/recent"
	"github.com/caddyfault/caddyfault/caddymodule/seen"
)

// Control is the state of the process that outlives configurations: the switch, the
// experiments and the journal. During a reload, Caddy loads the new configuration while
// the old one still serves, and may discard the new one.
type Control struct {
	exit      context.Context // done when the process begins to exit
	beginExit context.CancelFunc

	Started time.Time // of the process

	Switch   *experiments.Switch
	Store    *experiments.Store
	Journal  *experiments.Journal
	Refusals *experiments.Journal // refused triggers; separate, so that many of them push out no hits
	Clients  *clients.Recorder    // records what clients do after a fault
	Seen     *seen.Recorder       // counts what the points see
	Recent   *recent.Recorder     // keeps the last requests of the points for previews
	Series   *metrics.Series
	Counts   experiments.Broadcast // notifies those who wait for a counter to change
	Active   atomic.Int64          // number of active requests

	reported map[findingOf]time.Time // findings on clients, and when they were announced
	acts     activities
	secret   [sha256.Size]byte          // hides addresses
	restored sync.Once                  // the switch has been read from the storage
	saving   switchSaver                // writes the switch to the storage
	kept     atomic.Pointer[keptSwitch] // the switch as last stored

	mu   sync.Mutex
	apps []*App // apps that have been started, the latest last

	settled       *App // the app that was applied last; nil if it has stopped
	settledBefore bool // whether any app was

	groups map[string]*experiments.Group
}

// CountsEvery is the minimum time between two notifications of a changed counter.
const CountsEvery = 25 * time.Millisecond

// defaultJournal is the default size of the journal, and the maximum size of the
// journal of refusals.
const defaultJournal = 1000

// New returns a separate control. To end it, call BeginExit.
func New() *Control {
	c := &Control{
		Started:  time.Now(),
		Journal:  experiments.NewJournal(defaultJournal),
		Refusals: experiments.NewJournal(defaultJournal),
		Clients:  clients.New(clients.Settings{}, clients.Clock{Now: time.Now, Since: time.Since}),
		groups:   make(map[string]*experiments.Group),
		Series:   metrics.NewSeries(),
		Counts:   experiments.Broadcast{Every: CountsEvery},
		reported: make(map[findingOf]time.Time),
		acts:     activities{now: time.Now},
		secret:   newSecret(),
	}
	c.kept.Store(new(keptSwitch))
	c.exit, c.beginExit = context.WithCancel(context.Background())
	c.Switch = experiments.NewSwitch(c.exit)
	c.Switch.Active = c.Active.Load
	c.Store = experiments.NewStore(c.Switch, c.loadExperiment, c.Places)
	c.Seen = seen.New(seen.Clock{Now: time.Now, Since: time.Since}, c.isActive)
	c.Recent = recent.New(time.Now)
	c.Seen.Observe(metrics.OfSeen)
	countActs()
	c.Clients.Observe(metrics.OfClients)
	c.Clients.Notify(c.found)
	c.Switch.Watch(c.switched)
	c.Store.Watch(c.experimentChanged)
	return c
}

// process is the control of this process.
var process = New()

// controlKey is the context key of another control, for tests.
type controlKey struct{}

// Of returns the control for modules that are provisioned in ctx.
func Of(ctx context.Context) *Control {
	if own, ok := ctx.Value(controlKey{}).(*Control); ok {
		return own
	}
	return process
}

// With returns a context in which [Of] returns this control, for tests and programs
// with several controls.
func (c *Control) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, controlKey{}, c)
}

// Exit returns the context that is done when the process begins to exit.
func (c *Control) Exit() context.Context { return c.exit }

// BeginExit releases all active requests, as at the exit of the process.
func (c *Control) BeginExit() { c.beginExit() }

// ReleaseOnExit releases all active requests if the process is exiting. Servers also
// shut down for each new configuration, so it checks this first. Caddy's grace period
// is unlimited by default, so a held request would keep the process alive.
func (c *Control) ReleaseOnExit() {
	if caddy.Exiting() {
		c.beginExit()
	}
}

// enter makes the app of a started configuration the current one.
func (c *Control) enter(a *App) {
	defer c.Counts.Send()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apps = append(c.apps, a)
}

// leave removes the app of a stopped or discarded configuration.
func (c *Control) leave(a *App) {
	defer c.Counts.Send()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apps = slices.DeleteFunc(c.apps, func(other *App) bool { return other == a })
}

// settle applies the configuration to the process when only one is left. During a
// reload there are two, and Caddy may still discard the new one.
func (c *Control) settle() {
	app, others := c.running()
	switch {
	case others:
	case app == nil:
		c.settleSwitch(false)
		c.forgetSettled()
	default:
		c.reloaded(app)
		c.configureJournal(app)
		c.Counts.Send()
		c.Clients.Configure(app.Clients.settings())
		c.settleSwitch(app.Halted)
		c.settleSeen()
		app.Share.start()
	}
}

// settleSwitch halts faults if the configuration says so, or ends the halt of the
// previous one.
func (c *Control) settleSwitch(halted bool) {
	state := newState(halted, Cause{Why: WhyConfigured})
	now := c.Switch.State()
	if halted {
		c.Switch.Pin(&state)
	} else {
		c.Switch.Pin(nil)
	}
	if halted && !now.Halted || !halted && now.Halted && now.Why == WhyConfigured {
		c.Switch.Set(state)
	}
}

// Current returns the app of the running configuration, or nil without one.
func (c *Control) Current() *App {
	app, _ := c.running()
	return app
}

// running returns the current app. It also reports whether there are earlier ones, as
// during a reload.
func (c *Control) running() (app *App, others bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.apps) == 0 {
		return nil, false
	}
	return c.apps[len(c.apps)-1], len(c.apps) > 1
}

// switched reports a halt or a resume.
func (c *Control) switched(turn *experiments.Turn) {
	c.turned(turn)
	metrics.SetBool(metrics.HaltedGauge, turn.Halted)
	why := zap.String("why", turn.Why)
	if !turn.Halted {
		c.Seen.Wake()
		c.announce("faults resumed", "fault_resumed", why)
		return
	}
	c.Clients.End("")
	c.announce("faults halted", "fault_halted", why,
		zap.String("ended", experiments.Names(turn.Ended)), zap.Int64("released", turn.Released))
}

// experimentChanged reports an experiment that starts, changes or ends.
func (c *Control) experimentChanged(live *experiments.Live, why, by string) {
	defer c.Counts.Send()
	c.acted(live, why, by)
	metrics.ExperimentsGauge.Set(float64(c.Store.Snapshot().Len()))
	fields := []zap.Field{zap.String("experiment", live.Name)}
	if live.Set != "" {
		fields = append(fields, zap.String("set", live.Set))
	}
	switch why {
	case "":
		c.Seen.Wake()
		c.announce("experiment started", "fault_experiment_started", append(fields, zap.String("note", live.Note))...)
		return
	case experiments.WhyExtended:
		c.announce("experiment extended", "fault_experiment_extended", append(fields, zap.String("note", live.Note))...)
		return
	}
	c.Clients.End(live.Name)
	if why != experiments.WhyReplaced {
		c.Series.Forget(live.Name, func(point string) bool { return len(c.FindRules(point, live.Name)) > 0 })
	}
	c.announce("experiment ended", "fault_experiment_ended", append(fields, zap.String("why", why))...)
}

// announce logs a change and emits an event of the events app. The event runs in a
// goroutine, because its handlers may be slow or cause further changes.
func (c *Control) announce(message, event string, fields ...zap.Field) {
	app := c.Current()
	if app == nil {
		return
	}
	app.logger.Info(message, fields...)
	data := zapcore.NewMapObjectEncoder()
	for _, field := range fields {
		field.AddTo(data)
	}
	if app.events.ShouldEmit(event) {
		go app.events.Emit(app.ctx, event, data.Fields)
	}
}
