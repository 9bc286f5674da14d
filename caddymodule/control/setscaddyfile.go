package control

import (
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
//	        # see [grammar.ParseExperiment]
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
	if s.Experiments[name] != nil {
		return start.Errf("experiment '%s' already specified", name)
	}
	e, err := grammar.ParseExperiment(d, name, own)
	if err != nil {
		return err
	}
	s.Experiments[name] = e
	return nil
}
