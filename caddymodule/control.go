package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// control is what belongs to the process and not to a configuration: the
// switch, the experiments and the journal. A reload loads the new configuration
// while the old one still serves, and may then give it up.
type control struct {
	exit      context.Context // done when the process begins to exit
	beginExit context.CancelFunc

	sw      *experiments.Switch
	store   *experiments.Store
	journal *experiments.Journal
	series  *metrics.Series
	counts  experiments.Broadcast // to those who wait for a count to change
	active  atomic.Int64          // requests that are hit just now

	restored sync.Once                  // the switch, from the storage
	saving   switchSaver                // the switch, to the storage
	kept     atomic.Pointer[keptSwitch] // there, as it was last

	mu     sync.Mutex
	apps   []*App // that have been started, the last one last
	groups map[string]*experiments.Group
}

// CountsEvery is how long those who wait for a count to change sleep at least.
const CountsEvery = 25 * time.Millisecond

// defaultJournal is how many entries the journal has.
const defaultJournal = 1000

func newControl() *control {
	c := &control{
		journal: experiments.NewJournal(defaultJournal),
		groups:  make(map[string]*experiments.Group),
		series:  metrics.NewSeries(),
		counts:  experiments.Broadcast{Every: CountsEvery},
	}
	c.kept.Store(new(keptSwitch))
	c.exit, c.beginExit = context.WithCancel(context.Background())
	c.sw = experiments.NewSwitch(c.exit)
	c.store = experiments.NewStore(c.sw, c.loadExperiment, c.places)
	c.sw.Watch(c.switched)
	c.store.Watch(c.experimentChanged)
	return c
}

// process is the control of this process.
var process = newControl()

// controlKey is where a context may have another control, for tests.
type controlKey struct{}

// controlOf returns the control of what is provisioned in ctx.
func controlOf(ctx context.Context) *control {
	if own, ok := ctx.Value(controlKey{}).(*control); ok {
		return own
	}
	return process
}

// With returns a context in which [Of] finds this control: for tests, and whoever
// runs several in one process.
func (c *control) With(ctx context.Context) context.Context {
	return context.WithValue(ctx, controlKey{}, c)
}

// Exit returns the context that is done when the process begins to exit.
func (c *control) Exit() context.Context { return c.exit }

// BeginExit lets go of all that is held, as the process does when it exits.
func (c *control) BeginExit() { c.beginExit() }

// releaseOnExit is called whenever a server shuts down, which it does for every
// new configuration, too. Caddy's grace period has no end by default, so a held
// request would keep the process alive.
func (c *control) releaseOnExit() {
	if caddy.Exiting() {
		c.beginExit()
	}
}

// enter makes the app of a configuration that has begun to run the current one.
func (c *control) enter(a *App) {
	defer c.counts.Send()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apps = append(c.apps, a)
}

// leave takes out one that has ceased to, or that has been given up.
func (c *control) leave(a *App) {
	defer c.counts.Send()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.apps = slices.DeleteFunc(c.apps, func(other *App) bool { return other == a })
}

// settle makes the process as the configuration says, once only one is left.
// While Caddy reloads there are two, and it may still give the new one up.
func (c *control) settle() {
	app, others := c.running()
	switch {
	case others:
	case app == nil:
		c.settleSwitch(false)
	default:
		c.journal.Resize(app.journalSize())
		c.counts.Send()
		c.settleSwitch(app.Halted)
		app.Share.start()
	}
}

// settleSwitch halts by the configuration, or ends the halt of the one before.
func (c *control) settleSwitch(halted bool) {
	state := newState(halted, whyConfigured)
	now := c.sw.State()
	if halted {
		c.sw.Pin(&state)
	} else {
		c.sw.Pin(nil)
	}
	if halted && !now.Halted || !halted && now.Halted && now.Why == whyConfigured {
		c.sw.Set(state)
	}
}

// current is the app of the running configuration, nil if it has none.
func (c *control) current() *App {
	app, _ := c.running()
	return app
}

// running is the current app, and whether there are others before it, as there
// are while a configuration is loaded.
func (c *control) running() (app *App, others bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.apps) == 0 {
		return nil, false
	}
	return c.apps[len(c.apps)-1], len(c.apps) > 1
}

// findPoints are the configured points of that name; empty is any.
func (c *control) findPoints(name string) []*rules.Point {
	app := c.current()
	if app == nil {
		return nil
	}
	var found []*rules.Point
	for _, p := range app.Points() {
		if name == "" || p.Name == name {
			found = append(found, p)
		}
	}
	return found
}

// findRules are the configured rules of that name at that point; empty is any.
func (c *control) findRules(point, name string) []*rules.Rule {
	type place struct{ point, rule string }
	var found []*rules.Rule
	seen := make(map[place]bool) // namesakes share their counters
	for _, p := range c.findPoints(point) {
		for _, rule := range p.Rules {
			at := place{p.Name, rule.Name}
			if !seen[at] && (name == "" || rule.Name == name) {
				seen[at] = true
				found = append(found, rule)
			}
		}
	}
	return found
}

// loadExperiment makes the rule of an experiment ready. It has a context of its
// own, which outlives the configuration that is running: what is loaded stays
// when that goes.
//
// It may come from the storage of a group, read by a goroutine of its own, and
// modules that load it may panic, as Caddy's header_regexp does for a null: that
// must not end the process.
func (c *control) loadExperiment(e *experiments.Experiment) (unload func(), err error) {
	app := c.current()
	if app == nil {
		return nil, errNoPoints
	}
	if err := c.checkMatchers(e.MatcherSetsRaw); err != nil {
		return nil, err
	}
	parent := app.ctx
	parent.Context = context.WithoutCancel(parent.Context)
	if e.Place, err = c.placeOfExperiment(e); err != nil {
		return nil, err
	}
	ctx, cancel := caddy.NewContext(parent)
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("a module panicked while it was loaded: %v", panicked)
		}
		if err != nil {
			cancel()
		}
	}()
	return cancel, rules.LoadGuest(ctx, &e.Rule)
}

// checkMatchers refuses the matchers that an experiment may not have in the
// running configuration.
func (c *control) checkMatchers(sets caddyhttp.RawMatcherSets) error {
	var named []string
	if app := c.current(); app != nil {
		named = app.ExperimentMatchers
	}
	return experiments.CheckMatchers(sets, named)
}

// placeOfExperiment is where its faults run: not all kinds have a meaning at a
// transport, and others only there.
func (c *control) placeOfExperiment(e *experiments.Experiment) (faults.Place, error) {
	handlers, transports := 0, 0
	for _, place := range c.places() {
		switch {
		case !e.At(place):
		case place.Transport:
			transports++
		default:
			handlers++
		}
	}
	switch {
	case handlers > 0 && transports > 0:
		return 0, errors.New("points: some of them are handlers and some transports: make two experiments")
	case transports > 0:
		return faults.InTransport, nil
	default:
		return 0, nil
	}
}

// places are the injection points of the running configuration.
func (c *control) places() []experiments.Place {
	var all []experiments.Place
	for _, p := range c.findPoints("") {
		if place := experiments.PlaceOf(p); !slices.Contains(all, place) {
			all = append(all, place)
		}
	}
	return all
}

var errNoPoints = errors.New("the running configuration has no injection point")

// switched tells of a turn of the switch.
func (c *control) switched(state experiments.State) {
	name, gauge := "resumed", 0.0
	if state.Halted {
		name, gauge = "halted", 1
	}
	metrics.HaltedGauge.Set(gauge)
	c.announce("faults "+name, "fault_"+name, zap.String("why", state.Why))
}

// experimentChanged tells of an experiment that begins, or of one that is over.
func (c *control) experimentChanged(live *experiments.Live, why string) {
	defer c.counts.Send()
	switch why {
	case "":
		c.announce("experiment started", "fault_experiment_started", zap.String("experiment", live.Name), zap.String("note", live.Note))
		return
	case experiments.WhyExtended:
		c.announce("experiment extended", "fault_experiment_extended", zap.String("experiment", live.Name), zap.String("note", live.Note))
		return
	}
	if why != experiments.WhyReplaced {
		c.series.Forget(live.Name, func(point string) bool { return len(c.findRules(point, live.Name)) > 0 })
	}
	c.announce("experiment ended", "fault_experiment_ended", zap.String("experiment", live.Name), zap.String("why", why))
}

// announce logs a change and emits an event of the events app. Its handlers may
// take their time, and may change something themselves.
func (c *control) announce(message, event string, fields ...zap.Field) {
	app := c.current()
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
