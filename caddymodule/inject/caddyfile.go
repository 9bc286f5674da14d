package inject

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/control"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

func init() {
	httpcaddyfile.RegisterDirective("fault", parseDirective)
	// The order is: encode, intercept, authentication, fault, templates, handle. A
	// fault of the site reaches every handle block, and templates never executes the
	// replies of a fault.
	httpcaddyfile.RegisterDirectiveOrder("fault", httpcaddyfile.Before, "templates")
}

// parseDirective sets up an injection point from Caddyfile tokens. Syntax:
//
//	fault [<matcher>] [<status>|<fault>] {
//	    point  <name>
//	    sticky <key>
//	    seed   <number>
//	    halted
//	    cors   [<origin>...]
//	    trigger <source> [<name>] {
//	        ...
//	    }
//
//	    # one rule: its settings and faults directly, see ruleParser ...
//	    <setting>
//	    <fault>
//
//	    # ... or several rules
//	    rule [<name>] {
//	        <setting>
//	        <fault>
//	    }
//	}
//
// One fault that needs no block can be in the line of the directive, such as
// `fault /api/* delay 2s`. A status is short for `respond <status>`. Without a fault
// and rules, the point injects nothing until an experiment uses it.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if err := grammar.CheckTokens(h.Dispenser); err != nil {
		return nil, err
	}
	h.Next() // consume directive
	matcherText := matcherTokenText(h)
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, unknownMatcher(h, matcherText)
	}
	h.Next() // again, because ExtractMatcherSet resets the dispenser
	handler := new(Handler)
	if matcher != nil {
		handler.MatcherSetsRaw = append(handler.MatcherSetsRaw, matcher)
	}
	handler.Point.Name = defaultName(h)
	p := directiveParser{grammar.PointParser{Dispenser: h.Dispenser, Point: &handler.Point, MatcherToken: func() (caddy.ModuleMap, bool, error) {
		return namedMatcherToken(h)
	}}}
	p.Own = map[string]func() error{"trigger": func() error { return handler.parseTrigger(h.Dispenser) }}
	p.Presets = control.PresetsOf(h.Option("fault"))
	if err := p.parse(matcherText); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// directiveParser parses one directive.
type directiveParser struct{ grammar.PointParser }

func (p *directiveParser) parse(matcher string) error {
	start := *p.Dispenser
	if err := p.parseShort(matcher); err != nil {
		return err
	}
	return p.ParseBlock(start)
}

// parseShort parses the fault in the line of the directive, after its matcher.
func (p *directiveParser) parseShort(matcher string) error {
	short := grammar.TakeShort(p.Dispenser, "fault", matcher)
	if len(short.Words) == 0 {
		return nil
	}
	if err := short.CheckMatchers(p.Dispenser); err != nil {
		return err
	}
	fault := short.Fault()
	if fault == nil {
		return short.Refuse(p.Dispenser, nil)
	}
	p.Direct = p.NewRule()
	p.Direct.SetShort(short)
	if err := p.Direct.ParseFault(caddyfile.NewDispenser(fault)); err != nil {
		return short.Refuse(p.Dispenser, err)
	}
	return nil
}

// defaultName returns the default name of the point. Directives are numbered in the
// order of the Caddyfile, including those with a name. In a named route, the name of
// the route comes first. If that name is unknown or not valid in a point's name,
// "route" comes first.
func defaultName(h httpcaddyfile.Helper) string {
	if !h.IsNamedRoute() {
		return numberedName(h, "")
	}
	if name := numberedName(h, routeName(h)+"-"); rules.ValidName(name) == nil {
		return name
	}
	return numberedName(h, "route-")
}

// numberedName returns the next name that begins with prefix.
func numberedName(h httpcaddyfile.Helper, prefix string) string {
	const state = "fault.directives."
	n, _ := h.State[state+prefix].(int)
	h.State[state+prefix] = n + 1
	return fmt.Sprintf("%sfault%d", prefix, n+1)
}
