package control

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// parseGlobalOption sets up the fault app from Caddyfile tokens. Syntax:
//
//	fault {
//	    halted
//	    dry_run
//	    disclose   <header>|off
//	    max_active <number>
//	    journal    <number> [<keep>]
//	    halt_when  <number> <window>
//	    share      <group> [<interval>]
//	    exempt     <matcher> <args>...
//	    clients    off|{ ... }
//	    set        <name> { ... }
//	    preset     <name> [<parameter>=<default>...] { ... }
//
//	    experiment_matchers <name>...
//	    client_addresses    off
//	}
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	d.Next() // consume option
	if existing != nil {
		return nil, d.Err("global option fault already specified")
	}
	if d.NextArg() {
		return nil, args.Advise(d, rulesGoIntoSites, "unexpected argument '%s' of the global option fault", d.Val())
	}
	app, seen := new(App), make(map[string]bool)
	for d.NextBlock(0) {
		word := d.Val()
		if seen[word] && word != "exempt" && word != "set" && word != "preset" {
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
	if err := app.checkSets(); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "fault", Value: caddyconfig.JSON(app, nil)}, nil
}

func (a *App) unmarshalOption(d *caddyfile.Dispenser, word string) error {
	switch word {
	case "halted":
		a.Halted = true
		return args.None(d, "global "+word)
	case "dry_run":
		a.DryRun = true
		return args.None(d, "global "+word)
	case "disclose":
		return grammar.TextParser("global "+word, &a.Disclose)(d)
	case "max_active":
		var number *int
		err := grammar.CountParser("global "+word, &number)(d)
		if err == nil && *number == 0 {
			return d.Err("bad max_active '0': want 1 or more")
		}
		if err == nil {
			a.MaxActive = int64(*number)
		}
		return err
	case "journal":
		return a.unmarshalJournal(d)
	case "client_addresses":
		return grammar.TextParser("global "+word, &a.ClientAddresses)(d)
	case "share":
		return a.unmarshalShare(d)
	case "halt_when":
		return a.unmarshalHaltWhen(d)
	case "exempt":
		return addMatcherSet(d, "global exempt", &a.ExemptRaw)
	case "clients":
		return a.unmarshalClients(d)
	case "set":
		return a.unmarshalSet(d)
	case "preset":
		return a.unmarshalPreset(d)
	case "experiment_matchers":
		if a.ExperimentMatchers = d.RemainingArgs(); len(a.ExperimentMatchers) == 0 {
			return args.Missing(d, "global experiment_matchers")
		}
		return nil
	default:
		return unknownOption(d, word)
	}
}

const rulesGoIntoSites = "rules and faults go into a site: write fault { ... } there"

// unknownOption returns the error for a word that is not an option. Many write a rule here.
func unknownOption(d *caddyfile.Dispenser, word string) error {
	isRule := slices.Contains(grammar.Settings, word) || faults.IsKind(word) || slices.Contains([]string{"rule", "point", "sticky", "seed", "cors", "trigger"}, word)
	if isRule {
		return args.Advise(d, rulesGoIntoSites+"; the options here are "+strings.Join(words.Options("global"), ", "), "'%s' is not a global option of fault", word)
	}
	return args.UnknownOption(d, "global")
}

func (a *App) unmarshalShare(d *caddyfile.Dispenser) (err error) {
	values := d.RemainingArgs()
	switch {
	case len(values) < 1:
		return args.Missing(d, "global share")
	case len(values) > 2:
		return args.Unexpected(d, "global share", values[2])
	}
	a.Share = &Share{Group: values[0]}
	if len(values) == 2 {
		a.Share.Interval, err = grammar.ParseDuration(d, "interval of share", values[1])
		if err == nil && a.Share.Interval == 0 {
			return d.Errf("bad interval of share '%s': want %s or more; leave it out for %s", values[1], minInterval, defaultInterval)
		}
	}
	return err
}

func (a *App) unmarshalHaltWhen(d *caddyfile.Dispenser) error {
	var number, window string
	if !d.AllArgs(&number, &window) {
		return args.Count(d, "global halt_when")
	}
	errors, err := grammar.ParseCount(d, "halt_when", number)
	if err != nil {
		return err
	}
	length, err := grammar.ParseDuration(d, "window of halt_when", window)
	a.HaltWhen = &HaltWhen{Errors: errors, Window: length}
	return err
}
