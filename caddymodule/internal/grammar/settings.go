package grammar

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// Parsers of the settings that decide which requests are hit, how often and when. They
// check the syntax only. [rules.Rule.CheckSettings] checks the values.

// isDecimal reports whether a number is plain decimal. Go would also parse 0x10 and
// 1_0.
var isDecimal = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`).MatchString

func (p *RuleParser) parsePercent(d *caddyfile.Dispenser) error {
	var arg string
	if !d.AllArgs(&arg) {
		return args.Count(d, "percent")
	}
	percent, err := ParsePercent(d, arg)
	p.Percent = &percent
	return err
}

// ParsePercent parses a percentage. The percent sign is optional.
func ParsePercent(d *caddyfile.Dispenser, arg string) (float64, error) {
	number := strings.TrimSuffix(arg, "%")
	percent, err := strconv.ParseFloat(number, 64)
	if err != nil || !isDecimal(number) || rules.ValidPercent(percent) != nil {
		return 0, d.Errf("bad percent '%s': want 0 to 100", arg)
	}
	return percent, nil
}

// CountParser returns a parser for a setting with a whole number. form is the name of
// its form in package words.
func CountParser(form string, target **int) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		var arg string
		if !d.AllArgs(&arg) {
			return args.Count(d, form)
		}
		n, err := ParseCount(d, word, arg)
		*target = &n
		return err
	}
}

// ParseCount parses a whole number. Errors call it name.
func ParseCount(d *caddyfile.Dispenser, name, arg string) (int, error) {
	n, err := strconv.Atoi(arg)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, d.Errf("bad %s '%s': too large", name, arg)
	case err != nil || !isDecimal(arg):
		return 0, d.Errf("bad %s '%s': want a whole number", name, arg)
	}
	return n, nil
}

// TextParser returns a parser for a setting with one text. form is the name of its form
// in package words.
func TextParser(form string, target *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		word := d.Val()
		if !d.AllArgs(target) {
			return args.Count(d, form)
		}
		if *target == "" {
			return d.Errf("%s '' is empty: leave it out for the default", word)
		}
		return nil
	}
}

// flagParser returns a parser for a setting without arguments.
func flagParser(target *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		*target = true
		return args.None(d, d.Val())
	}
}

func (p *RuleParser) parseOver(d *caddyfile.Dispenser) error {
	var requests, window string
	if !d.AllArgs(&requests, &window) {
		return args.Count(d, "over")
	}
	n, err := ParseCount(d, "over", requests)
	if err != nil {
		return err
	}
	length, err := ParseDuration(d, "window of over", window)
	p.Over = &rules.Over{Requests: n, Window: length}
	return err
}

func (p *RuleParser) parseCycle(d *caddyfile.Dispenser) error {
	var onArg, periodArg string
	if !d.AllArgs(&onArg, &periodArg) {
		return args.Count(d, "cycle")
	}
	on, err := ParseDuration(d, "time on of cycle", onArg)
	if err != nil {
		return err
	}
	period, err := ParseDuration(d, "period of cycle", periodArg)
	p.Cycle = &rules.Cycle{On: on, Period: period}
	return err
}

func (p *RuleParser) parseFollows(d *caddyfile.Dispenser) error {
	words := d.RemainingArgs()
	switch {
	case len(words) == 0:
		return args.Missing(d, "follows")
	case len(words) > 2:
		return args.Unexpected(d, "follows", words[2])
	}
	p.Follows = &rules.Follows{Rule: words[0]}
	if len(words) == 1 {
		return nil
	}
	length, err := ParseDuration(d, "time of follows", words[1])
	p.Follows.For = &length
	return err
}

// durationParser returns a parser for a setting with one duration.
func durationParser(word string, target **caddy.Duration) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		var arg string
		if !d.AllArgs(&arg) {
			return args.Count(d, word)
		}
		duration, err := ParseDuration(d, word, arg)
		*target = &duration
		return err
	}
}

// ParseDuration parses a duration. Errors call it name.
func ParseDuration(d *caddyfile.Dispenser, name, arg string) (caddy.Duration, error) {
	duration, err := caddy.ParseDuration(arg)
	if err != nil {
		return 0, d.Errf("bad %s '%s': want a duration such as 250ms or 2s", name, arg)
	}
	return caddy.Duration(duration), nil
}

// formatSettings returns these settings, each as a statement.
func formatSettings(rule *rules.Rule) (statements []string) {
	add := func(words ...string) { statements = append(statements, strings.Join(words, " ")) }
	count := func(name string, n *int) {
		if n != nil {
			add(name, strconv.Itoa(*n))
		}
	}
	text := func(name, value string) {
		if value != "" {
			add(name, quoted(value))
		}
	}
	if rule.Percent != nil {
		add("percent", args.FormatNumber(*rule.Percent))
	}
	count("skip", rule.Skip)
	count("every", rule.Every)
	if over := rule.Over; over != nil {
		add("over", strconv.Itoa(over.Requests), args.FormatDuration(over.Window))
	}
	count("times", rule.Times)
	if rule.Lasts != nil {
		add("lasts", args.FormatDuration(*rule.Lasts))
	}
	text("per", rule.Per)
	count("max_keys", rule.MaxKeys)
	text("start", rule.Start)
	text("end", rule.End)
	if follows := rule.Follows; follows != nil {
		words := []string{"follows", quoted(follows.Rule)}
		if follows.For != nil {
			words = append(words, args.FormatDuration(*follows.For))
		}
		add(words...)
	}
	if cycle := rule.Cycle; cycle != nil {
		add("cycle", args.FormatDuration(cycle.On), args.FormatDuration(cycle.Period))
	}
	if rule.Ramp != nil {
		add("ramp", args.FormatDuration(*rule.Ramp))
	}
	count("max_active", rule.MaxActive)
	text("phase", rule.Phase)
	if rule.MatchResponse != nil {
		add(formatMatchResponse(rule.MatchResponse))
	}
	if rule.HealthChecks {
		add("health_checks")
	}
	if rule.DryRun {
		add("dry_run")
	}
	if rule.Observe {
		add("observe")
	}
	return statements
}
