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

// caddyMatchers are the matchers of Caddy's registry. A matcher is allowed when
// it reads the request alone, and fills in the placeholders of its settings once
// at most: a value of the request is never read as a placeholder. In an
// expression the matchers are functions of the same names.
var caddyMatchers = map[string]caddyMatcher{
	"client_ip":     {why: "fills in its ranges once, at load, where no request is known"},
	"expression":    {why: "fills in nothing itself; its tree is checked, see checkExpression"},
	"file":          {refused: true, why: "an experiment reads no files: match by path instead"},
	"header":        {why: "fills in its values once; names stay as they are"},
	"header_regexp": {why: "fills in nothing; a capture is a part of the request"},
	"host":          {why: "fills in its names once"},
	"method":        {why: "fills in nothing"},
	"not":           {why: "asks other matchers, which are checked"},
	"path":          {why: "fills in its paths once"},
	"path_regexp":   {why: "fills in nothing; a capture is a part of the request"},
	"protocol":      {why: "fills in nothing"},
	"query":         {why: "fills in its names and values once"},
	"remote_ip":     {why: "fills in its ranges once, at load, where no request is known"},
	"tls":           {why: "fills in nothing"},
	"url_pattern":   {why: "fills in nothing; a group is a part of the request"},
	"vars":          {why: "fills in its values once, and looks its names up once"},
	"vars_regexp":   {why: "looks its names up once; a capture is a part of what is found"},
}

// matcherNamespace is where Caddy's registry has the matchers.
const matcherNamespace = "http.matchers."

// What the matchers of an experiment may cost to load.
const (
	maxExpression   = 4 << 10 // bytes
	maxPattern      = 1 << 10 // bytes
	maxInstructions = 2_500   // of the program that a pattern becomes
	maxCompiled     = 32      // expressions and patterns of one experiment
)

// CheckMatchers refuses the matchers of an experiment that read more than the
// request, or cost more than their bound. The named ones are modules of others
// that the configuration allows.
func CheckMatchers(sets caddyhttp.RawMatcherSets, named []string) error {
	c := matcherCheck{named: named}
	return c.sets("match", sets)
}

// CheckNamed refuses what a configuration cannot allow.
func CheckNamed(name string) error {
	known, ok := caddyMatchers[name]
	switch _, err := caddy.GetModule(matcherNamespace + name); {
	case ok && known.refused:
		return fmt.Errorf("bad matcher '%s': %s", name, known.why)
	case ok:
		return fmt.Errorf("bad matcher '%s': experiments may use it anyway; leave it out", name)
	case err != nil:
		return fmt.Errorf("bad matcher '%s': this Caddy has no module %s%s", name, matcherNamespace, name)
	}
	return nil
}

// matcherCheck looks at the matchers of one experiment.
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

// matcher looks at one matcher, which stands at field.
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

// foreign looks at a module that is not Caddy's. Whether there is one of that
// name is for Caddy to tell.
func (c *matcherCheck) foreign(field, name string) error {
	if _, err := caddy.GetModule(matcherNamespace + name); err != nil || slices.Contains(c.named, name) {
		return nil
	}
	return fmt.Errorf("%s: the matcher '%s' is not Caddy's own and may read more than the request; the global option allows it: fault { experiment_matchers %s }", field, name, name)
}

// patterns looks at patterns by the names of what they are for.
func (c *matcherCheck) patterns(field string, raw json.RawMessage) error {
	var m map[string]*caddyhttp.MatchRegexp
	if err := read(field, raw, &m); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		within := strictjson.Member(field, name)
		if m[name] == nil {
			return fmt.Errorf(`%s: it is null; want a pattern, such as {"pattern": "^a"}`, within)
		}
		if err := c.pattern(within+".pattern", m[name].Pattern); err != nil {
			return err
		}
	}
	return nil
}

// pattern refuses a regular expression that is too large, as it is written or as
// a program: a{1000} becomes a thousand instructions.
func (c *matcherCheck) pattern(field, text string) error {
	if err := c.count(field, text); err != nil {
		return err
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if n := instructions(re); n > maxInstructions {
		return fmt.Errorf("%s: the repetitions of the pattern make %d instructions, more than %d: use * or + instead", field, n, maxInstructions)
	}
	return nil
}

// instructions is about how many instructions a regular expression becomes.
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

// count refuses a pattern that is too long, and more patterns and expressions
// than an experiment may have.
func (c *matcherCheck) count(field, pattern string) error {
	if len(pattern) > maxPattern {
		return fmt.Errorf("%s: the pattern has %d bytes, more than the %d of an experiment: write several sets of matchers", field, len(pattern), maxPattern)
	}
	if c.compiled++; c.compiled > maxCompiled {
		return fmt.Errorf("%s: more than %d expressions and patterns in one experiment: write several experiments", field, maxCompiled)
	}
	return nil
}
