package plan

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// FaultParser reads the block of a fault at a dispenser, and returns an experiment for
// the API.
type FaultParser func(d *caddyfile.Dispenser, name string) (json.RawMessage, error)

// Parse reads a plan. The values of lets replace those in the file. The error has all
// [ProblemsError] of the plan.
func Parse(file string, data []byte, lets map[string]string, faults FaultParser) (*Plan, error) {
	p := &parser{file: file, lines: strings.Split(string(data), "\n"), plan: new(Plan), faults: faults, once: make(map[string]bool)}
	if text := strings.TrimSpace(string(data)); strings.HasPrefix(text, "{") && json.Valid(data) {
		return p.parseJSON(data, lets)
	}
	if strings.TrimSpace(string(data)) == "" {
		return nil, ProblemsError{{file, 1, "the file has no plan", forms["plan"].example}}
	}
	blocks, err := caddyfile.Parse(file, data)
	switch {
	case err != nil && !p.balanced(data): // says better what is missing
		return nil, p.problems.err()
	case err != nil:
		return nil, ProblemsError{p.lexical(problemOf(err, place{file, 0}))}
	}
	segments, ok := p.header(blocks)
	if !ok || !p.balanced(data) {
		return nil, p.problems.err()
	}
	p.lets(segments, lets)
	for _, segment := range segments {
		if segment.Directive() != "let" {
			p.line(statementOf(segment))
		}
	}
	p.check()
	return p.plan, p.problems.err()
}

// parser reads one plan, and collects all that is wrong.
type parser struct {
	file     string
	lines    []string // of the file
	top      place    // of the plan
	plan     *Plan
	faults   FaultParser
	problems ProblemsError
	once     map[string]bool // lines that a plan has once
	ttl      place
	base     place
	address  place
}

// wrong records a problem.
func (p *parser) wrong(at place, write, format string, values ...any) {
	if at.file == "" {
		at.file = p.file
	}
	p.problems = append(p.problems, ProblemError{at.file, at.line, fmt.Sprintf(format, values...), write})
}

// bad records that a line is not written as its form says.
func (p *parser) bad(s *statement, owner string) {
	f := forms[owner+" "+s.word]
	text := "an argument is missing"
	if len(s.args) > 0 {
		text = fmt.Sprintf("'%s' is not a line of a %s", cut(s.line()), owner)
	}
	if f.syntax != f.example {
		text += ": want " + f.syntax
	}
	p.wrong(s.at, f.example, "%s: %s", s.word, text)
}

func cut(text string) string { return words.Cut(text, words.MaxWord) }

// header checks that a file has one plan, and returns the lines of the plan.
func (p *parser) header(blocks []caddyfile.ServerBlock) (segments []caddyfile.Segment, ok bool) {
	write := forms["plan"].example
	if len(blocks) == 0 {
		p.wrong(place{p.file, 1}, write, "the file has no plan")
		return nil, false
	}
	first, keys := placeOf(&blocks[0]), blocks[0].GetKeysText()
	switch {
	case len(keys) == 0:
		p.wrong(first, write, "a plan begins with 'plan <name> {', and not with a block")
		return nil, false
	case keys[0] != "plan":
		p.wrong(first, write, "a plan begins with 'plan <name> {', and not with '%s'", cut(strings.Join(keys, " ")))
		return nil, false
	case len(keys) != 2:
		p.wrong(first, "plan "+validNameLike(strings.Join(keys[1:], "-"), "plan")+" {", "a plan has one name")
		return nil, false
	case !blocks[0].HasBraces:
		p.wrong(first, write, "a plan has a block")
		return nil, false
	}
	p.plan.Name, p.top = keys[1], first
	for _, block := range blocks[1:] {
		if words := block.GetKeysText(); len(words) > 0 && words[0] == "}" {
			p.wrong(placeOf(&block), "", "this '}' ends no block: remove it, or one before it")
			continue
		}
		p.wrong(placeOf(&block), "", "a file has one plan: move this one into another file")
	}
	return blocks[0].Segments, true
}

// placeOf returns the place of a block, which has no keys if it begins with a brace.
func placeOf(block *caddyfile.ServerBlock) place {
	switch {
	case len(block.Keys) > 0:
		return place{block.Keys[0].File, block.Keys[0].Line}
	case len(block.Segments) > 0:
		return place{block.Segments[0][0].File, block.Segments[0][0].Line}
	}
	return place{}
}

// lets replaces the names that the plan gives to values.
func (p *parser) lets(segments []caddyfile.Segment, given map[string]string) {
	values, names := make(map[string]string), []string(nil)
	for _, segment := range segments {
		if segment.Directive() != "let" {
			continue
		}
		s := statementOf(segment)
		switch {
		case len(s.args) != 2 || s.braces:
			p.bad(&s, "plan")
		case !validName(s.args[0], ""):
			p.wrong(s.at, "let rate 30", "bad name '%s' of a let: want letters, digits, dashes and underscores", cut(s.args[0]))
		case slices.Contains(names, s.args[0]):
			p.wrong(s.at, "let "+s.args[0]+"2 "+s.args[1], "let %s already specified", s.args[0])
		default:
			names = append(names, s.args[0])
			values[s.args[0]] = s.args[1]
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(names, name) {
			write := "let " + cut(name) + " " + cut(given[name])
			if near := words.Near(name, names); len(near) > 0 {
				write = "--let " + near[0] + "=" + cut(given[name])
			}
			p.wrong(place{p.file, 0}, write, "--let %s: the plan has no let of this name", cut(name))
		}
		values[name] = given[name]
	}
	pairs := make([]string, 0, 2*len(names))
	for _, name := range names {
		pairs = append(pairs, "{"+name+"}", values[name])
	}
	replace := strings.NewReplacer(pairs...)
	for _, segment := range segments {
		for i := range segment {
			segment[i].Text = replace.Replace(segment[i].Text)
		}
	}
}

// line reads a line of the plan.
func (p *parser) line(s statement) {
	if !p.known(&s, "plan", "check abort run stage after report address") {
		return
	}
	plan := p.plan
	switch s.word {
	case "note":
		p.text(&s, "plan", &plan.Note)
	case "address":
		if len(s.args) == 0 {
			p.bad(&s, "plan")
		}
		if slices.Contains(s.args, "") {
			p.address = s.at
		}
		plan.Addresses = append(plan.Addresses, s.args...)
	case "ttl":
		p.ttl = s.at
		p.duration(&s, "plan", &plan.TTL)
	case "baseline":
		p.base = s.at
		p.duration(&s, "plan", &plan.Baseline)
	case "settle":
		p.duration(&s, "plan", &plan.Settle)
	case "seed":
		p.seed(&s)
	case "check":
		p.checkLine(s)
	case "abort":
		p.abort(s)
	case "run":
		p.run(s, "plan", &plan.Runs)
	case "after":
		p.run(s, "plan", &plan.After)
	case "stage":
		p.stage(s)
	case "report":
		if len(s.args) != 2 {
			p.bad(&s, "plan")
			return
		}
		plan.Reports = append(plan.Reports, &Report{Form: s.args[0], File: s.args[1], at: s.at})
	}
}

// withBlock are the lines that have a block.
var withBlock = []string{"plan check", "plan stage", "stage fault", "stage keep"}

// known reports whether a line may be in a place. A line that is not repeatable may be
// there once.
func (p *parser) known(s *statement, owner, repeatable string) bool {
	if _, ok := forms[owner+" "+s.word]; !ok {
		write, text := meant(owner, s.word, s.rest()), ""
		if write == "" {
			text = "; the lines of a " + owner + " are " + strings.Join(namesIn(owner), ", ")
			write = forms[owner+" "+namesIn(owner)[0]].example
		}
		p.wrong(s.at, write, "unknown word '%s' in a %s%s", cut(s.word), owner, text)
		return false
	}
	if s.braces && !slices.Contains(withBlock, owner+" "+s.word) {
		p.wrong(s.at, s.line(), "%s has no block", s.word)
		return false
	}
	if !slices.Contains(strings.Fields(repeatable), s.word) {
		if p.once[owner+" "+s.word] {
			p.wrong(s.at, "# "+s.line(), "%s already specified", s.word)
			return false
		}
		p.once[owner+" "+s.word] = true
	}
	return true
}

// forget allows the lines of a new block of an owner.
func (p *parser) forget(owner string) {
	maps.DeleteFunc(p.once, func(name string, _ bool) bool { return strings.HasPrefix(name, owner+" ") })
}

func (p *parser) text(s *statement, owner string, target *string) {
	if len(s.args) != 1 || s.args[0] == "" {
		p.bad(s, owner)
		return
	}
	*target = s.args[0]
}

func (p *parser) duration(s *statement, owner string, target *Duration) {
	if len(s.args) != 1 {
		p.bad(s, owner)
		return
	}
	*target = p.durationOf(s, s.args[0])
}

// durationOf reads a duration in a line, which must be more than 0.
func (p *parser) durationOf(s *statement, text string) Duration {
	read, err := caddy.ParseDuration(text)
	if err != nil || read <= 0 {
		like := durationLike(s.word, text)
		p.wrong(s.at, p.mended(s.at, text, like, strings.Replace(s.line(), text, like, 1)), "%s: bad duration '%s': want one such as 30s", s.word, cut(text))
		return Duration(defaultEvery)
	}
	return Duration(read)
}

func (p *parser) seed(s *statement) {
	if len(s.args) == 1 {
		if n, err := strconv.ParseInt(s.args[0], 10, 64); err == nil {
			p.plan.Seed = &n
			return
		}
	}
	p.bad(s, "plan")
}

// number reads a count of 1 or more.
func (p *parser) number(s *statement, owner string, target *int) {
	if len(s.args) == 1 {
		if n, err := strconv.Atoi(s.args[0]); err == nil && n > 0 {
			*target = n
			return
		}
	}
	p.bad(s, owner)
}
