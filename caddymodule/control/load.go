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

// loadExperiment makes the rule of an experiment ready. It has a context of its
// own, which outlives the configuration that is running: what is loaded stays
// when that goes.
//
// It may come from the storage of a group, read by a goroutine of its own, and
// modules that load it may panic, as Caddy's header_regexp does for a null: that
// must not end the process.
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

// CheckMatchers refuses the matchers that an experiment may not have in the
// running configuration.
func (c *Control) CheckMatchers(sets caddyhttp.RawMatcherSets) error {
	var named []string
	if app := c.Current(); app != nil {
		named = app.ExperimentMatchers
	}
	return experiments.CheckMatchers(sets, named)
}

// placeOfExperiment is where its faults run: not all kinds have a meaning at a
// transport, and others only there.
func (c *Control) placeOfExperiment(e *experiments.Experiment) (faults.Place, error) {
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
		return 0, errors.New("points: some of them are handlers and some transports: make two experiments")
	case transports > 0:
		return faults.InTransport, nil
	default:
		return 0, nil
	}
}

// ErrNoPoints says that an experiment has nowhere to be.
var ErrNoPoints = errors.New("the running configuration has no injection point")
