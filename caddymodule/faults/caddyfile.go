package faults

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// wordOnly parses a kind that is its word and nothing else.
func wordOnly(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		return d.Errf("unexpected argument '%s'", d.Val())
	}
	return noBlock(d)
}

// noBlock refuses a block behind a kind that has none.
func noBlock(d *caddyfile.Dispenser) error {
	if d.NextBlock(0) {
		return d.Errf("unexpected block: unrecognized option '%s'", d.Val())
	}
	return nil
}

// options parses the lines of a kind's block, each option at most once unless
// it is named in repeatable.
func options(d *caddyfile.Dispenser, repeatable string, parse func(name string) error) error {
	seen := make(map[string]bool)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		if seen[name] && name != repeatable {
			return d.Errf("%s already specified", name)
		}
		seen[name] = true
		if err := parse(name); err != nil {
			return err
		}
	}
	return nil
}

// textArg stores the single argument of an option, which may be empty.
func textArg(d *caddyfile.Dispenser, target *string) error {
	if !d.AllArgs(target) {
		return d.ArgErr()
	}
	return nil
}

// oneArg stores the single argument of an option.
func oneArg(d *caddyfile.Dispenser, target *string) error {
	name := d.Val()
	if err := textArg(d, target); err != nil {
		return err
	}
	if *target == "" {
		return d.Errf("%s '' is empty: leave it out for the default", name)
	}
	return nil
}

// noArgs refuses arguments behind an option that is its word alone.
func noArgs(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("unexpected argument '%s'", d.Val())
	}
	return nil
}

// parseArgs parses exactly these arguments.
func parseArgs(d *caddyfile.Dispenser, args []string, parsers ...func(string) error) error {
	if len(args) != len(parsers) {
		return d.ArgErr()
	}
	for i, parse := range parsers {
		if err := parse(args[i]); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

func durationParser(target *caddy.Duration) func(string) error {
	return func(arg string) error {
		duration, err := caddy.ParseDuration(arg)
		if err != nil {
			return fmt.Errorf("bad duration '%s': want one such as 250ms or 2s", arg)
		}
		*target = caddy.Duration(duration)
		return nil
	}
}

// aboveZero stores a duration that is not zero, which means the default.
func aboveZero(name string, target *caddy.Duration) func(string) error {
	return func(arg string) error {
		err := durationParser(target)(arg)
		if err == nil && *target == 0 {
			return fmt.Errorf("bad %s '%s': want more than 0; leave it out for the default", name, arg)
		}
		return err
	}
}

func numberParser(name string, target *float64) func(string) error {
	return func(arg string) error {
		number, err := strconv.ParseFloat(arg, 64)
		if err != nil {
			return fmt.Errorf("bad %s '%s': want a number", name, arg)
		}
		*target = number
		return nil
	}
}

// durationArg parses the single argument of an option.
func durationArg(d *caddyfile.Dispenser, target *caddy.Duration) error {
	return parseArgs(d, d.RemainingArgs(), durationParser(target))
}
