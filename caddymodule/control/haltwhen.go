package control

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// HaltWhen halts all faults after too many upstream errors. It counts replies with a
// status of 500 or above, and upstreams that fail. It does not count requests with an
// injected fault, or health checks.
//
// HaltWhen sees the upstreams after a `fault` handler and after a `fault` transport. At
// a handler, errors of other handlers that Caddy answers with its error routes count as
// well. At a transport, each attempt counts.
type HaltWhen struct {
	// Number of errors within `window` that are tolerated: 1 to 100000. One more error
	// halts all faults. Required.
	Errors int `json:"errors,omitempty"`

	// Length of the sliding window. Required.
	Window caddy.Duration `json:"window,omitempty"`

	app *App

	mu    sync.Mutex
	turn  context.Context // state of the switch to which the fields below belong
	at    []time.Time     // times of the last errors, a ring
	next  int
	asked bool // a halt has been requested
}

// maxHaltErrors limits the memory for the times of errors.
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

// Count counts an upstream error and halts all faults if there are too many.
func (hw *HaltWhen) Count() {
	if hw.add(hw.app.ctl.Switch.Ended(), time.Now()) && !hw.app.ctl.Switch.Halted() {
		go hw.halt() // in a goroutine, because the storage may be slow
	}
}

func (hw *HaltWhen) halt() {
	hw.app.logger.Warn("halting all faults: too many upstream errors",
		zap.Int("errors", hw.Errors), zap.Duration("window", time.Duration(hw.Window)))
	if err := hw.app.ctl.Halt(Cause{Why: whyErrors, Note: hw.text()}, hw.app.ctx.Storage()); err != nil {
		hw.app.logger.Error("could not store the halt", zap.Error(err))
	}
}

// add records an error and reports whether to halt. It returns true once per turn of
// the switch, because more errors follow before the halt takes effect. After a resume,
// counting starts again.
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

// text says what the setting halts for.
func (hw *HaltWhen) text() string {
	return fmt.Sprintf("more than %d upstream errors within %s", hw.Errors, time.Duration(hw.Window))
}

// Cause is why the switch is turned.
type Cause struct {
	Why  string // the part of Caddy
	By   string // the user, if known
	Note string // for people
}

// Actor returns who turns the switch: a user, or else the part of Caddy.
func (c Cause) Actor() string { return cmp.Or(c.By, c.Why) }

// newState returns a state of the switch that begins now.
func newState(halted bool, cause Cause) experiments.State {
	now := time.Now().UTC()
	return experiments.State{Halted: halted, Since: &now, Why: cause.Why, By: cause.By, Note: cause.Note}
}
