package rules

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/hint"
)

// defaultPoint is the name of a point without a name. The Caddyfile adapter gives each
// directive a different default name.
const defaultPoint = "fault"

// DefaultTransport is the name of a point at a transport without a name. In a
// Caddyfile, the number of its line follows.
const DefaultTransport = "transport"

// Point is a place where faults are injected. Its rules share one draw per request.
type Point struct {
	// The name of the point. Handlers with the same name in one configuration are one
	// point, with shared counters. Up to 64 letters, digits, dots, dashes and
	// underscores. Default: `fault`. In a Caddyfile the default is `fault1` for the
	// first directive, `fault2` for the second, and so on. For a transport the default
	// is `transport`, in a Caddyfile followed by the number of its line.
	Name string `json:"point,omitempty"`

	// Where the point is configured, shown to people. The Caddyfile adapter writes the
	// name of the file and the line, such as `Caddyfile:12`. Up to 256 bytes without
	// control characters. If only the source changes in a reload, the rules keep their
	// counters. Default: unknown.
	Source string `json:"source,omitempty"`

	// Matchers for the requests that reach the point. Several sets are alternatives.
	// Default: all requests.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// A text with placeholders, such as `{http.request.header.X-User}`, that determines
	// the draw. Requests with the same key get the same answer, on all nodes and after
	// all restarts. Requests without a key draw at random. A text without a placeholder
	// is an error.
	Sticky string `json:"sticky,omitempty"`

	// Makes draws repeatable. The n-th request that matches any rule gets the n-th
	// number of this seed. With `sticky` the seed is hashed with the key: points with
	// the same seed give the same answer to a key. Default: random draws; with `sticky`
	// the name of the point.
	Seed *int64 `json:"seed,omitempty"`

	// Start with all rules of this point switched off. You can switch them on one by
	// one at run time. Handlers with the same point name share the switches and must
	// agree on this setting. Default: false.
	Halted bool `json:"halted,omitempty"`

	// Let pages of other origins read injected replies. An empty object allows any
	// origin. Default: browsers hide the replies.
	CORS *CORS `json:"cors,omitempty"`

	// The rules, in order. At most one rule fires for a request. A point without rules
	// injects nothing, but experiments can use it.
	Rules []*Rule `json:"rules,omitempty"`

	// Match is MatcherSetsRaw as configured.
	Match caddyhttp.RawMatcherSets `json:"-"`

	// Place is where the faults of the rules run.
	Place faults.Place `json:"-"`

	// Passed is called for each request that matched a rule and was not hit by it. If a
	// matcher of the point itself failed, the rule is nil.
	Passed func(*Rule, Reason) `json:"-"`

	logger   *zap.Logger
	matchers caddyhttp.MatcherSets
	gate     index // finds the matchers that can match
	sticky   keyText
	ordered  []*Rule          // rules of phase request, then rules of phase response
	early    int              // number of rules of phase request
	index    index            // of ordered
	clock    func() time.Time // set when the group settles; nil: no rule depends on the time
	draws    *atomic.Uint64   // count of the numbers taken from the seed
	group    *Group
	identity string
	kept     *[]keptKey // a pointer, because a request may copy the point while Cleanup runs

	preflights bool // the matchers of the point are for preflights
	forThem    bool // those of some rule are
}

// Provision loads the point and joins it with the points of the same name in group.
func (p *Point) Provision(ctx caddy.Context, group *Group) error {
	if err := p.validate(); err != nil {
		return err
	}
	settings, err := p.settings()
	if err != nil {
		return err
	}
	ctx = hint.At(ctx, p.Source)
	p.logger = p.LoggerOf(ctx)
	p.Match = p.MatcherSetsRaw
	slips := p.slips()
	if p.matchers, err = loadMatchers(ctx, p, p.MatcherSetsRaw); err != nil {
		return err
	}
	p.gate.add(0, p.matchers)
	p.preflights = namesOptions(p.matchers)
	for i, rule := range p.Rules {
		if err := rule.provision(ctx, i); err != nil {
			return fmt.Errorf("rule '%s': %w", rule.Name, err)
		}
	}
	if err := link(p.Rules); err != nil {
		return err
	}
	p.sticky = newKeyText(p.Sticky, p.Place)
	p.ordered, p.early = inOrder(p.Rules)
	for i, rule := range p.ordered {
		p.index.add(i, rule.matchers)
		p.forThem = p.forThem || rule.preflights
	}
	if p.Passed == nil {
		p.Passed = func(*Rule, Reason) {}
	}
	if err := group.join(p, settings); err != nil {
		return err
	}
	p.warn(ctx, group, slips)
	return nil
}

// validate checks the settings of the point, and sets the names of its rules.
func (p *Point) validate() error {
	if p.Name == "" {
		p.Name = defaultPoint
	}
	if err := ValidName(p.Name); err != nil {
		return fmt.Errorf("point: %w", err)
	}
	if err := ValidSource(p.Source); err != nil {
		return fmt.Errorf("point '%s': %w", p.Name, err)
	}
	if err := ValidKey("sticky", p.Sticky); err != nil {
		return err
	}
	if err := p.CORS.Validate(); err != nil {
		return err
	}
	for i, rule := range p.Rules {
		if rule == nil {
			return fmt.Errorf("rule %d is null", i+1)
		}
		rule.Place = p.Place
		if rule.Name == "" {
			rule.Name = DefaultName(i)
		}
	}
	return nil
}

// inOrder returns the rules in the order of their shares, and the number of rules of
// phase request.
func inOrder(rules []*Rule) (ordered []*Rule, early int) {
	var late []*Rule
	for _, rule := range rules {
		if rule.OnResponse() {
			late = append(late, rule)
		} else {
			ordered = append(ordered, rule)
		}
	}
	return append(ordered, late...), len(ordered)
}

// end returns the index after the last rule of a phase.
func (p *Point) end(late bool) int {
	if late {
		return len(p.ordered)
	}
	return p.early
}

// Limited reports whether the point has matchers.
func (p *Point) Limited() bool { return len(p.matchers) > 0 }

// Matches reports whether r reaches the point. A matcher that fails does not match.
func (p *Point) Matches(r *http.Request) bool {
	if len(p.matchers) == 0 {
		return true
	}
	var space room
	if len(p.gate.find(r, space[:0])) == 0 {
		return false
	}
	return p.matches(nil, p.matchers, r)
}

// matches reports whether r satisfies the matchers of a rule, or those of the point if
// rule is nil. It counts failures of matchers.
func (p *Point) matches(rule *Rule, sets caddyhttp.MatcherSets, r *http.Request) bool {
	return len(sets) == 0 || p.anyMatches(rule, sets, r)
}

// anyMatches is matches for a rule with matchers.
func (p *Point) anyMatches(rule *Rule, sets caddyhttp.MatcherSets, r *http.Request) bool {
	ok, err := anyMatches(sets, r)
	if err != nil {
		p.failed(rule, err)
	}
	return ok
}

// failed counts a request for which a matcher failed.
func (p *Point) failed(rule *Rule, err error) {
	name := ""
	if rule != nil {
		name = rule.Name
	}
	p.logger.Debug("matcher failed and does not match", zap.String("point", p.Name), zap.String("rule", name), zap.Error(err))
	p.Passed(rule, ReasonMatchError)
}
