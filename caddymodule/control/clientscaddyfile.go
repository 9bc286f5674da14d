package control

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// unmarshalClients parses the option clients. Syntax:
//
//	clients off|{
//	    call       <placeholder>
//	    client     <placeholder>
//	    idempotent <matcher> <args>...
//	    window     <duration>
//	    recovery   <duration>
//	    max_calls  <number>
//	    attempts   <number>
//	}
func (a *App) unmarshalClients(d *caddyfile.Dispenser) error {
	c := new(Clients)
	a.Clients = c
	if d.NextArg() {
		if c.Off = d.Val() == "off"; !c.Off {
			return args.Unexpected(d, "global clients", d.Val())
		}
		if err := args.None(d, "global clients"); err != nil {
			return err
		}
		if d.NextBlock(d.Nesting()) {
			return args.Advise(d, "write clients off without a block, or remove off", "clients off has no block")
		}
		return nil
	}
	return args.Options(d, "idempotent", func(name string) error { return c.unmarshalSetting(d, name) })
}

func (c *Clients) unmarshalSetting(d *caddyfile.Dispenser, word string) (err error) {
	switch word {
	case "call":
		return placeholder(d, &c.Call)
	case "client":
		return placeholder(d, &c.Client)
	case "idempotent":
		return addMatcherSet(d, "clients idempotent", &c.IdempotentRaw)
	case "window":
		return duration(d, &c.Window)
	case "recovery":
		return duration(d, &c.Recovery)
	case "max_calls":
		return number(d, &c.MaxCalls)
	case "attempts":
		return number(d, &c.Attempts)
	default:
		return args.UnknownOption(d, "clients")
	}
}

// placeholder parses a text in which placeholders may have their short form.
func placeholder(d *caddyfile.Dispenser, target *string) error {
	word := d.Val()
	if err := grammar.TextParser("clients "+word, target)(d); err != nil {
		return err
	}
	segment := caddyfile.Segment{{Text: *target}}
	httpcaddyfile.NewShorthandReplacer().ApplyToSegment(&segment)
	*target = segment[0].Text
	if err := rules.ValidKey(word, *target); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func duration(d *caddyfile.Dispenser, target *caddy.Duration) (err error) {
	word := d.Val()
	var arg string
	if !d.AllArgs(&arg) {
		return args.Count(d, "clients "+word)
	}
	if *target, err = grammar.ParseDuration(d, word, arg); err == nil && *target <= 0 {
		return d.Errf("bad %s '%s': want more than 0", word, arg)
	}
	return err
}

func number(d *caddyfile.Dispenser, target *int) error {
	word := d.Val()
	var count *int
	if err := grammar.CountParser("clients "+word, &count)(d); err != nil {
		return err
	}
	if *count == 0 {
		return d.Errf("bad %s '0': want 1 or more", word)
	}
	*target = *count
	return nil
}
