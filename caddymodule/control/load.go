package control

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// loadExperiment loads the rule of an experiment. The rule has a separate context,
// which outlives the running configuration.
//
// The experiment may come from the storage of a group, in a goroutine. Modules may
// panic while loading it, as Caddy's header_regexp does for a null. loadExperiment
// recovers, because the panic would end the process.
func (c *Control) loadExperiment(e *experiments.Experiment) (unload func(), err error) {
	app := c.Current()
	if app == nil {
		return nil, ErrNoPoints
	}
	if err := c.CheckMatchers(e.MatcherSetsRaw); err != nil {
		return nil, err
	}
	parent := app.ctx
	parent.Context = context.WithoutCancel(parent.Context)
	if e.Place, err = c.PlaceOf(e); err != nil {
		return nil, err
	}
	ctx, cancel := caddy.NewContext(parent)
	defer func() {
		if panicked := recover(); panicked != nil {
			err = fmt.Errorf("a module panicked while loading: %v", panicked)
		}
		if err != nil {
			cancel()
		}
	}()
	return cancel, rules.LoadGuest(ctx, &e.Rule, e.Draws)
}

// Try loads the rule of an experiment, calls use, and unloads the rule. It returns the
// error with which the experiment would not start.
func (c *Control) Try(e *experiments.Experiment, use func()) error {
	unload, err := c.loadExperiment(e)
	if err != nil {
		return err
	}
	defer unload()
	use()
	return nil
}

// CheckMatchers refuses matchers that an experiment may not use in the running
// configuration.
func (c *Control) CheckMatchers(sets caddyhttp.RawMatcherSets) error {
	var named []string
	if app := c.Current(); app != nil {
		named = app.ExperimentMatchers
	}
	return experiments.CheckMatchers(sets, named)
}

// PlaceOf returns the place where the faults of an experiment run. Some kinds
// are allowed only in a transport, others only outside of it.
func (c *Control) PlaceOf(e *experiments.Experiment) (faults.Place, error) {
	handlers, transports := 0, 0
	for _, place := range c.Places() {
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
		return 0, errors.New("points: some are handlers and some are transports; start one experiment for each")
	case transports > 0:
		return faults.InTransport, nil
	default:
		return 0, nil
	}
}

// ErrNoPoints means that no injection point can run an experiment.
var ErrNoPoints = errors.New("the running configuration has no injection point")
