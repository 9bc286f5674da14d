package caddymodule

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
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

// parseGlobalOption sets up what all injection points have in common. Syntax:
//
//	fault {
//	    halted
//	    dry_run
//	    disclose   <header>|off
//	    max_active <number>
//	    journal    <number>
//	    halt_when  <number> <window>
//	    share      <group> [<interval>]
//
//	    experiment_matchers <name>...
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // consume option
	if existing != nil {
		return nil, d.Err("global option fault already specified")
	}
	if d.NextArg() {
		return nil, d.Errf("unexpected argument '%s'", d.Val())
	}
	app, seen := new(App), make(map[string]bool)
	for d.NextBlock(0) {
		word := d.Val()
		if seen[word] {
			return nil, d.Errf("%s already specified", word)
		}
		seen[word] = true
		if err := app.unmarshalOption(d, word); err != nil {
			return nil, err
		}
		if err := app.Validate(); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	return httpcaddyfile.App{Name: "fault", Value: caddyconfig.JSON(app, nil)}, nil
}

func (a *App) unmarshalOption(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "halted":
		a.Halted = true
		return args.None(d)
	case "dry_run":
		a.DryRun = true
		return args.None(d)
	case "disclose":
		return grammar.TextParser(&a.Disclose)(d)
	case "max_active":
		var number *int
		err := grammar.CountParser(&number)(d)
		if err == nil && *number == 0 {
			return d.Err("bad max_active '0': want 1 or more")
		}
		if err == nil {
			a.MaxActive = int64(*number)
		}
		return err
	case "journal":
		return grammar.CountParser(&a.Journal)(d)
	case "share":
		return a.unmarshalShare(d)
	case "halt_when":
		return a.unmarshalHaltWhen(d)
	case "experiment_matchers":
		if a.ExperimentMatchers = d.RemainingArgs(); len(a.ExperimentMatchers) == 0 {
			return d.Err("experiment_matchers needs the names of modules, such as experiment_matchers maxmind_geolocation")
		}
		return nil
	default:
		return d.Errf("unrecognized option '%s' of fault", word)
	}
}

func (a *App) unmarshalShare(d *caddyfile.Dispenser) (err error) {
	args := d.RemainingArgs()
	if len(args) < 1 || len(args) > 2 {
		return d.Err("share needs the name of a group and may have an interval, such as share staging 1s")
	}
	a.Share = &Share{Group: args[0]}
	if len(args) == 2 {
		a.Share.Interval, err = grammar.ParseDuration(d, "interval of share", args[1])
		if err == nil && a.Share.Interval == 0 {
			return d.Errf("bad interval of share '%s': want %s or more; leave it out for %s", args[1], minInterval, defaultInterval)
		}
	}
	return err
}

func (a *App) unmarshalHaltWhen(d *caddyfile.Dispenser) error {
	var number, window string
	if !d.AllArgs(&number, &window) {
		return d.Err("halt_when needs a number of errors and a window, such as halt_when 50 1m")
	}
	errors, err := grammar.ParseCount(d, "halt_when", number)
	if err != nil {
		return err
	}
	length, err := grammar.ParseDuration(d, "window of halt_when", window)
	a.HaltWhen = &HaltWhen{Errors: errors, Window: length}
	return err
}
