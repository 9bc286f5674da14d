package trigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/grammar"
	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
	"github.com/caddyfault/caddyfault/caddymodule/presets"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// RuleName is the name of the rule that a trigger creates.
const RuleName = "trigger"

// Bounds for the line of a request.
const (
	maxLine       = 1 << 10
	maxStatements = 8
	maxLines      = 256 // in the cache
)

// asked is what a line asks for.
type asked struct {
	Pass bool // to be left alone
	Rule *rules.Rule
	id   string // "" without one; also known if the line is refused
}

// A lineParser parses the lines of one trigger, and caches the last results, including
// errors.
type lineParser struct {
	ctx       caddy.Context
	tag       Tagger
	triggered *rules.Triggered
	allow     []string
	maxDelay  time.Duration
	percent   float64
	own       presets.Set // those of the configuration, if the trigger allows them
	cache     *lru.Cache[string, parsed]
}

type parsed struct {
	asked
	err error
}

func newLineParser(ctx caddy.Context, point *rules.Point, t *Trigger, tag Tagger, own presets.Set) lineParser {
	// Faults warn about the server's timeouts. A line of a client must not cause such
	// warnings.
	ctx.Context = context.WithValue(ctx.Context, caddyhttp.ServerCtxKey, nil)
	p := lineParser{
		ctx:       ctx,
		tag:       tag,
		triggered: point.Triggered(t.Source+" "+t.name(), cmp.Or(t.MaxActive, defaultMaxActive)),
		allow:     t.Allow,
		maxDelay:  cmp.Or(time.Duration(t.MaxDelay), defaultMaxDelay),
		percent:   percentOf(t.Percent),
	}
	switch {
	case len(p.allow) == 0:
		p.allow = allowed()
	case slices.Contains(p.allow, grammar.PresetWord):
		p.own = own
		if own == nil {
			p.own = presets.Set{} // nil says that the trigger does not allow them
		}
	}
	if placeOf(t.Source).draws {
		p.percent = 100 // its draws have been made
	}
	p.cache, _ = lru.New[string, parsed](maxLines) // fails only for a negative size
	return p
}

// parse parses a line. If the line is refused, the result has only its id.
func (p *lineParser) parse(line string) (asked, error) {
	if len(line) > maxLine {
		return asked{}, fmt.Errorf("the line has %d bytes; at most %d are allowed", len(line), maxLine)
	}
	known, ok := p.cache.Get(line)
	if !ok {
		line = strings.Clone(line) // it may be part of a whole header
		known.asked, known.err = p.read(line)
		p.cache.Add(line, known)
	}
	return known.asked, known.err
}

func (p *lineParser) read(line string) (asked, error) {
	statements, err := grammar.Split(line)
	if err != nil {
		return asked{}, hideKeys(line, err)
	}
	statements, id, err := takeID(statements)
	switch {
	case err != nil:
		return asked{}, hideKeys(line, err)
	case len(statements) == 0:
		return asked{id: id}, errors.New("the line is empty")
	case len(statements) > maxStatements:
		return asked{id: id}, fmt.Errorf("the line has %d statements; at most %d are allowed", len(statements), maxStatements)
	case len(statements) == 1 && len(statements[0].Tokens) == 1 && statements[0].Tokens[0].Text == "pass":
		return asked{Pass: true, id: id}, nil
	}
	rule := grammar.NewRuleParser(new(rules.Rule))
	rule.Presets = p.own
	rule.Distrust([]string{"percent", "phase"})
	for _, s := range statements {
		if err := p.readStatement(rule, s, line[s.Start:s.End]); err != nil {
			return asked{id: id}, err
		}
	}
	if err := rule.ApplyPresets(); err != nil {
		return asked{id: id}, hideKeys(p.withoutPresets(line), err)
	}
	triggered, err := p.provision(rule, id)
	return asked{Rule: triggered, id: id}, hideKeys(p.withoutPresets(line), err)
}

// takeID removes the statement `id <text>` from a line and returns the text.
func takeID(statements []grammar.Statement) (others []grammar.Statement, id string, err error) {
	for _, s := range statements {
		switch word := s.Tokens[0].Text; {
		case word != "id":
			others = append(others, s)
		case id != "":
			return nil, "", errors.New("id already specified")
		case len(s.Tokens) != 2:
			return nil, "", errors.New("id takes one text, such as id test-42")
		default:
			id = s.Tokens[1].Text
			if CheckID(id) != nil {
				return nil, "", CheckID(id)
			}
		}
	}
	return others, id, nil
}

// CheckID checks the form of an id, which is shown and counted.
func CheckID(id string) error {
	if rules.ValidName(id) != nil {
		return fmt.Errorf("bad id '%s': want up to 64 letters, digits, dots, dashes and underscores, a letter or digit first", id)
	}
	return nil
}

// lineSettings are the settings that a line may have.
var lineSettings = []string{"percent", "phase", "skip", "times"}

// readStatement parses a setting or a fault that a client may write.
func (p *lineParser) readStatement(rule *grammar.RuleParser, s grammar.Statement, text string) error {
	s = s.WrittenOut()
	switch word := s.Tokens[0].Text; {
	case word == "key":
		return errors.New("'key' is only allowed as the first statement, and only if the trigger has a key")
	case !slices.Contains(lineSettings, word) && !slices.Contains(p.allow, word):
		return hideKeys(text, fmt.Errorf("'%s' is not allowed here: %s", word, p.advice(word)))
	}
	return hideKeys(p.withoutPresets(text), s.Parse(rule))
}

// advice returns what to write instead of a word that begins no statement.
func (p *lineParser) advice(word string) string {
	if near := words.Suggest(words.Near(word, slices.Concat(lineSettings, p.allow))); near != "" && !slices.Contains(faults.Kinds(), word) {
		return near
	}
	return fmt.Sprintf("want id, %s, or one of %s", strings.Join(lineSettings, ", "), strings.Join(p.allow, ", "))
}

// withoutPresets returns a text without the names of presets, which are not keys.
func (p *lineParser) withoutPresets(text string) string {
	if !strings.Contains(text, grammar.PresetWord) {
		return text
	}
	words := slices.DeleteFunc(strings.FieldsFunc(text, notInKey), func(word string) bool { return p.own.Find(word) != nil })
	return strings.Join(words, " ")
}

// provision bounds and provisions the faults.
func (p *lineParser) provision(rule *grammar.RuleParser, id string) (*rules.Rule, error) {
	switch {
	case len(rule.Chain.Faults) == 0:
		return nil, errors.New("the line has no fault")
	case id == "" && (rule.Times != nil || rule.Skip != nil):
		return nil, errors.New("skip and times count the requests with an id: write one, such as id test-42; times 2; 503")
	}
	limits := faults.Limits{Time: p.maxDelay}
	for i, fault := range rule.Chain.Faults {
		limits.Texts = rule.FromPreset(i)
		untrusted, ok := fault.(faults.Untrusted)
		if !ok { // only a preset can have it
			return nil, fmt.Errorf("the preset has the fault %s, which is not allowed in a trigger", faults.Kind(fault))
		}
		if err := untrusted.Untrusted(&limits); err != nil {
			return nil, err
		}
		if fault, ok := fault.(caddy.Provisioner); ok {
			if err := fault.Provision(p.ctx); err != nil {
				return nil, err
			}
		}
	}
	triggered := p.triggered.Rule(RuleName, id, rule.Rule, rule.Chain.Faults, min(p.percent, percentOf(rule.Percent)))
	endAfter := time.Duration(0)
	if limits.OpenEnded {
		endAfter = p.maxDelay
	}
	triggered.Owner = p.tag(triggered, endAfter)
	return triggered, nil
}
