// Package rules decides which request is hit: a point draws one number for a
// request, its rules hold shares of it, and at most one of them fires. The
// package knows no kind of fault; a rule hands over a chain.
package rules

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
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

// Rule says which requests are hit, how often, and by which faults.
type Rule struct {
	// The name of the rule, in headers, logs and metrics: up to 64 letters,
	// digits, dots, dashes and underscores, unique at its point. Default:
	// `rule1` for the first rule of the point, `rule2` for the second, and so
	// on.
	Name string `json:"name,omitempty"`

	// Which requests the rule is for. Without matchers it is for every request
	// that comes to the point.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// How many of the matching requests are hit, in percent: 0 is none, 100 is
	// all. Default: 100. The rules of a point share one draw, so that 10 and 20
	// hit exactly 10 % and 20 % of the requests that match both, and never the
	// same ones.
	Percent *float64 `json:"percent,omitempty"`

	// When the rule fires. `request` (default): before the upstream is asked.
	// `response`: the upstream is asked, with all side effects, and its reply
	// is held back, then replaced, delayed or cut.
	Phase string `json:"phase,omitempty"`

	// Which replies of the upstream the rule is for. Implies phase `response`.
	MatchResponse *caddyhttp.ResponseMatcher `json:"match_response,omitempty"`

	// Decide, count and log what would have happened, but change nothing.
	DryRun bool `json:"dry_run,omitempty"`

	// What goes wrong, in this order. Required. A fault that ends the request
	// comes last.
	FaultsRaw []json.RawMessage `json:"faults,omitempty" caddy:"namespace=http.faults inline_key=fault"`

	// Faults is the loaded chain.
	Faults faults.Chain `json:"-"`

	index    int // at its point
	matchers caddyhttp.MatcherSets
	percent  float64
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
	if rl.Name == "" {
		rl.Name = DefaultName(index)
	}
	if err := rl.validate(); err != nil {
		return err
	}
	rl.percent = 100
	if rl.Percent != nil {
		rl.percent = *rl.Percent
	}
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

// validate checks the settings of the rule by themselves and together.
func (rl *Rule) validate() error {
	if err := ValidName(rl.Name); err != nil {
		return err
	}
	if rl.Percent != nil {
		if err := ValidPercent(*rl.Percent); err != nil {
			return err
		}
	}
	switch rl.Phase {
	case "", PhaseResponse:
	case PhaseRequest:
		if rl.MatchResponse != nil {
			return fmt.Errorf("phase '%s' and match_response cannot go together: there is no reply yet", rl.Phase)
		}
	default:
		return fmt.Errorf("bad phase '%s': want request or response", rl.Phase)
	}
	if rl.MatchResponse != nil {
		if err := ValidResponseMatcher(*rl.MatchResponse); err != nil {
			return err
		}
	}
	if len(rl.FaultsRaw) == 0 {
		return fmt.Errorf("no fault: say what goes wrong, one of %s", strings.Join(faults.Kinds(), ", "))
	}
	return nil
}

func (rl *Rule) loadFaults(ctx caddy.Context) error {
	mods, err := ctx.LoadModule(rl, "FaultsRaw")
	if err != nil {
		return fmt.Errorf("loading faults: %w", err)
	}
	rl.Faults, err = faults.NewChain(mods)
	return err
}

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

// matches reports whether the rule is for r.
func (rl *Rule) matches(r *http.Request) (bool, error) {
	if len(rl.matchers) == 0 {
		return true, nil
	}
	return rl.matchers.AnyMatchWithError(r)
}

// matchesResponse reports whether the rule is for a reply with this head.
func (rl *Rule) matchesResponse(code int, header http.Header) bool {
	return rl.MatchResponse == nil || rl.MatchResponse.Match(code, header)
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString

// ValidName checks the name of a point or a rule. Names stand in headers, URLs
// and labels.
func ValidName(name string) error {
	if !validName(name) {
		return fmt.Errorf("bad name '%s': want up to 64 letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
	return nil
}

// ValidPercent checks a percentage.
func ValidPercent(p float64) error {
	if !(p >= 0 && p <= 100) { // not a number fails both
		return fmt.Errorf("bad percent '%v': want 0 to 100", p)
	}
	return nil
}

// ValidResponseMatcher refuses a matcher that would match every reply or none.
func ValidResponseMatcher(m caddyhttp.ResponseMatcher) error {
	if len(m.StatusCode) == 0 && len(m.Headers) == 0 {
		return errors.New("match_response without a status or a header")
	}
	for _, code := range m.StatusCode {
		class, final := code >= 2 && code <= 9, code >= 200 && code <= 999 || code == http.StatusSwitchingProtocols
		if !class && !final {
			return fmt.Errorf("bad match_response status '%d': want a code such as 503 or a class such as 5xx", code)
		}
	}
	return nil
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
	return sets, nil
}
