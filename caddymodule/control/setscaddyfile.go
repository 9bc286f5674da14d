package control

import (
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// unmarshalSet parses the option set. Syntax:
//
//	set <name> {
//	    experiment <name> {
//	        point <name>...
//	        ttl   <duration>
//	        note  <text>
//	        # and the lines of a rule, see [grammar.RuleParser]
//	    }
//	}
func (a *App) unmarshalSet(d *caddyfile.Dispenser) error {
	segment := d.NextSegment()
	httpcaddyfile.NewShorthandReplacer().ApplyToSegment(&segment)
	d = caddyfile.NewDispenser(segment)
	if err := grammar.CheckTokens(d); err != nil {
		return err
	}
	d.Next()
	start := *d
	var name string
	if !d.AllArgs(&name) {
		return args.Count(d, "global set")
	}
	if err := rules.ValidName(name); err != nil {
		return d.WrapErr(err)
	}
	if a.Sets[name] != nil {
		return d.Errf("set '%s' already specified", name)
	}
	set := &Set{Experiments: make(map[string]*experiments.Experiment), Source: rules.SourceOf(start.File(), start.Line())}
	own, err := ownPresets(a.Presets)
	if err != nil {
		return err
	}
	if err := args.Options(d, "experiment", func(word string) error { return set.unmarshalExperiment(d, word, own) }); err != nil {
		return err
	}
	if len(set.Experiments) == 0 {
		return args.Missing(&start, "global set")
	}
	if a.Sets == nil {
		a.Sets = make(map[string]*Set)
	}
	a.Sets[name] = set
	return nil
}

func (s *Set) unmarshalExperiment(d *caddyfile.Dispenser, word string, own presets.Set) error {
	if word != "experiment" {
		return args.UnknownOption(d, "set")
	}
	start := *d
	var name string
	if !d.AllArgs(&name) {
		return args.Count(d, "set experiment")
	}
	if err := rules.ValidRuleName(name); err != nil {
		return d.WrapErr(err)
	}
	if s.Experiments[name] != nil {
		return d.Errf("experiment '%s' already specified", name)
	}
	e := new(experiments.Experiment)
	p := grammar.NewRuleParser(&e.Rule)
	p.Presets = own
	err := p.ParseBlock(d, map[string]func(*caddyfile.Dispenser) error{
		"point": func(d *caddyfile.Dispenser) error { return unmarshalPoints(d, &e.Points) },
		"ttl":   func(d *caddyfile.Dispenser) error { return unmarshalTTL(d, &e.TTL) },
		"note":  grammar.TextParser("experiment note", &e.Note),
	})
	if err != nil {
		return err
	}
	if len(e.Points) == 0 && len(e.MatcherSetsRaw) == 0 {
		return args.Advise(&start, "write point * for every point that is not a transport, or a matcher such as match path /api/*",
			"experiment '%s' has neither point nor match", name)
	}
	s.Experiments[name] = e
	err = rules.CheckGuest(&e.Rule)
	if err == nil {
		_, err = experiments.Parse(name, caddyconfig.JSON(e, nil))
	}
	if err != nil {
		return start.WrapErr(err)
	}
	return nil
}

func unmarshalPoints(d *caddyfile.Dispenser, points *[]string) error {
	for _, name := range d.RemainingArgs() {
		if name != experiments.Everywhere {
			if err := rules.ValidName(name); err != nil {
				return d.WrapErr(err)
			}
		}
		if slices.Contains(*points, name) {
			return d.Errf("point '%s' already specified", name)
		}
		*points = append(*points, name)
	}
	if len(*points) == 0 {
		return args.Missing(d, "experiment point")
	}
	return nil
}

func unmarshalTTL(d *caddyfile.Dispenser, ttl **caddy.Duration) error {
	var arg string
	if !d.AllArgs(&arg) {
		return args.Count(d, "experiment ttl")
	}
	duration, err := grammar.ParseDuration(d, "ttl", arg)
	if err == nil && duration < 0 {
		err = d.Errf("bad ttl '%s': want a duration such as 5m, or 0 for no end", time.Duration(duration))
	}
	*ttl = &duration
	return err
}
