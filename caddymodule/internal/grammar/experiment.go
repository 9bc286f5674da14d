package grammar

import (
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// ParseExperiment parses the block of an experiment. It may use the presets of a
// configuration. Syntax:
//
//	point  <name>...
//	ttl    <duration>
//	note   <text>
//	sticky <key>
//	seed   <number>
//	# and the lines of a rule, see [RuleParser]
//
// Some faults are only allowed in a transport, and a name does not show whether a point is
// one. So an experiment is refused if it is wrong in both places.
func ParseExperiment(d *caddyfile.Dispenser, name string, own presets.Set) (*experiments.Experiment, error) {
	if err := rules.ValidRuleName(name); err != nil {
		return nil, d.WrapErr(err)
	}
	start := *d
	e, err := parseExperimentAt(d, name, faults.InHandler, own)
	if err == nil {
		return e, nil
	}
	end := *d
	*d = start
	if e, other := parseExperimentAt(d, name, faults.InTransport, own); other == nil {
		e.Place = faults.InHandler // loading decides
		return e, nil
	}
	*d = end
	return nil, err
}

// parseExperimentAt is ParseExperiment for one place.
func parseExperimentAt(d *caddyfile.Dispenser, name string, place faults.Place, own presets.Set) (*experiments.Experiment, error) {
	start := *d
	e := new(experiments.Experiment)
	e.Place = place
	p := NewRuleParser(&e.Rule)
	p.Presets = own
	err := p.ParseBlock(d, map[string]func(*caddyfile.Dispenser) error{
		"point":  func(d *caddyfile.Dispenser) error { return parsePoints(d, &e.Points) },
		"ttl":    func(d *caddyfile.Dispenser) error { return parseTTL(d, &e.TTL) },
		"note":   TextParser("experiment note", &e.Note),
		"sticky": func(d *caddyfile.Dispenser) error { return parseSticky(d, &e.Sticky) },
		"seed":   func(d *caddyfile.Dispenser) error { return parseSeed(d, &e.Seed) },
	})
	if err != nil {
		return nil, err
	}
	if len(e.Points) == 0 && len(e.MatcherSetsRaw) == 0 {
		return nil, args.Advise(&start, "write point * for every point that is not a transport, or a matcher such as match path /api/*",
			"experiment '%s' has neither point nor match", name)
	}
	err = rules.CheckGuest(&e.Rule)
	if err == nil {
		_, err = experiments.Parse(name, caddyconfig.JSON(e, nil))
	}
	if err != nil {
		return nil, start.WrapErr(err)
	}
	return e, nil
}

func parsePoints(d *caddyfile.Dispenser, points *[]string) error {
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

func parseTTL(d *caddyfile.Dispenser, ttl **caddy.Duration) error {
	var arg string
	if !d.AllArgs(&arg) {
		return args.Count(d, "experiment ttl")
	}
	duration, err := ParseDuration(d, "ttl", arg)
	if err == nil && duration < 0 {
		err = d.Errf("bad ttl '%s': want a duration such as 5m, or 0 for no end", time.Duration(duration))
	}
	*ttl = &duration
	return err
}

func parseSticky(d *caddyfile.Dispenser, sticky *string) error {
	if !d.AllArgs(sticky) {
		return args.Count(d, "sticky")
	}
	if *sticky == "" {
		return d.Err("sticky '' is empty: want a key such as {header.X-User}")
	}
	if err := rules.ValidKey("sticky", *sticky); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func parseSeed(d *caddyfile.Dispenser, seed **int64) error {
	var arg string
	if !d.AllArgs(&arg) {
		return args.Count(d, "seed")
	}
	number, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return d.Errf("bad seed '%s': want a whole number", arg)
	}
	*seed = &number
	return nil
}
