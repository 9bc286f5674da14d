package inject

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
	"github.com/caddyfault/caddyfault/caddymodule/status"
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
//	fault [<matcher>] [<status>] {
//	    point  <name>
//	    sticky <key>
//	    seed   <number>
//	    halted
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
// A status is short for the fault `respond <status>`. Without a status and rules, the
// point injects nothing until an experiment uses it.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if err := grammar.CheckTokens(h.Dispenser); err != nil {
		return nil, err
	}
	h.Next() // consume directive
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next() // again, because ExtractMatcherSet resets the dispenser
	handler := new(Handler)
	if matcher != nil {
		handler.MatcherSetsRaw = append(handler.MatcherSetsRaw, matcher)
	}
	handler.Point.Name = defaultName(h)
	p := directiveParser{grammar.PointParser{Dispenser: h.Dispenser, Point: &handler.Point, MatcherToken: h.MatcherToken}}
	p.Own = map[string]func() error{"trigger": func() error { return handler.parseTrigger(h.Dispenser) }}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return h.NewRoute(nil, handler), nil
}

// directiveParser parses one directive.
type directiveParser struct{ grammar.PointParser }

func (p *directiveParser) parse() error {
	start := *p.Dispenser
	if err := p.parseStatus(); err != nil {
		return err
	}
	return p.ParseBlock(start)
}

// parseStatus parses the arguments after the matcher.
func (p *directiveParser) parseStatus() error {
	if !p.NextArg() {
		return nil
	}
	word := p.Val()
	if !status.LooksLike(word) {
		return p.Errf("unexpected argument '%s': want a status such as 551 or smtp:551; other faults are lines of a block", word)
	}
	status := p.Token().Clone()
	if p.NextArg() {
		if next := p.Val(); strings.HasPrefix(next, "/") || strings.HasPrefix(next, "@") || next == "*" {
			return p.Errf("the matcher comes first: fault %s %s", next, word)
		}
		return p.Errf("unexpected argument '%s' after the status: write a block with a line respond %s and further lines", p.Val(), word)
	}
	p.Direct = p.NewRule()
	respond := status.Clone()
	respond.Text = "respond"
	p.Direct.First = word
	return p.Direct.ParseFault(caddyfile.NewDispenser([]caddyfile.Token{respond, status}))
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

// routeName returns the name of the named route that contains the directive, or an
// empty text. The adapter has the name in an unexported field only.
func routeName(h httpcaddyfile.Helper) string {
	keys := reflect.ValueOf(h).FieldByName("parentBlock").FieldByName("Keys")
	if !keys.IsValid() || keys.Len() == 0 {
		return ""
	}
	text := keys.Index(0).FieldByName("Text")
	if !text.IsValid() {
		return ""
	}
	return text.String()
}
