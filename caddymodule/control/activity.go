package control

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/metrics"
)

// What an activity can be.
const (
	ActStarted  = "started"
	ActChanged  = "changed"
	ActExtended = "extended"
	ActStopped  = "stopped"
	ActExpired  = "expired"
	ActHalted   = "halted"
	ActNoted    = "noted" // a note was added to a halt
	ActResumed  = "resumed"
	ActReloaded = "reloaded"
	ActOff      = "switched_off"
	ActOn       = "switched_on"
)

// allActs lists what an activity can be.
var allActs = []string{
	ActStarted, ActChanged, ActExtended, ActStopped, ActExpired, ActHalted, ActNoted, ActResumed, ActReloaded, ActOff, ActOn,
}

// Activity is a change of the faults by a person, by a program, or by time.
type Activity struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`

	// Experiment is the name of the experiment.
	Experiment string `json:"experiment,omitempty"`

	// Rule is the configured rule that was switched, such as `shop/gone`.
	Rule string `json:"rule,omitempty"`

	// Line is the rule of an experiment that started or changed, in the one-line
	// grammar.
	Line string `json:"line,omitempty"`

	// Ended lists the experiments that a halt has ended.
	Ended string `json:"ended,omitempty"`

	// By is who made the change: a user, or a part such as `api` or `halt_when`. Empty:
	// a reload or an expiry.
	By string `json:"by,omitempty"`

	// Note is the note of the experiment or of the halt.
	Note string `json:"note,omitempty"`
}

const (
	maxActivity = 200 // entries
	maxActText  = 500 // bytes of a text in an entry
)

// activities remembers the last changes that this node has seen.
type activities struct {
	now func() time.Time

	mu   sync.Mutex
	last []Activity // the latest last
}

// add records a change. since is when it happened, if that is known.
func (a *activities) add(one Activity, since *time.Time) {
	for _, field := range []*string{&one.Line, &one.Note, &one.By} {
		*field = experiments.Cut(*field, maxActText)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	one.At = a.now().UTC()
	if since != nil && since.Before(one.At) && !a.follows(*since) {
		one.At = since.UTC()
	}
	if len(a.last) == maxActivity {
		a.last = slices.Delete(a.last, 0, 1)
	}
	a.last = append(a.last, one)
}

// act records a change and counts it.
func (c *Control) act(one Activity, since *time.Time) {
	c.acts.add(one, since)
	metrics.ChangesTotal.WithLabelValues(one.What).Inc()
}

// countActs makes the counters of all changes appear, because Prometheus does not see
// that a counter appears with its first change.
func countActs() {
	for _, what := range allActs {
		metrics.ChangesTotal.WithLabelValues(what)
	}
}

// follows reports whether an entry is later than at. The list is in the order of time.
func (a *activities) follows(at time.Time) bool {
	return len(a.last) > 0 && a.last[len(a.last)-1].At.After(at)
}

// Activity returns the last changes, the latest last.
func (c *Control) Activity() []Activity {
	c.acts.mu.Lock()
	defer c.acts.mu.Unlock()
	return slices.Clone(c.acts.last)
}

// SwitchRule switches the rules with a name at a point off or on, and returns how many
// there are. They stay so until a reload changes them.
func (c *Control) SwitchRule(point, name, by string, off bool) int {
	found := c.FindRules(point, name)
	for _, rule := range found {
		rule.SwitchOff(off)
	}
	if len(found) > 0 {
		what := ActOn
		if off {
			what = ActOff
		} else {
			c.Seen.Wake()
		}
		c.act(Activity{What: what, Rule: point + "/" + name, By: by}, nil)
	}
	return len(found)
}

// turned records a turn of the switch.
func (c *Control) turned(turn *experiments.Turn) {
	what := ActResumed
	if turn.Halted {
		what = ActHalted
	}
	c.act(Activity{What: what, Ended: experiments.Names(turn.Ended), By: turn.Actor(), Note: turn.Note}, turn.Since)
}

// Annotate sets the note of the current halt. The author and the time of the halt stay the
// same. Unless the error is [experiments.ErrNotHalted], this node has the note.
func (c *Control) Annotate(by, note string, storage certmagic.Storage) (err error) {
	if group := c.Shared(); group != nil {
		err = group.Annotate(note)
	} else {
		err = c.Switch.Annotate(note)
	}
	if !errors.Is(err, experiments.ErrNotHalted) {
		c.act(Activity{What: ActNoted, By: by, Note: note}, nil)
	}
	if err != nil {
		return err
	}
	return c.save(context.Background(), storage)
}

// acted records a change of an experiment. The entry of a halt lists the experiments
// that it has ended, and that of a change stands for the end of the previous version.
func (c *Control) acted(live *experiments.Live, why, by string) {
	one := Activity{Experiment: live.Name, By: by, Note: live.Note}
	switch why {
	case "":
		one.What, one.Line = ActStarted, grammar.Format(live.JSON)
		if live.Replaces {
			one.What = ActChanged
		}
	case experiments.WhyExtended:
		one.What = ActExtended
	case experiments.WhyDeleted:
		one.What = ActStopped
	case experiments.WhyExpired:
		one.What = ActExpired
	default:
		return
	}
	c.act(one, nil)
}

// reloaded records that another configuration runs.
func (c *Control) reloaded(app *App) {
	c.mu.Lock()
	again := c.settledBefore && c.settled != app
	c.settled, c.settledBefore = app, true
	c.mu.Unlock()
	if again {
		c.act(Activity{What: ActReloaded}, nil)
	}
}

// forgetSettled releases the app that has stopped.
func (c *Control) forgetSettled() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settled = nil
}
