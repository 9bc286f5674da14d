package control

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// HaltWhen halts all faults when more answers of upstreams than `errors` within
// `window` were server errors (5xx), on requests in which nothing was injected.
// It sees upstreams behind a `fault` handler, and those behind a `fault`
// transport, where each attempt counts for itself. What fails is an error, too:
// an attempt, and behind a handler whatever Caddy answers by its error routes.
// Health checks do not count.
type HaltWhen struct {
	// How many errors are borne. Required.
	Errors int `json:"errors,omitempty"`

	// Within which time. Required.
	Window caddy.Duration `json:"window,omitempty"`

	app *App

	mu    sync.Mutex
	turn  context.Context // of the switch, which the rest is about
	at    []time.Time     // of the last errors, a ring
	next  int
	asked bool // for a halt
}

// maxHaltErrors bounds the memory for their times.
const maxHaltErrors = 100_000

func (hw *HaltWhen) provision(a *App) { hw.app = a }

func (hw *HaltWhen) validate() error {
	switch {
	case hw == nil:
		return nil
	case hw.Errors < 1 || hw.Errors > maxHaltErrors:
		return fmt.Errorf("bad halt_when '%d': want 1 to %d errors", hw.Errors, maxHaltErrors)
	case hw.Window <= 0:
		return fmt.Errorf("bad window of halt_when '%s': want more than 0", time.Duration(hw.Window))
	}
	return nil
}

// Count notes an error of an upstream, and halts when there are too many.
func (hw *HaltWhen) Count() {
	if hw.add(hw.app.ctl.Switch.Ended(), time.Now()) && !hw.app.ctl.Switch.Halted() {
		go hw.halt() // the storage may be slow
	}
}

func (hw *HaltWhen) halt() {
	hw.app.logger.Warn("halting all faults: the upstreams' own errors pile up",
		zap.Int("errors", hw.Errors), zap.Duration("window", time.Duration(hw.Window)))
	if err := hw.app.ctl.Halt(whyErrors, hw.app.ctx.Storage()); err != nil {
		hw.app.logger.Error("the halt could not be stored", zap.Error(err))
	}
}

// add notes an error in this turn of the switch and reports whether it is the
// first one of too many: until the switch is halted, more come. One that is
// resumed begins anew.
func (hw *HaltWhen) add(turn context.Context, now time.Time) bool {
	hw.mu.Lock()
	defer hw.mu.Unlock()
	if turn != hw.turn {
		hw.turn, hw.at, hw.next, hw.asked = turn, hw.at[:0], 0, false
	}
	if len(hw.at) < hw.Errors {
		hw.at = append(hw.at, now)
		return false
	}
	oldest := hw.at[hw.next]
	hw.at[hw.next] = now
	hw.next = (hw.next + 1) % hw.Errors
	if hw.asked || now.Sub(oldest) >= time.Duration(hw.Window) {
		return false
	}
	hw.asked = true
	return true
}

// newState is a state of the switch from now on.
func newState(halted bool, why string) experiments.State {
	now := time.Now().UTC()
	return experiments.State{Halted: halted, Since: &now, Why: why}
}
