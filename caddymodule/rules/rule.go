// Package rules decides which request is hit: a point draws one number for a
// request, its rules hold shares of it, and at most one of them fires. The
// package knows no kind of fault; a rule hands over a chain.
package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// The phases of a request in which a rule can fire.
const (
	// PhaseRequest is before the upstream is asked.
	PhaseRequest = "request"

	// PhaseResponse is when the head of the upstream's reply has come.
	PhaseResponse = "response"
)

// An Owner is whose rule it is: a point's, an experiment, or a trigger.
type Owner interface {
	// Ended returns the context that is done when the rule has ended by itself,
	// as an experiment does; nil: it has no end of its own.
	Ended() context.Context
}

// Rule says which requests are hit, how often, and by which faults.
type Rule struct {
	// The name of the rule, in headers, logs and metrics: up to 64 letters,
	// digits, dots, dashes and underscores, unique at its point, and neither
	// `trigger` nor `other`, under which triggers and, in metrics, surplus
	// experiments are counted. Default: `rule1` for the first rule of the point,
	// `rule2` for the second, and so on.
	Name string `json:"name,omitempty"`

	// Which requests the rule is for. Without matchers it is for every request
	// that comes to the point.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// How many of the matching requests are hit, in percent: 0 is none, 100 is
	// all. Default: 100. The rules of a point share one draw, so that 10 and 20
	// hit exactly 10 % and 20 % of the requests that match both, and never the
	// same ones.
	Percent *float64 `json:"percent,omitempty"`

	// Let so many matching requests pass before any is hit. Default: 0.
	Skip *int `json:"skip,omitempty"`

	// Hit only each n-th of the requests that are not skipped: after `skip` 2,
	// `every` 3 hits the 5th, the 8th, the 11th. Default: 1, each of them.
	Every *int `json:"every,omitempty"`

	// Hit only what is above a quota.
	Over *Over `json:"over,omitempty"`

	// Hit at most n requests. A request on which no fault has an effect gives its
	// turn back. Dry runs count, and so do the turns of a sequence that let a
	// request pass. Default: no bound.
	Times *int `json:"times,omitempty"`

	// A text with placeholders, such as `{http.request.header.X-Order-Id}`:
	// skip, every, over, times and the steps of a sequence are counted for each
	// value by itself. Requests without a value have the empty one. A text without
	// a placeholder is refused. Default: all requests are counted together.
	Per string `json:"per,omitempty"`

	// How many values of `per` are kept; the least recently used ones are
	// forgotten. 1 to 1000000. Default: 10000.
	MaxKeys *int `json:"max_keys,omitempty"`

	// When the rule begins to hit: an instant such as `2026-11-22T20:00:00Z`
	// (RFC 3339), or a duration such as `10m`, counted from when the rule was
	// first loaded. Default: at once.
	Start string `json:"start,omitempty"`

	// When it ceases to, written likewise. A duration is counted from load, not
	// from start. Default: never.
	End string `json:"end,omitempty"`

	// Hit by turns: for a time, then not.
	Cycle *Cycle `json:"cycle,omitempty"`

	// How long the part of the rule's share that is hit takes to grow evenly
	// from none to all of it, from start or else from load. Default: it is all
	// of it at once.
	Ramp *caddy.Duration `json:"ramp,omitempty"`

	// How many requests the rule may hold at a time, each from when it is hit
	// until the reply has ended; in a transport until the attempt has a reply or
	// has failed. Those above it pass untouched, and no other
	// rule of the point hits them. Default: no bound.
	MaxActive *int `json:"max_active,omitempty"`

	// When the rule fires. `request` (default): before the upstream is asked.
	// `response`: the upstream is asked, with all side effects, and its reply
	// is held back, then replaced, delayed or cut.
	Phase string `json:"phase,omitempty"`

	// Which replies of the upstream the rule is for. Implies phase `response`.
	MatchResponse *caddyhttp.ResponseMatcher `json:"match_response,omitempty"`

	// In a transport only: the rule is for the proxy's active health checks,
	// too. They have placeholders of their own and those of the upstream.
	// Default: they pass.
	HealthChecks bool `json:"health_checks,omitempty"`

	// Decide, count as passed and log what would have happened, but change
	// nothing. All other settings work as if it did. No request is a hit.
	DryRun bool `json:"dry_run,omitempty"`

	// What goes wrong, in this order. Required. A fault that ends the request
	// comes last.
	FaultsRaw []json.RawMessage `json:"faults,omitempty" caddy:"namespace=http.faults inline_key=fault"`

	// Faults is the loaded chain.
	Faults faults.Chain `json:"-"`

	// Source is the rule as it was configured.
	Source json.RawMessage `json:"-"`

	// Place is where the faults run; the point knows.
	Place faults.Place `json:"-"`

	// Owner is whose rule it is.
	Owner Owner `json:"-"`

	index    int // at its point
	matchers caddyhttp.MatcherSets
	percent  float64
	gates    [stages][]*gate
	key      keyText
	schedule schedule
	counters *counters
}

// DefaultName is the name of a rule that has none, by its place at its point,
// from 0.
func DefaultName(index int) string { return fmt.Sprintf("rule%d", index+1) }

// Index is the rule's place at its point, from 0.
func (rl *Rule) Index() int { return rl.index }

// provision loads the matchers and the faults of the rule at the given place
// of its point.
func (rl *Rule) provision(ctx caddy.Context, index int) error {
	rl.index = index
	if err := rl.validate(); err != nil {
		return err
	}
	rl.percent = valueOr(rl.Percent, 100)
	rl.gates = gatesOf(rl)
	rl.key = newKeyText(rl.Per, rl.Place)
	matchers, err := loadMatchers(ctx, rl, rl.MatcherSetsRaw)
	if err != nil {
		return err
	}
	rl.matchers = matchers
	if err := rl.loadFaults(ctx); err != nil {
		return err
	}
	rl.MatcherSetsRaw, rl.FaultsRaw = nil, nil
	return nil
}

// remember gives the rule its counters, and with them the load that its
// durations count from.
func (rl *Rule) remember(c *counters) (err error) {
	rl.counters = c
	rl.schedule, err = newSchedule(rl, c.since)
	return err
}

func (rl *Rule) loadFaults(ctx caddy.Context) error {
	mods, err := ctx.LoadModule(rl, "FaultsRaw")
	if err != nil {
		return fmt.Errorf("loading faults: %w", err)
	}
	if rl.Faults, err = faults.NewChain(mods); err != nil {
		return err
	}
	return rl.Faults.CheckPlace(rl.Place)
}

// Removed is closed when a reload has removed or changed the rule.
func (rl *Rule) Removed() <-chan struct{} { return rl.counters.gone }

// InTransport reports whether the faults run at a transport.
func (rl *Rule) InTransport() bool { return rl.Place == faults.InTransport }

// OnResponse reports whether the rule fires on the upstream's reply.
func (rl *Rule) OnResponse() bool {
	return rl.Phase == PhaseResponse || rl.MatchResponse != nil
}

// KindNames is the kinds of the rule's faults, joined by "+".
func (rl *Rule) KindNames() string {
	names := make([]string, len(rl.Faults))
	for i, f := range rl.Faults {
		names[i] = faults.Kind(f)
	}
	return strings.Join(names, "+")
}

// takesItsShare reports whether the rule takes its share of every request, as
// far as that can be told at load: one of 100 percent that cannot fire at a
// time counts as absent.
func (rl *Rule) takesItsShare() bool {
	pauses := rl.anyGate(func(g *gate) bool { return g.has != nil && !g.ends })
	return len(rl.matchers) == 0 && rl.MatchResponse == nil && (rl.percent < 100 || !pauses)
}

// anyMatches reports whether r satisfies one of the sets, or there are none. A
// set with a matcher that fails does not match; its error is for whoever counts.
func anyMatches(sets caddyhttp.MatcherSets, r *http.Request) (ok bool, failed error) {
	for _, set := range sets {
		ok, err := set.MatchWithError(r)
		switch {
		case err != nil:
			failed = err
		case ok:
			return true, nil
		}
	}
	return len(sets) == 0, failed
}

// matchesResponse reports whether the rule is for a reply with this head.
func (rl *Rule) matchesResponse(code int, header http.Header) bool {
	return rl.MatchResponse == nil || rl.MatchResponse.Match(code, header)
}

// loadMatchers loads the MatcherSetsRaw field of the struct that owner points
// to.
func loadMatchers(ctx caddy.Context, owner any, raw caddyhttp.RawMatcherSets) (caddyhttp.MatcherSets, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	mods, err := ctx.LoadModule(owner, "MatcherSetsRaw")
	if err != nil {
		return nil, fmt.Errorf("loading matchers: %w", err)
	}
	var sets caddyhttp.MatcherSets
	if err := sets.FromInterface(mods); err != nil {
		return nil, fmt.Errorf("loading matchers: %w", err)
	}
	for _, set := range sets {
		prunersFirst(set)
	}
	return sets, nil
}
