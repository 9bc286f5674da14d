package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
)

// caddyMatcher says whether an experiment may use a matcher, and why.
type caddyMatcher struct {
	refused bool
	why     string
}

// caddyMatchers are the matchers of Caddy's registry. A matcher is allowed if it reads
// only the request and expands placeholders of its settings at most once, so that a
// value of the request is never read as a placeholder. In an expression the matchers
// are functions with the same names.
var caddyMatchers = map[string]caddyMatcher{
	"client_ip":     {why: "expands its ranges once, at load, without a request"},
	"expression":    {why: "expands nothing; its tree is checked, see matcherCheck.expression"},
	"file":          {refused: true, why: "experiments read no files; match by path instead"},
	"header":        {why: "expands its values once, and no names"},
	"header_regexp": {why: "expands nothing; a capture is a part of the request"},
	"host":          {why: "expands its names once"},
	"json_body":     {why: "expands nothing; reads a bounded part of the body, once"},
	"method":        {why: "expands nothing"},
	"not":           {why: "contains other matchers, which are checked"},
	"path":          {why: "expands its paths once"},
	"path_regexp":   {why: "expands nothing; a capture is a part of the request"},
	"protocol":      {why: "expands nothing"},
	"query":         {why: "expands its names and values once"},
	"remote_ip":     {why: "expands its ranges once, at load, without a request"},
	"tls":           {why: "expands nothing"},
	"url_pattern":   {why: "expands nothing; a group is a part of the request"},
	"vars":          {why: "expands its values once, and looks up its names once"},
	"vars_regexp":   {why: "looks up its names once; a capture is a part of the value"},
}

// matcherNamespace is the namespace of matchers in Caddy's registry.
const matcherNamespace = "http.matchers."

// Bounds for what the matchers of an experiment may cost to load.
const (
	maxExpression   = 4 << 10 // bytes
	maxPattern      = 1 << 10 // bytes
	maxInstructions = 2_500   // of the compiled pattern
	maxCompiled     = 32      // expressions and patterns per experiment
)

// CheckMatchers returns an error for matchers that read more than the request or are
// too expensive. The configuration allows the modules in named, which are not Caddy's.
func CheckMatchers(sets caddyhttp.RawMatcherSets, named []string) error {
	c := matcherCheck{named: named}
	return c.sets("match", sets)
}

// CheckNamed returns an error for a name that a configuration cannot allow.
func CheckNamed(name string) error {
	known, ok := caddyMatchers[name]
	switch _, err := caddy.GetModule(matcherNamespace + name); {
	case ok && known.refused:
		return fmt.Errorf("bad matcher '%s': %s", name, known.why)
	case ok:
		return fmt.Errorf("bad matcher '%s': experiments may always use it; remove it from the list", name)
	case err != nil:
		return fmt.Errorf("bad matcher '%s': this Caddy has no module %s%s", name, matcherNamespace, name)
	}
	return nil
}

// matcherCheck checks the matchers of one experiment.
type matcherCheck struct {
	named    []string
	compiled int // expressions and patterns so far
}

func (c *matcherCheck) sets(field string, sets []caddy.ModuleMap) error {
	for i, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			if err := c.matcher(fmt.Sprintf("%s[%d].%s", field, i, name), name, set[name]); err != nil {
				return err
			}
		}
	}
	return nil
}

// matcher checks the matcher at a field.
func (c *matcherCheck) matcher(field, name string, raw json.RawMessage) error {
	known, ok := caddyMatchers[name]
	switch {
	case !ok:
		return c.foreign(field, name)
	case known.refused:
		return fmt.Errorf("%s: %s", field, known.why)
	}
	switch name {
	case "not":
		var sets []caddy.ModuleMap
		if err := read(field, raw, &sets); err != nil {
			return err
		}
		return c.sets(field, sets)
	case "expression":
		return c.expression(field, raw)
	case "path_regexp":
		var m caddyhttp.MatchRegexp
		if err := read(field, raw, &m); err != nil {
			return err
		}
		return c.pattern(field+".pattern", m.Pattern)
	case "header_regexp", "vars_regexp":
		return c.patterns(field, raw)
	case "json_body":
		return c.values(field, raw)
	case "url_pattern":
		var m caddyhttp.MatchURLPattern
		if err := read(field, raw, &m); err != nil {
			return err
		}
		return errors.Join(c.count(field+".pattern", m.Pattern), c.count(field+".base_url", m.BaseURL))
	}
	return nil
}

// read reads a matcher as Caddy does.
func read(field string, raw json.RawMessage, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// foreign checks a module that is not Caddy's. Caddy reports a name that is not
// registered.
func (c *matcherCheck) foreign(field, name string) error {
	if _, err := caddy.GetModule(matcherNamespace + name); err != nil || slices.Contains(c.named, name) {
		return nil
	}
	return fmt.Errorf("%s: the matcher '%s' is not part of Caddy and may read more than the request; to allow it, write in the global options: fault { experiment_matchers %s }", field, name, name)
}

// patterns checks patterns by the names of their fields.
func (c *matcherCheck) patterns(field string, raw json.RawMessage) error {
	var m map[string]*caddyhttp.MatchRegexp
	if err := read(field, raw, &m); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		within := strictjson.Member(field, name)
		if m[name] == nil {
			return fmt.Errorf(`%s: null is not a pattern; write one such as {"pattern": "^a"}`, within)
		}
		if err := c.pattern(within+".pattern", m[name].Pattern); err != nil {
			return err
		}
	}
	return nil
}

// values checks the values of a matcher of bodies, each of which is sought in a text.
func (c *matcherCheck) values(field string, raw json.RawMessage) error {
	var m map[string][]string
	if err := read(field, raw, &m); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		within := strictjson.Member(field, name)
		for _, text := range append([]string{name}, m[name]...) {
			if err := c.count(within, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// pattern returns an error for a regular expression that is too large as text or as a
// program: a{1000} becomes a thousand instructions.
func (c *matcherCheck) pattern(field, text string) error {
	if err := c.count(field, text); err != nil {
		return err
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if n := instructions(re); n > maxInstructions {
		return fmt.Errorf("%s: the repetitions of the pattern make %d instructions, more than %d; use * or + instead", field, n, maxInstructions)
	}
	return nil
}

// instructions estimates the number of instructions of a regular expression.
func instructions(re *syntax.Regexp) int {
	n := 1
	if re.Op == syntax.OpLiteral {
		n = len(re.Rune)
	}
	for _, sub := range re.Sub {
		n += instructions(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return n
}

// count returns an error if a pattern is too long or an experiment has too many
// patterns and expressions.
func (c *matcherCheck) count(field, pattern string) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("%s: the pattern has %d bytes; experiments allow %d; split it into several matcher sets", field, len(pattern), maxPattern)
	}
	if c.compiled++; c.compiled > maxCompiled {
		return fmt.Errorf("%s: more than %d expressions and patterns; split the experiment", field, maxCompiled)
	}
	return nil
}
