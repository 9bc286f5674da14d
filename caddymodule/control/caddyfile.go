package control

import (
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
)

// parseGlobalOption sets up the fault app from Caddyfile tokens. Syntax:
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
