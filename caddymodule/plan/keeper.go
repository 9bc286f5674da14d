package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// keeper owns the experiments of a plan at a node. It extends them in time, so that they
// end soon after the runner does, however it ends.
type keeper struct {
	node Node
	ttl  time.Duration
	note string           // marks the experiments of this run
	lost func(why string) // called once if experiments have ended from outside

	turn  chan struct{}                      // has a token during requests, so that no extension crosses an end
	hurry atomic.Pointer[context.CancelFunc] // ends a round of extensions
	held  map[string]*lease
	gone  bool
}

// lease is an experiment that the keeper has begun. Without a revision, Caddy has not
// answered whether it has begun.
type lease struct {
	revision string
	until    time.Time
}

// How long requests may take that start, find and end experiments.
const (
	beginWithin = 10 * time.Second
	endWithin   = 5 * time.Second
	endTries    = 3
)

func newKeeper(node Node, ttl time.Duration, note string, lost func(string)) *keeper {
	return &keeper{node: node, ttl: ttl, note: note, lost: lost, held: make(map[string]*lease), turn: make(chan struct{}, 1)}
}

// begin starts experiments together. The context of a plan that is being ended does not
// end the request, since its answer is the best way to know what to end.
func (k *keeper) begin(ctx context.Context, experiments map[string]json.RawMessage) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), beginWithin)
	defer cancel()
	defer k.take()()
	marked := make(map[string]json.RawMessage, len(experiments))
	for name, experiment := range experiments {
		marked[name] = with(experiment, true, map[string]any{"ttl": k.ttl.String(), "note": k.note})
	}
	asked := time.Now()
	revision, err := k.node.Begin(ctx, marked)
	if err != nil && !mayPass(err) {
		return err
	}
	for name := range experiments {
		k.held[name] = &lease{revision: revision, until: asked.Add(k.ttl)}
	}
	return err
}

// take waits until no other request is under way, and ends a round of extensions. It
// returns what the caller does at its end.
func (k *keeper) take() (release func()) {
	if hurry := k.hurry.Load(); hurry != nil {
		(*hurry)()
	}
	k.turn <- struct{}{}
	return func() { <-k.turn }
}

// keep extends the experiments until the context ends: each third of the ttl, and more
// often while Caddy does not answer.
func (k *keeper) keep(ctx context.Context) {
	timer := time.NewTimer(k.ttl / 3)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next := k.ttl / 3
		if again := k.extend(ctx); again {
			next = min(next, max(k.ttl/30, 100*time.Millisecond))
		}
		timer.Reset(next)
	}
}

// extend extends all experiments. It reports whether to try again soon.
func (k *keeper) extend(ctx context.Context) (again bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case k.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	k.hurry.Store(&cancel)
	defer func() { <-k.turn }()
	for _, name := range slices.Sorted(maps.Keys(k.held)) {
		l := k.held[name]
		asked := time.Now()
		within, done := context.WithTimeout(ctx, k.ttl/3)
		next, err := k.node.Extend(within, name, l.revision, k.ttl)
		done()
		switch {
		case err == nil:
			l.revision, l.until = next, asked.Add(k.ttl)
		case ctx.Err() != nil:
			return true
		case refused(err, http.StatusNotFound):
			k.lose(endedOutside, name)
		case refused(err, http.StatusPreconditionFailed) && k.again(ctx, name, l):
			again = true // an extension without an answer has changed the revision
		case refused(err, http.StatusPreconditionFailed):
			k.lose(replacedOutside, name)
		case !time.Now().Before(l.until):
			k.lose("Caddy has not answered for %s, so experiment '%s' has ended: %v", Duration(k.ttl), name, err)
		default:
			again = true
		}
	}
	return again
}

// How an experiment was lost.
const (
	endedOutside    = "experiment '%s' has ended from outside: faults were halted, somebody has ended it, or Caddy was started again"
	replacedOutside = "experiment '%s' has been replaced"
)

// again finds the revision of an experiment of this run again.
func (k *keeper) again(ctx context.Context, name string, l *lease) bool {
	revision, note, err := k.node.Find(ctx, name)
	if err != nil || note != k.note || revision == l.revision {
		return mayPass(err)
	}
	l.revision = revision
	return true
}

func (k *keeper) lose(format string, values ...any) {
	if !k.gone {
		k.gone = true
		k.lost(fmt.Sprintf(format, values...))
	}
}

// Cleaned is what became of an experiment at the end of a stage or of the plan.
type Cleaned struct {
	Experiment string `json:"experiment"`
	Node       string `json:"node"`

	// How is `ended`, `had ended`, `replaced` or `ends within <ttl>`.
	How string `json:"how"`

	Why string `json:"why,omitempty"`

	lost string // how it was lost before the keeper ended it; empty: it was not
}

// Left reports whether the experiment may still inject faults.
func (c *Cleaned) Left() bool { return strings.HasPrefix(c.How, "ends within ") }

// end ends experiments, all if names is nil.
func (k *keeper) end(ctx context.Context, names []string) (done []Cleaned) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWithin)
	defer cancel()
	defer k.take()()
	if names == nil {
		names = slices.Sorted(maps.Keys(k.held))
	}
	for _, name := range names {
		if l := k.held[name]; l != nil {
			done = append(done, k.endOne(ctx, name, l))
			delete(k.held, name)
		}
	}
	return done
}

func (k *keeper) endOne(ctx context.Context, name string, l *lease) Cleaned {
	c := Cleaned{Experiment: name, Node: k.node.Address(), How: "ended"}
	var err error
	for try := range endTries {
		if try > 0 && !sleep(ctx, endWithin/10) {
			break
		}
		if err = k.try(ctx, name, l); err == nil {
			return c
		}
		switch {
		case refused(err, http.StatusNotFound) && l.revision != "":
			if c.How = "had ended"; try == 0 { // otherwise an earlier try may have ended it
				c.lost = fmt.Sprintf(endedOutside, name)
			}
			return c
		case refused(err, http.StatusConflict):
			c.How, c.lost = "replaced", fmt.Sprintf(replacedOutside, name)
			return c
		}
	}
	c.How, c.Why = "ends within "+Duration(k.ttl).String(), err.Error()
	return c
}

// try ends the experiment. If its revision is not known, it looks for it.
func (k *keeper) try(ctx context.Context, name string, l *lease) error {
	if l.revision != "" {
		err := k.node.End(ctx, name, l.revision)
		if !refused(err, http.StatusPreconditionFailed) {
			return err
		}
	}
	revision, note, err := k.node.Find(ctx, name)
	switch {
	case err != nil:
		return err
	case note != k.note:
		return &RefusalError{http.StatusConflict, "another experiment has the name"}
	}
	l.revision = revision
	return k.node.End(ctx, name, revision)
}

// sleep waits, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
