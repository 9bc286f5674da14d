// Package rules decides which requests are hit by a fault. An injection point draws one
// number for each request, its rules share the range of the draw, and at most one rule
// fires.
//
// The package does not know any kind of fault. The caller runs the chain of faults of
// the rule that fires.
package rules

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// The phases of a request in which a rule can fire.
const (
	// PhaseRequest is before the request is sent to the upstream.
	PhaseRequest = "request"

	// PhaseResponse is after the upstream has sent the header of its reply.
	PhaseResponse = "response"
)

// An Owner is the origin of a rule: a point, an experiment or a trigger.
type Owner interface {
	// Ended returns a context that is done when the rule ends, as experiments do, or
	// nil if the rule has no end.
	Ended() context.Context
}

// Rule defines which requests are hit, how often, and by which faults.
type Rule struct {
	// The name of the rule in header fields, logs and metrics: up to 64 letters,
	// digits, dots, dashes and underscores. It must be unique at its point. The names
	// `trigger` and `other` are reserved for triggers and, in metrics, for surplus
	// experiments. Default: `rule1` for the first rule of the point, `rule2` for the
	// second, and so on.
	Name string `json:"name,omitempty"`

	// Matchers for the requests of the rule. Several sets are alternatives. Default:
	// every request that reaches the point.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// Percentage of the matching requests to hit: 0 to 100. Default: 100. The rules of
	// a point share one draw. Rules of 10 and 20 percent hit exactly 10 % and 20 % of
	// the requests that match both, and never the same request.
	Percent *float64 `json:"percent,omitempty" schema:"min=0,max=100"`

	// Number of matching requests to let pass before the first hit: 0 to 1000000000.
	// Default: 0.
	Skip *int `json:"skip,omitempty" schema:"min=0"`

	// Hit only every n-th request that is not skipped. With `skip` 2 and `every` 3, the
	// rule hits the 5th, the 8th and the 11th request. Up to 1000000000. Default: 1,
	// which means every request.
	Every *int `json:"every,omitempty" schema:"min=1"`

	// Hit only requests above a quota. Default: no quota.
	Over *Over `json:"over,omitempty"`

	// Maximum number of hits: 1 to 1000000000. A request on which no fault has an effect
	// does not count. Dry runs count, and so do steps of a sequence that let a request
	// pass. Default: no limit.
	Times *int `json:"times,omitempty" schema:"min=1"`

	// How long a burst lasts. A hit begins a burst, in which the rule hits every request
	// that it matches. `percent`, `ramp`, `skip`, `every` and `over` apply only to the
	// hit that begins it. Up to one year. Default: no bursts.
	Lasts *caddy.Duration `json:"lasts,omitempty"`

	// A text with placeholders, such as `{http.request.header.X-Order-Id}`. For each
	// value, `skip`, `every`, `over`, `times`, bursts, the steps of a sequence and quotas are
	// counted separately. Requests without a value share the empty value. A text without a
	// placeholder is an error. Default: all requests are counted together.
	Per string `json:"per,omitempty"`

	// Maximum number of values of `per` to remember: 1 to 1000000. The least recently
	// used values are forgotten. Default: 10000.
	MaxKeys *int `json:"max_keys,omitempty" schema:"min=1,max=1000000"`

	// When the rule starts to hit. Write a time such as `2026-11-22T20:00:00Z` (RFC
	// 3339), or a duration such as `10m` after the rule was first loaded. Default: at
	// once.
	Start string `json:"start,omitempty"`

	// When the rule stops hitting. Write a time or a duration, as for `start`. A
	// duration counts from load, not from `start`. Default: never.
	End string `json:"end,omitempty"`

	// Hit only after a hit of another rule. Default: independent of other rules.
	Follows *Follows `json:"follows,omitempty"`

	// Alternate between hitting and pausing. Default: no pauses.
	Cycle *Cycle `json:"cycle,omitempty"`

	// How long the percentage rises linearly from 0 to `percent`, beginning at `start`
	// or else at load. Default: no rise, `percent` applies at once.
	Ramp *caddy.Duration `json:"ramp,omitempty"`

	// Maximum number of active requests: 1 to 1000000000. A request is active from the hit until the
	// reply has ended. In a transport, it is active until the attempt has a reply or
	// fails. Further requests pass unchanged, and no other rule of the point hits them.
	// Default: no limit.
	MaxActive *int `json:"max_active,omitempty" schema:"min=1"`

	// When the rule fires. With `request` it fires before the request is sent to the
	// upstream. With `response` the upstream handles the request, with all side
	// effects. Its reply is held back, and then replaced, delayed or cut. Default:
	// `request`.
	Phase string `json:"phase,omitempty" schema:"enum=request|response"`

	// Which replies of the upstream the rule applies to. It implies phase `response`.
	// Default: all replies.
	MatchResponse *caddyhttp.ResponseMatcher `json:"match_response,omitempty"`

	// Apply the rule to active health checks of the proxy as well as to client requests.
	// Only allowed in a transport. A health check has placeholders separate from those
	// of client requests, and those of the upstream. Default: health checks pass.
	HealthChecks bool `json:"health_checks,omitempty"`

	// Decide, count as passed and log what would have happened, but inject nothing. All
	// other settings work normally. No request counts as a hit. Default: false.
	DryRun bool `json:"dry_run,omitempty"`

	// Mark requests for the rules that follow this one, and inject nothing. The rule has
	// no faults, takes no share of the draw, and leaves the request to other rules.
	// Default: false.
	Observe bool `json:"observe,omitempty"`

	// What goes wrong, in this order. Required, except with `observe`. A fault that ends
	// the request must be the last.
	FaultsRaw []json.RawMessage `json:"faults,omitempty" caddy:"namespace=http.faults inline_key=fault"`

	// Faults is the loaded chain.
	Faults faults.Chain `json:"-"`

	// Source is the rule as configured.
	Source json.RawMessage `json:"-"`

	// Place is where the faults run. The point sets it.
	Place faults.Place `json:"-"`

	// Owner is the origin of the rule.
	Owner Owner `json:"-"`

	index    int // at its point
	matchers caddyhttp.MatcherSets
	percent  float64
	gates    [stages][]*gate
	key      keyText
	schedule schedule
	counters *counters
	leader   *Rule  // the rule that it follows, or nil
	leads    bool   // another rule follows it
	draws    *draws // of a guest

	preflights bool // the matchers are for preflights
}

// DefaultName returns the name of a rule without a name. Indexes at a point begin at 0.
func DefaultName(index int) string { return fmt.Sprintf("rule%d", index+1) }

// Index returns the index of the rule at its point, from 0.
func (rl *Rule) Index() int { return rl.index }

// provision loads the matchers and the faults of the rule with an index at its point.
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
	rl.matchers, rl.preflights = matchers, namesOptions(matchers)
	if err := rl.loadFaults(ctx); err != nil {
		return err
	}
	rl.MatcherSetsRaw, rl.FaultsRaw = nil, nil
	return nil
}

// remember sets the counters of the rule. Its durations count from the load that
// created the counters.
func (rl *Rule) remember(c *counters) (err error) {
	rl.counters = c
	rl.schedule, err = newSchedule(rl, c.since)
	return err
}

func (rl *Rule) loadFaults(ctx caddy.Context) error {
	mods, err := ctx.LoadModule(rl, "FaultsRaw")
	if err != nil {
		return fmt.Errorf("loading faults: %w", strictjson.Explain(err, caddyconfig.JSON(map[string]any{"faults": rl.FaultsRaw}, nil), rl))
	}
	if rl.Faults, err = faults.NewChain(mods); err != nil {
		return err
	}
	return rl.Faults.CheckPlace(rl.PlaceOfFaults())
}

// PlaceOfFaults returns where the faults of the rule run.
func (rl *Rule) PlaceOfFaults() faults.Place {
	if rl.Place == faults.InHandler && rl.Phase == PhaseResponse {
		return faults.AfterReply
	}
	return rl.Place
}

// Removed returns a channel that is closed when a reload removes or changes the rule.
func (rl *Rule) Removed() <-chan struct{} { return rl.counters.gone }

// InTransport reports whether the faults run in a transport.
func (rl *Rule) InTransport() bool { return rl.Place == faults.InTransport }

// OnResponse reports whether the rule fires on the upstream's reply.
func (rl *Rule) OnResponse() bool {
	return rl.Phase == PhaseResponse || rl.MatchResponse != nil
}

// KindNames returns the kinds of the rule's faults, joined by "+".
func (rl *Rule) KindNames() string {
	names := make([]string, len(rl.Faults))
	for i, f := range rl.Faults {
		names[i] = faults.Kind(f)
	}
	return strings.Join(names, "+")
}

// takesItsShare reports whether the rule takes its share of every request, as far as
// this is known at load. A rule with 100 percent that cannot fire at times does not.
func (rl *Rule) takesItsShare() bool {
	pauses := rl.anyGate(func(g *gate) bool { return g.has != nil && !g.ends })
	return !rl.Observe && len(rl.matchers) == 0 && rl.MatchResponse == nil && (rl.percent < 100 || !pauses)
}

// anyMatches reports whether r satisfies one of the sets, or there are no sets. A set
// with a matcher that fails does not match. If no set matches, anyMatches returns the
// error, for the caller to count.
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

// matchesResponse reports whether the rule applies to a reply with this status and
// header.
func (rl *Rule) matchesResponse(code int, header http.Header) bool {
	return rl.MatchResponse == nil || rl.MatchResponse.Match(code, header)
}

// loadMatchers loads the MatcherSetsRaw field of the struct that owner points
// to.
func loadMatchers(ctx caddy.Context, owner any, raw caddyhttp.RawMatcherSets) (caddyhttp.MatcherSets, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	if err := CheckExpressions("match", raw); err != nil {
		return nil, fmt.Errorf("loading matchers: %w", err)
	}
	mods, err := ctx.LoadModule(owner, "MatcherSetsRaw")
	if err != nil {
		return nil, fmt.Errorf("loading matchers: %w", explainMatchers(raw, err))
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
