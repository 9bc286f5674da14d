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
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Share keeps experiments and the switch the same on all nodes of a group, by
// one object in the storage of Caddy's configuration, which all of them have to
// use. Counters, times, the journal and max_active stay per node.
type Share struct {
	// The name of the group: up to 64 letters, digits, dots, dashes and
	// underscores. Required.
	Group string `json:"group,omitempty"`

	// How often a node looks for what the others have changed. Default: 1s.
	Interval caddy.Duration `json:"interval,omitempty" zero:"default"`

	ctl     *Control
	member  *experiments.Member
	storage certmagic.Storage
	logger  *zap.Logger
	kept    bool // the storage took the switch the last time
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

// provision joins the group. Before the first server of the process starts, it
// takes over the switch; a reload may be given up, and must change nothing yet.
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
		a.logger.Error("cannot read the switch of the group; going on with what there is", zap.String("group", s.Group), zap.Error(err))
	}
	if now := a.ctl.Switch.State(); now.Halted && !before {
		a.logger.Warn("faults are halted, as they are in the group", zap.String("group", s.Group), zap.String("why", now.Why))
	}
}

// start follows the group until stop, if it does not yet.
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

// keep keeps the switch as the group has made it. It tells of a storage that does
// not take it, once.
func (s *Share) keep(ctx context.Context) {
	err := s.ctl.follow(ctx, s.storage)
	if err != nil && s.kept && ctx.Err() == nil {
		s.logger.Error("cannot keep the switch in the storage; a restart without the group would not know of it", zap.Error(err))
	}
	s.kept = err == nil
}

func (s *Share) stop() {
	if s == nil || s.cancel == nil {
		return
	}
	s.cancel()
	s.done.Wait()
}

// group is the one of that name. It belongs to the process: a halt that could
// not be delivered yet must outlive a reload.
func (c *Control) group(name string) *experiments.Group {
	running, group := c.Shared(), c.knownGroup(name)
	if running == nil || running.Name() != name {
		kept := c.kept.Load()
		group.Join(kept.Halted && kept.Group == name) // not under c.mu, which a group that changes asks for, too
	}
	return group
}

// knownGroup is the one of that name, made if there was none.
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

// Shared is the group of the running configuration, nil without one.
func (c *Control) Shared() *experiments.Member {
	if app := c.Current(); app != nil && app.Share != nil {
		return app.Share.member
	}
	return nil
}

// CatchUp takes over what other nodes have changed just now. An error says that
// it may not have.
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

// Put begins an experiment.
func (c *Control) Put(e *experiments.Experiment, data []byte, when experiments.Condition) (*experiments.Live, bool, error) {
	if group := c.Shared(); group != nil {
		return group.Put(e, data, when)
	}
	return c.Store.Put(e, data, when)
}

// Extend gives an experiment another time and note.
func (c *Control) Extend(e *experiments.Experiment, data []byte, when experiments.Condition) (*experiments.Live, error) {
	if group := c.Shared(); group != nil {
		return group.Extend(e, data, when)
	}
	return c.Store.Extend(e, data, when)
}

// Remove ends an experiment.
func (c *Control) Remove(name string, when experiments.Condition) error {
	if group := c.Shared(); group != nil {
		return group.Delete(name, when)
	}
	return c.Store.Delete(name, when)
}

// Halt stops all faults. An error says that they are stopped here, but that the
// other nodes, or the next process, do not know of it. What a storage that fails
// cannot take now is due when the node follows its group the next time.
func (c *Control) Halt(why string, storage certmagic.Storage) error {
	state := newState(true, why)
	if group := c.Shared(); group != nil {
		if err := group.Halt(state); err != nil {
			return err
		}
	} else {
		c.Switch.Set(state)
	}
	return c.save(context.Background(), storage)
}

// Resume re-arms rules and triggers. An error says that faults are still halted,
// if they are; else as with halt. The next process reads its own switch as well
// as that of the group, so a halt from before the group must not stay there.
func (c *Control) Resume(why string, storage certmagic.Storage) error {
	state := newState(false, why)
	if group := c.Shared(); group != nil {
		if err := group.Resume(state); err != nil {
			return err
		}
	} else {
		c.Switch.Set(state)
	}
	return c.save(context.Background(), storage)
}

// ErrConfigured says why nobody can resume.
var ErrConfigured = errors.New("the configuration says halted: take it out of the global option fault")
