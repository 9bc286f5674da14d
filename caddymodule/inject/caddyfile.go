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
	// under encode, intercept and authentication, and above everything that
	// may answer: a fault of the site reaches every handle block, and what it
	// sends is never run as a template
	httpcaddyfile.RegisterDirectiveOrder("fault", httpcaddyfile.Before, "templates")
}

// parseDirective sets up an injection point. Syntax:
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
//	    # ... or several
//	    rule [<name>] {
//	        <setting>
//	        <fault>
//	    }
//	}
//
// A status is short for the fault `respond <status>`. Without a status and
// without rules the point does nothing until an experiment says so.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if err := grammar.CheckTokens(h.Dispenser); err != nil {
		return nil, err
	}
	h.Next() // consume directive
	matcher, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, h.WrapErr(err)
	}
	h.Next() // once more: the look-ahead has gone back
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

// parseStatus parses what stands behind the directive and its matcher.
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
		return p.Errf("unexpected argument '%s' behind the status: write a block with respond %s and more", p.Val(), word)
	}
	p.Direct = p.NewRule()
	respond := status.Clone()
	respond.Text = "respond"
	p.Direct.First = word
	return p.Direct.ParseFault(caddyfile.NewDispenser([]caddyfile.Token{respond, status}))
}

// defaultName numbers the directives as they are written, named or not. One in
// a named route whose name cannot be had, or cannot be part of a point's, has
// just "route" in front.
func defaultName(h httpcaddyfile.Helper) string {
	if !h.IsNamedRoute() {
		return numberedName(h, "")
	}
	if name := numberedName(h, routeName(h)+"-"); rules.ValidName(name) == nil {
		return name
	}
	return numberedName(h, "route-")
}

// numberedName is the next name that begins with prefix.
func numberedName(h httpcaddyfile.Helper, prefix string) string {
	const state = "fault.directives."
	n, _ := h.State[state+prefix].(int)
	h.State[state+prefix] = n + 1
	return fmt.Sprintf("%sfault%d", prefix, n+1)
}

// routeName is the name of the named route that the directive stands in, empty
// if it cannot be had: the adapter keeps it in a field that it shows nobody.
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
