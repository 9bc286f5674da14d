package grammar

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// RuleParser parses the lines of one rule. Syntax of a line:
//
//	match <matcher>
//	percent <0 to 100>[%]
//	skip|times|every <n>
//	over <n> <window>
//	lasts <duration>
//	per <key>
//	max_keys <n>
//	start|end <instant>|<duration>
//	follows <rule> [<duration>]
//	cycle <on> <period>
//	ramp <duration>
//	max_active <n>
//	phase request|response
//	match_response {
//	    status <code...>
//	    header <field> [<value>]
//	}
//	health_checks
//	dry_run
//	observe
//	preset <name> [<parameter>=<value>...]
//	<kind of fault> ...
//
// A matcher is `@name`, `/path*`, `*`, one of Caddy's matchers with its arguments, a CEL
// expression in backticks or a block of matchers. If a rule has several match lines, one
// of them must match. Faults run in the order written.
type RuleParser struct {
	*rules.Rule

	// Chain has the faults parsed so far.
	Chain faults.Draft

	// First is the first word of the rule, for errors.
	First string

	// Presets are the presets of the configuration. Those of the binary are always known.
	Presets presets.Set

	firstLine    func() string
	last         fault    // the last parsed fault
	more         []string // words that are known here in addition to those of a rule
	matcherToken func() (caddy.ModuleMap, bool, error)
	seen         map[string]caddyfile.Dispenser // the line of each setting
	brought      []brought                      // settings of presets
	untrusted    []string                       // see Distrust
	fromPreset   map[int]bool                   // places in the chain
}

// NewRuleParser returns a parser that stores its result in rule.
func NewRuleParser(rule *rules.Rule) *RuleParser {
	return &RuleParser{Rule: rule, seen: make(map[string]caddyfile.Dispenser)}
}

// parseLine parses the line at d.
func (p *RuleParser) parseLine(d *caddyfile.Dispenser, word string) error {
	if p.First == "" {
		at := *d
		p.First, p.firstLine = word, func() string { return args.Line(&at) }
	}
	switch {
	case p.settingParser(word) != nil:
		if _, again := p.seen[word]; again && word != "match" {
			return d.Errf("%s already specified", word)
		}
		return p.parseSetting(d, word)
	case isFault(word):
		return p.ParseFault(d.NewFromNextSegment())
	default:
		return p.unknown(d, word)
	}
}

// parseSetting parses a setting, and checks it together with the lines before it.
func (p *RuleParser) parseSetting(d *caddyfile.Dispenser, word string) error {
	p.seen[word] = *d
	if err := p.settingParser(word)(d); err != nil {
		return err
	}
	err := p.CheckSettings()
	if err == nil {
		err = p.Chain.Faults.CheckPlace(p.PlaceOfFaults())
	}
	if err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// settingParser returns the parser of a setting, or nil if the word is not a setting.
func (p *RuleParser) settingParser(word string) func(*caddyfile.Dispenser) error {
	switch word {
	case "match":
		return p.parseMatch
	case "percent":
		return p.parsePercent
	case "skip":
		return CountParser(word, &p.Skip)
	case "every":
		return CountParser(word, &p.Every)
	case "over":
		return p.parseOver
	case "times":
		return CountParser(word, &p.Times)
	case "lasts":
		return durationParser(word, &p.Lasts)
	case "per":
		return TextParser(word, &p.Per)
	case "max_keys":
		return CountParser(word, &p.MaxKeys)
	case "start":
		return TextParser(word, &p.Start)
	case "end":
		return TextParser(word, &p.End)
	case "follows":
		return p.parseFollows
	case "observe":
		return flagParser(&p.Observe)
	case "cycle":
		return p.parseCycle
	case "ramp":
		return durationParser(word, &p.Ramp)
	case "max_active":
		return CountParser(word, &p.MaxActive)
	case "phase":
		return TextParser(word, &p.Phase)
	case "match_response":
		return p.parseMatchResponse
	case "health_checks":
		return flagParser(&p.HealthChecks)
	case "dry_run":
		return flagParser(&p.DryRun)
	default:
		return nil
	}
}

// SetShort sets the first line of the rule, for errors, to the fault in the line of the
// point.
func (p *RuleParser) SetShort(s Short) {
	p.First, p.firstLine = s.Words[0].Text, func() string { return textOf(s.Fault()) }
}

// finish runs the checks that need the whole rule. d is at its first line.
func (p *RuleParser) finish(d *caddyfile.Dispenser) error {
	if err := p.ApplyPresets(); err != nil {
		return err
	}
	if line, said := p.seen["observe"]; said && len(p.FaultsRaw) > 0 {
		return args.Advise(&line, "remove observe, or the faults of the rule", "a rule that observes injects nothing, and this one has a fault")
	}
	if len(p.FaultsRaw) == 0 && !p.Observe {
		return args.Advise(d, "write what goes wrong, such as respond 503 or delay 250ms; the kinds are "+strings.Join(faults.Kinds(), ", "), "a rule needs a fault")
	}
	if err := p.CheckKeys(); err != nil {
		line, said := p.seen["max_keys"]
		if !said {
			line = p.seen["over"]
		}
		return line.WrapErr(err)
	}
	return nil
}

func (p *RuleParser) parseMatch(d *caddyfile.Dispenser) error {
	set, err := p.matcherSet(d)
	if err != nil {
		return err
	}
	p.MatcherSetsRaw = append(p.MatcherSetsRaw, set)
	return nil
}

// matcherSet parses one set of matchers.
func (p *RuleParser) matcherSet(d *caddyfile.Dispenser) (caddy.ModuleMap, error) {
	before := *d
	set, isToken, err := p.matcherToken()
	if err != nil {
		return nil, err
	}
	if isToken {
		if d.NextArg() {
			return nil, args.Advise(d, "write several matchers as lines of a block, and several paths as match path /a /b", "unexpected argument '%s'", d.Val())
		}
		if set == nil {
			set = caddy.ModuleMap{} // *
		}
		return set, nil
	}
	*d = before
	if err := checkMatchLines(before); err != nil {
		return nil, err
	}
	set, err = caddyhttp.ParseCaddyfileNestedMatcherSet(d)
	if err != nil {
		return nil, badMatcher(before, err)
	}
	for name, raw := range set {
		if string(raw) == "null" {
			return nil, args.Missing(&before, matcherForm(name))
		}
	}
	if len(set) == 0 {
		return nil, args.Advise(&before, words.Usage("match")+"; without match the rule matches every request", "match without a matcher")
	}
	if err := rules.CheckMatchers(set); err != nil {
		return nil, before.WrapErr(err)
	}
	return set, nil
}

func (p *RuleParser) parseMatchResponse(d *caddyfile.Dispenser) error {
	if err := checkMatchResponse(*d); err != nil {
		return err
	}
	segment := d.NewFromNextSegment()
	matchers := make(map[string]caddyhttp.ResponseMatcher)
	if err := caddyhttp.ParseNamedResponseMatcher(segment, matchers); err != nil {
		return fmt.Errorf("bad match_response: %w: %s", err, words.Usage("match_response"))
	}
	matcher := matchers["match_response"]
	p.MatchResponse = &matcher
	return nil
}

// ParseFault parses a fault or a preset. The tokens of d must be those of the fault.
func (p *RuleParser) ParseFault(d *caddyfile.Dispenser) error {
	at := *d
	at.Next()
	if at.Val() == PresetWord {
		return p.parsePreset(&at)
	}
	d, err := p.withPresets(d)
	if err != nil {
		return err
	}
	if err := p.Chain.Unmarshal(d); err != nil {
		return err
	}
	p.last = fault{at.Val(), at}
	p.FaultsRaw = p.Chain.JSON
	if err := p.Chain.Faults.CheckPlace(p.PlaceOfFaults()); err != nil {
		return at.WrapErr(err)
	}
	return nil
}
