package control

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
)

// Control is what belongs to the process and not to a configuration: the
// switch, the experiments and the journal. A reload loads the new configuration
// while the old one still serves, and may then give it up.
type Control struct {
	exit      context.Context // done when the process begins to exit
	beginExit context.CancelFunc

	Switch   *experiments.Switch
	Store    *experiments.Store
	Journal  *experiments.Journal
	Refusals *experiments.Journal // of triggers: a flood of them pushes out no hit
	Series   *metrics.Series
	Counts   experiments.Broadcast // to those who wait for a count to change
	Active   atomic.Int64          // requests currently hit

	restored sync.Once                  // the switch, from the storage
	saving   switchSaver                // the switch, to the storage
	kept     atomic.Pointer[keptSwitch] // there, as it was last

	mu     sync.Mutex
	apps   []*App // that have been started, the last one last
	groups map[string]*experiments.Group
}

// CountsEvery is how long those who wait for a count to change sleep at least.
const CountsEvery = 25 * time.Millisecond

// defaultJournal is how many entries the journal has, and the most that the
// journal of refusals has.
const defaultJournal = 1000

// New returns a control of its own. It has no end: call BeginExit.
func New() *Control {
	c := &Control{
		Journal:  experiments.NewJournal(defaultJournal),
		Refusals: experiments.NewJournal(defaultJournal),
		groups:   make(map[string]*experiments.Group),
		Series:   metrics.NewSeries(),
		Counts:   experiments.Broadcast{Every: CountsEvery},
	}
	c.kept.Store(new(keptSwitch))
	c.exit, c.beginExit = context.WithCancel(context.Background())
	c.Switch = experiments.NewSwitch(c.exit)
	c.Switch.Active = c.Active.Load
	c.Store = experiments.NewStore(c.Switch, c.loadExperiment, c.Places)
	c.Switch.Watch(c.switched)
	c.Store.Watch(c.experimentChanged)
	return c
}

// process is the control of this process.
var process = New()

// controlKey is where a context may have another control, for tests.
type controlKey struct{}

// Of returns the control of what is provisioned in ctx.
func Of(ctx context.Context) *Control {
	if own, ok := ctx.Value(controlKey{}).(*Control); ok {
		return own
	}
	return process
}

// With returns a context in which [Of] finds this control: for tests, and whoever
// runs several in one process.
func (c *Control) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, controlKey{}, c)
}

// Exit returns the context that is done when the process begins to exit.
func (c *Control) Exit() context.Context { return c.exit }

// BeginExit lets go of all that is held, as the process does when it exits.
func (c *Control) BeginExit() { c.beginExit() }

// ReleaseOnExit is called whenever a server shuts down, which it does for every
// new configuration, too. Caddy's grace period has no end by default, so a held
// request would keep the process alive.
func (c *Control) ReleaseOnExit() {
	if caddy.Exiting() {
		c.beginExit()
	}
}

// enter makes the app of a configuration that has begun to run the current one.
func (c *Control) enter(a *App) {
	defer c.Counts.Send()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apps = append(c.apps, a)
}

// leave takes out one that has ceased to, or that has been given up.
func (c *Control) leave(a *App) {
	defer c.Counts.Send()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apps = slices.DeleteFunc(c.apps, func(other *App) bool { return other == a })
}

// settle makes the process as the configuration says, once only one is left.
// While Caddy reloads there are two, and it may still give the new one up.
func (c *Control) settle() {
	app, others := c.running()
	switch {
	case others:
	case app == nil:
		c.settleSwitch(false)
	default:
		c.Journal.Resize(app.journalSize())
		c.Refusals.Resize(min(app.journalSize(), defaultJournal))
		c.Counts.Send()
		c.settleSwitch(app.Halted)
		app.Share.start()
	}
}

// settleSwitch halts by the configuration, or ends the halt of the one before.
func (c *Control) settleSwitch(halted bool) {
	state := newState(halted, whyConfigured)
	now := c.Switch.State()
	if halted {
		c.Switch.Pin(&state)
	} else {
		c.Switch.Pin(nil)
	}
	if halted && !now.Halted || !halted && now.Halted && now.Why == whyConfigured {
		c.Switch.Set(state)
	}
}

// Current is the app of the running configuration, nil if it has none.
func (c *Control) Current() *App {
	app, _ := c.running()
	return app
}

// running is the current app, and whether there are others before it, as there
// are while a configuration is loaded.
func (c *Control) running() (app *App, others bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.apps) == 0 {
		return nil, false
	}
	return c.apps[len(c.apps)-1], len(c.apps) > 1
}

// switched tells of a turn of the switch.
func (c *Control) switched(turn *experiments.Turn) {
	why := zap.String("why", turn.Why)
	if !turn.Halted {
		metrics.HaltedGauge.Set(0)
		c.announce("faults resumed", "fault_resumed", why)
		return
	}
	metrics.HaltedGauge.Set(1)
	c.announce("faults halted", "fault_halted", why,
		zap.String("ended", experiments.Names(turn.Ended)), zap.Int64("released", turn.Released))
}

// experimentChanged tells of an experiment that begins, or of one that is over.
func (c *Control) experimentChanged(live *experiments.Live, why string) {
	defer c.Counts.Send()
	switch why {
	case "":
		c.announce("experiment started", "fault_experiment_started", zap.String("experiment", live.Name), zap.String("note", live.Note))
		return
	case experiments.WhyExtended:
		c.announce("experiment extended", "fault_experiment_extended", zap.String("experiment", live.Name), zap.String("note", live.Note))
		return
	}
	if why != experiments.WhyReplaced {
		c.Series.Forget(live.Name, func(point string) bool { return len(c.FindRules(point, live.Name)) > 0 })
	}
	c.announce("experiment ended", "fault_experiment_ended", zap.String("experiment", live.Name), zap.String("why", why))
}

// announce logs a change and emits an event of the events app. Its handlers may
// take their time, and may change something themselves.
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
