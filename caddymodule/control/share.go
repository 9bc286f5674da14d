package control

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Share keeps experiments and the switch the same on all nodes of a group. It uses one
// object in Caddy's storage, so all nodes must use the same storage. Each node has
// separate counters, `times`, journal and `max_active`.
type Share struct {
	// Name of the group: up to 64 letters, digits, dots, dashes and underscores.
	// Required.
	Group string `json:"group,omitempty"`

	// How often the node reads the changes of other nodes: 100ms or more. Default: 1s.
	Interval caddy.Duration `json:"interval,omitempty" zero:"default"`

	ctl     *Control
	member  *experiments.Member
	storage certmagic.Storage
	logger  *zap.Logger
	kept    bool // the storage accepted the switch the last time
	cancel  context.CancelFunc
	done    sync.WaitGroup
}

const (
	defaultInterval = time.Second
	minInterval     = 100 * time.Millisecond
)

func (s *Share) validate() error {
	switch {
	case s == nil:
		return nil
	case s.Interval != 0 && time.Duration(s.Interval) < minInterval:
		return fmt.Errorf("bad interval of share '%s': want %s or more", time.Duration(s.Interval), minInterval)
	}
	if err := rules.ValidName(s.Group); err != nil {
		return fmt.Errorf("share: %w", err)
	}
	return nil
}

// provision joins the group. Before the first server of the process starts, it applies
// the switch of the group. It does not do so in a reload, which Caddy may still
// discard.
func (s *Share) provision(a *App) {
	if s == nil {
		return
	}
	s.ctl, s.storage, s.logger, s.kept = a.ctl, a.ctx.Storage(), a.logger, true
	s.member = a.ctl.group(s.Group).Member(s.storage, a.logger)
	if a.ctl.Current() != nil {
		return
	}
	before := a.ctl.Switch.Halted()
	if err := s.member.Restore(a.ctx); err != nil {
		a.logger.Error("cannot read the switch of the group; using the switch of this node", zap.String("group", s.Group), zap.Error(err))
	}
	if now := a.ctl.Switch.State(); now.Halted && !before {
		a.logger.Warn("faults are halted by the group", zap.String("group", s.Group), zap.String("why", now.Why))
	}
}

// start follows the group until stop. It does nothing if it has been called before.
func (s *Share) start() {
	if s == nil || s.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	s.done.Go(func() {
		s.member.Follow(ctx, cmp.Or(time.Duration(s.Interval), defaultInterval), func() { s.keep(ctx) })
	})
}

// keep tells the metrics whether the node is synchronized, and stores the switch after a
// change by the group. It logs the first of several
// failures.
func (s *Share) keep(ctx context.Context) {
	metrics.SetBool(metrics.ShareErrorGauge, s.member.State().Error != "")
	err := s.ctl.follow(ctx, s.storage)
	if err != nil && s.kept && ctx.Err() == nil {
		s.logger.Error("cannot store the switch; a restart without the group would lose it", zap.Error(err))
	}
	s.kept = err == nil
}

func (s *Share) stop() {
	if s == nil || s.cancel == nil {
		return
	}
	s.cancel()
	s.done.Wait()
	metrics.SetBool(metrics.ShareErrorGauge, false)
}

// group returns the group with a name. Groups belong to the process, because a halt
// that has not been delivered yet must outlive a reload.
func (c *Control) group(name string) *experiments.Group {
	running, group := c.Shared(), c.knownGroup(name)
	if running == nil || running.Name() != name {
		kept := c.kept.Load()
		group.Join(kept.Halted && kept.Group == name) // without c.mu, which a change of the group also takes
	}
	return group
}

// knownGroup returns the group with a name, and creates it if necessary.
func (c *Control) knownGroup(name string) *experiments.Group {
	c.mu.Lock()
	defer c.mu.Unlock()
	group := c.groups[name]
	if group == nil {
		group = experiments.NewGroup(name, c.Switch, c.Store)
		c.groups[name] = group
	}
	return group
}

// Shared returns the membership in the group of the running configuration, or nil.
func (c *Control) Shared() *experiments.Member {
	if app := c.Current(); app != nil && app.Share != nil {
		return app.Share.member
	}
	return nil
}

// CatchUp applies the latest changes of other nodes. It returns an error if some
// changes may be missing.
func (c *Control) CatchUp(ctx context.Context) error {
	group := c.Shared()
	if group == nil {
		return nil
	}
	more := group.Sync(ctx)
	if problem := group.State().Error; problem != "" {
		return fmt.Errorf("%w: %s", experiments.ErrStorage, problem)
	}
	if more {
		return experiments.ErrBehind
	}
	return ctx.Err()
}

// Start starts the experiments of a batch, or none of them.
func (c *Control) Start(b experiments.Batch) (started []*experiments.Live, created int, err error) {
	if group := c.Shared(); group != nil {
		return group.Start(b)
	}
	return c.Store.Start(b)
}

// Extend changes the time and the note of an experiment.
func (c *Control) Extend(e *experiments.Experiment, data []byte, when experiments.Condition) (*experiments.Live, error) {
	if group := c.Shared(); group != nil {
		return group.Extend(e, data, when)
	}
	return c.Store.Extend(e, data, when)
}

// Remove ends an experiment. by is who ends it.
func (c *Control) Remove(name, by string, when experiments.Condition) error {
	if group := c.Shared(); group != nil {
		return group.Delete(name, by, when)
	}
	return c.Store.Delete(name, by, when)
}

// RemoveSet ends the experiments that a set has started, and returns their names.
func (c *Control) RemoveSet(set, by string) (names []string, err error) {
	if group := c.Shared(); group != nil {
		return group.DeleteSet(set, by)
	}
	return c.Store.DeleteSet(set, by)
}

// Halt stops all faults. An error means that faults are halted on this node, but that
// other nodes or the next process may not know it. If the storage fails, the node
// stores the halt when it next follows its group.
func (c *Control) Halt(cause Cause, storage certmagic.Storage) error {
	state := newState(true, cause)
	if group := c.Shared(); group != nil {
		if err := group.Halt(state); err != nil {
			return err
		}
	} else {
		c.Switch.Set(state)
	}
	return c.save(context.Background(), storage)
}

// Resume ends a halt. An error means either that faults are still halted, or that other
// nodes or the next process may not know of the resume, as for Halt. The next process
// reads the switch of this node and that of the group, so Resume stores both.
func (c *Control) Resume(cause Cause, storage certmagic.Storage) error {
	state := newState(false, cause)
	if group := c.Shared(); group != nil {
		if err := group.Resume(state); err != nil {
			return err
		}
	} else {
		c.Switch.Set(state)
	}
	return c.save(context.Background(), storage)
}

// ErrConfigured means that the configuration forbids a resume.
var ErrConfigured = errors.New("the configuration says halted: remove it from the global option fault")
