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

// DefaultPoint is the name of a point that has none. The Caddyfile adapter
// gives each directive a name of its own.
const DefaultPoint = "fault"

// DefaultTransport is that of a point at a transport; in a Caddyfile the line
// follows.
const DefaultTransport = "transport"

// Point is a place where faults are injected: its rules, and the one draw that
// they share.
type Point struct {
	// The name of the point. Handlers of one configuration with the same name
	// are one point, with shared counters. Up to 64 letters, digits, dots,
	// dashes and underscores. Default: `fault`; in a Caddyfile `fault1` for the
	// first directive, `fault2` for the second, and so on. Of a transport:
	// `transport`; in a Caddyfile with the number of its line behind.
	Name string `json:"point,omitempty"`

	// Where the point is written, for people to find it: the Caddyfile adapter
	// puts the name of the file and the line here, such as `Caddyfile:12`. Up to
	// 256 bytes, without control characters. It may change in a reload: the rules
	// are the same ones and go on counting. Default: not known.
	Source string `json:"source,omitempty"`

	// Which requests come to the point at all. Default: all.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`

	// A text with placeholders, such as `{http.request.header.X-User}`, that
	// decides the draw: the same key gets the same answer, on every node and
	// after every start. A request without a key draws at random. A text without
	// a placeholder is refused.
	Sticky string `json:"sticky,omitempty"`

	// Makes the draws repeatable: the n-th request that matches any rule gets
	// the n-th number of this seed. With `sticky` it is hashed with the key, so
	// that points with the same seed give a key the same answer. Default: draws
	// are random; with `sticky` the name of the point.
	Seed *int64 `json:"seed,omitempty"`

	// Let the rules of this point start switched off. They can be switched on
	// one by one while Caddy runs. Handlers with the same point name share the
	// switches and must agree on this.
	Halted bool `json:"halted,omitempty"`

	// The rules, in order. At most one of them fires for a request. A point
	// without rules does nothing.
	Rules []*Rule `json:"rules,omitempty"`

	// Match is MatcherSetsRaw as it was configured.
	Match caddyhttp.RawMatcherSets `json:"-"`

	// Place is where the faults of the rules run.
	Place faults.Place `json:"-"`

	// Passed is told of requests that matched a rule and were not hit by it. The
	// rule is nil where a matcher of the point itself failed.
	Passed func(*Rule, Reason) `json:"-"`

	logger   *zap.Logger
	matchers caddyhttp.MatcherSets
	gate     index // of the matchers
	sticky   keyText
	ordered  []*Rule          // rules of phase request first, then of phase response
	early    int              // how many are of phase request
	index    index            // of the rules in order
	clock    func() time.Time // nil: no rule looks at it; of what the group settles
	draws    *atomic.Uint64   // numbers taken from the seed
	group    *Group
	identity string
	kept     []keptKey
}

// Provision loads the point and joins it with its namesakes in group.
func (p *Point) Provision(ctx caddy.Context, group *Group) error {
	if p.Name == "" {
		p.Name = DefaultPoint
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
	for i, rule := range p.Rules {
		if rule == nil {
			return fmt.Errorf("rule %d is null", i+1)
		}
		rule.Place = p.Place
		if rule.Name == "" {
			rule.Name = DefaultName(i)
		}
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
	for i, rule := range p.Rules {
		if err := rule.provision(ctx, i); err != nil {
			return fmt.Errorf("rule '%s': %w", rule.Name, err)
		}
	}
	p.sticky = newKeyText(p.Sticky, p.Place)
	p.ordered, p.early = inOrder(p.Rules)
	for i, rule := range p.ordered {
		p.index.add(i, rule.matchers)
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

// inOrder is the order in which rules take their shares, and how many of them
// are of phase request.
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

// end is behind the last rule of a phase.
func (p *Point) end(late bool) int {
	if late {
		return len(p.ordered)
	}
	return p.early
}

// Limited reports whether the point is for some requests only.
func (p *Point) Limited() bool { return len(p.matchers) > 0 }

// Matches reports whether r comes to the point. Where a matcher fails it does
// not.
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

// matches reports whether r satisfies the matchers of a rule, or with nil those
// of the point. It counts a matcher that fails.
func (p *Point) matches(rule *Rule, sets caddyhttp.MatcherSets, r *http.Request) bool {
	return len(sets) == 0 || p.anyMatches(rule, sets, r)
}

// anyMatches is matches for a rule that has matchers.
func (p *Point) anyMatches(rule *Rule, sets caddyhttp.MatcherSets, r *http.Request) bool {
	ok, err := anyMatches(sets, r)
	if err != nil {
		p.failed(rule, err)
	}
	return ok
}

// failed counts a request of which a matcher cannot say whether it matches.
func (p *Point) failed(rule *Rule, err error) {
	name := ""
	if rule != nil {
		name = rule.Name
	}
	p.logger.Debug("matcher failed, which is no match", zap.String("point", p.Name), zap.String("rule", name), zap.Error(err))
	p.Passed(rule, ReasonMatchError)
}
