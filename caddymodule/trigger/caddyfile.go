package trigger

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// Parse sets up a trigger from Caddyfile tokens. Syntax:
//
//	trigger header|cookie|baggage|envoy [<name>] {
//	    key        <text>
//	    allow      <kind>...
//	    max_delay  <duration>
//	    max_active <number>
//	    percent    <0 to 100>[%]
//	}
func Parse(d *caddyfile.Dispenser) (*Trigger, error) {
	t := new(Trigger)
	start := *d
	if !d.Args(&t.Source) {
		return nil, d.ArgErr()
	}
	if d.NextArg() {
		t.Name = d.Val()
	}
	if d.NextArg() {
		return nil, d.Errf("unexpected argument '%s'", d.Val())
	}
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] {
			return nil, d.Errf("%s already specified", name)
		}
		seen[name] = true
		if err := t.unmarshalOption(d, name); err != nil {
			return nil, err
		}
	}
	if err := t.validate(); err != nil {
		return nil, start.WrapErr(err)
	}
	return t, nil
}

func (t *Trigger) unmarshalOption(d *caddyfile.Dispenser, name string) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 1 && name != "allow" {
		return d.ArgErr()
	}
	arg := args[0]
	switch name {
	case "key":
		if t.Key = arg; arg == "" {
			return d.Err("key '' is empty; to let every client use the trigger, remove the line")
		}
	case "allow":
		t.Allow = args
	case "max_delay":
		wait, err := grammar.ParseDuration(d, name, arg)
		if err == nil && wait == 0 {
			err = d.Errf("bad max_delay '%s': must be greater than 0", arg)
		}
		t.MaxDelay = wait
		return err
	case "max_active":
		number, err := grammar.ParseCount(d, name, arg)
		if err == nil && number == 0 {
			err = d.Errf("bad max_active '%s': must be 1 or greater", arg)
		}
		t.MaxActive = number
		return err
	case "percent":
		percent, err := grammar.ParsePercent(d, arg)
		t.Percent = &percent
		grammar.HintAtFraction(d)
		return err
	default:
		return d.Errf("unrecognized option '%s' of trigger", name)
	}
	return nil
}
