package experiments

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// DefaultTTL is how long an experiment lives that does not say it.
const DefaultTTL = 10 * time.Minute

// Everywhere in the points of an experiment means all of them.
const Everywhere = "*"

// Experiment is a rule that is added while Caddy runs. It has everything that
// a rule of a configuration has, but no files and no environment.
type Experiment struct {
	rules.Rule

	// The injection points that the experiment is for; `*` is all. Default: all,
	// if it has matchers; without matchers the points have to be said.
	Points []string `json:"points,omitempty"`

	// How long the experiment lives; 0 is without an end. Default: 10m.
	TTL *caddy.Duration `json:"ttl,omitempty"`

	// Why it is there, for whoever finds it.
	Note string `json:"note,omitempty"`
}

// ttl is how long the experiment lives, 0 for ever.
func (e *Experiment) ttl() time.Duration {
	if e.TTL == nil {
		return DefaultTTL
	}
	return time.Duration(*e.TTL)
}

// At reports whether the experiment is for a place.
func (e *Experiment) At(at Place) bool {
	return slices.Contains(e.Points, at.Point) || !at.Transport && e.everywhere()
}

func (e *Experiment) everywhere() bool {
	return len(e.Points) == 0 || slices.Contains(e.Points, Everywhere)
}

// onePoint reports whether a request can meet the experiment only once.
func (e *Experiment) onePoint() bool { return !e.everywhere() && len(e.Points) == 1 }

// Parse reads an experiment from its JSON and checks what can be told without
// loading it. Unknown fields are refused.
func Parse(name string, data []byte) (*Experiment, error) {
	e := new(Experiment)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(e); err != nil {
		return nil, fmt.Errorf("reading experiment: %w", describe(err))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("reading experiment: there is more behind its JSON")
	}
	if e.Name == "" {
		e.Name = name
	}
	if e.Name != name {
		return nil, fmt.Errorf("name: '%s' is not the '%s' of the address", e.Name, name)
	}
	return e, e.check(data)
}

// describe makes an error of package encoding/json name the field.
func describe(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("%s: want %s, not %s", wrong.Field, wrong.Type, wrong.Value)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func (e *Experiment) check(data []byte) error {
	if err := rules.ValidName(e.Name); err != nil {
		return err
	}
	if err := e.CheckSettings(); err != nil {
		return err
	}
	if err := e.CheckMaxKeys(); err != nil {
		return err
	}
	if e.TTL != nil && *e.TTL < 0 {
		return fmt.Errorf("ttl: '%s' is negative", time.Duration(*e.TTL))
	}
	for _, point := range e.Points {
		if point == Everywhere {
			continue
		}
		if err := rules.ValidName(point); err != nil {
			return fmt.Errorf("points: %w", err)
		}
	}
	if len(e.MatcherSetsRaw) == 0 && len(e.Points) == 0 {
		return errors.New(`match: without matchers the points have to be said; ["*"] is all`)
	}
	if len(e.FaultsRaw) == 0 {
		return errors.New("faults: there is none: say what goes wrong")
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return err
	}
	return checkWeak("", tree)
}

// checkWeak refuses what only a configuration may have, wherever it stands in
// the JSON: files, and placeholders of anything but the request and the time.
func checkWeak(field string, node any) error {
	switch node := node.(type) {
	case string:
		return checkText(field, node)
	case []any:
		for i, child := range node {
			if err := checkWeak(fmt.Sprintf("%s[%d]", field, i), child); err != nil {
				return err
			}
		}
	case map[string]any:
		for name, child := range node {
			place := strings.TrimPrefix(field+"."+name, ".")
			if name == "body_file" || name == "file" && strings.HasPrefix(field, "match[") {
				return fmt.Errorf("%s: an experiment reads no files", place)
			}
			if err := checkText(place, name); err != nil {
				return err
			}
			if err := checkWeak(place, child); err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	inBraces   = regexp.MustCompile(`\{([^{}]*)\}`)
	namespaced = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.|$)`)
	allowed    = regexp.MustCompile(`^(http|time)\.`)
	celReads   = regexp.MustCompile(`\b(ph|file)\s*\(`) // the functions of Caddy's CEL matcher that look further than the request
)

func checkText(field, text string) error {
	for _, found := range inBraces.FindAllStringSubmatch(text, -1) {
		if namespaced.MatchString(found[1]) && !allowed.MatchString(found[1]) {
			return fmt.Errorf("%s: placeholder '%s' is not for experiments: they may use {http.*} and {time.*}", field, found[0])
		}
	}
	if strings.Contains(field, "expression") && celReads.MatchString(text) {
		return fmt.Errorf("%s: file() and ph() are not for experiments", field)
	}
	return nil
}
