package trigger

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Parse sets up a trigger from Caddyfile tokens. Syntax:
//
//	trigger header|cookie|query|baggage|envoy [<name>] {
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
		return nil, args.Missing(d, "trigger")
	}
	if placeOf(t.Source) == nil {
		return nil, unknownSource(d)
	}
	if d.NextArg() {
		t.Name = d.Val()
	}
	if d.NextArg() {
		return nil, args.Unexpected(d, "trigger", d.Val())
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
	at := *d
	values := d.RemainingArgs()
	switch {
	case !slices.Contains(words.Options("trigger"), name):
		return args.UnknownOption(&at, "trigger")
	case len(values) == 0:
		return args.Missing(d, "trigger "+name)
	case len(values) > 1 && name != "allow":
		return args.Advise(d, words.Usage("trigger "+name), "too many arguments of trigger %s", name)
	}
	arg := values[0]
	switch name {
	case "key":
		if t.Key = arg; arg == "" {
			return d.Err("key '' is empty; to let every client use the trigger, remove the line")
		}
	case "allow":
		t.Allow = values
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
	}
	return nil
}

// unknownSource returns the error for a trigger with an unknown source. Most unknown
// words are names of header fields.
func unknownSource(d *caddyfile.Dispenser) error {
	line, sources := "trigger header "+d.Val(), strings.Split(sourceNames(), ", ")
	if near := words.Near(d.Val(), sources); len(near) > 0 {
		at := *d
		line = strings.TrimSpace("trigger " + near[0] + " " + args.Words(at.RemainingArgs()))
	}
	return args.Advise(d, words.Suggest([]string{line}), "bad trigger '%s': want %s", d.Val(), sourceNames())
}
