// Package args reads the arguments and blocks of Caddyfile lines, and sizes and
// rates as people write them. It knows no fault.
package args

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// WordOnly parses a kind that is its word and nothing else.
func WordOnly(d *caddyfile.Dispenser) error {
	d.Next() // consume kind
	if d.NextArg() {
		return d.Errf("unexpected argument '%s'", d.Val())
	}
	return NoBlock(d)
}

// NoBlock refuses a block after a kind that has none.
func NoBlock(d *caddyfile.Dispenser) error {
	if d.NextBlock(0) {
		return d.Errf("unexpected block: unrecognized option '%s'", d.Val())
	}
	return nil
}

// Options parses the lines of a kind's block, each option at most once unless
// it is named in repeatable.
func Options(d *caddyfile.Dispenser, repeatable string, parse func(name string) error) error {
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

// Text stores the single argument of an option, which may be empty.
func Text(d *caddyfile.Dispenser, target *string) error {
	if !d.AllArgs(target) {
		return d.ArgErr()
	}
	return nil
}

// One stores the single argument of an option.
func One(d *caddyfile.Dispenser, target *string) error {
	name := d.Val()
	if err := Text(d, target); err != nil {
		return err
	}
	if *target == "" {
		return d.Errf("%s '' is empty: leave it out for the default", name)
	}
	return nil
}

// None refuses arguments after an option that is its word alone.
func None(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("unexpected argument '%s'", d.Val())
	}
	return nil
}

// Parse parses each argument with the parser at its place. It wants no more and
// no fewer.
func Parse(d *caddyfile.Dispenser, args []string, parsers ...func(string) error) error {
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

// DurationParser returns a parser that stores a duration.
func DurationParser(target *caddy.Duration) func(string) error {
	return func(arg string) error {
		duration, err := caddy.ParseDuration(arg)
		if err != nil {
			return fmt.Errorf("bad duration '%s': want one such as 250ms or 2s", arg)
		}
		*target = caddy.Duration(duration)
		return nil
	}
}

// AboveZero stores a duration that is not zero, which means the default.
func AboveZero(name string, target *caddy.Duration) func(string) error {
	return func(arg string) error {
		err := DurationParser(target)(arg)
		if err == nil && *target == 0 {
			return fmt.Errorf("bad %s '%s': want more than 0; leave it out for the default", name, arg)
		}
		return err
	}
}

// NumberParser returns a parser that stores a number, which errors call name.
func NumberParser(name string, target *float64) func(string) error {
	return func(arg string) error {
		number, err := strconv.ParseFloat(arg, 64)
		if err != nil {
			return fmt.Errorf("bad %s '%s': want a number", name, arg)
		}
		*target = number
		return nil
	}
}

// Duration parses the single argument of an option.
func Duration(d *caddyfile.Dispenser, target *caddy.Duration) error {
	return Parse(d, d.RemainingArgs(), DurationParser(target))
}
