package experiments

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyfault/caddyfault/caddymodule/internal/strictjson"
	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// DefaultTTL is the lifetime of an experiment without a ttl.
const DefaultTTL = 10 * time.Minute

// Everywhere means, in the points of an experiment, all points that are not transports.
const Everywhere = "*"

// Experiment is a rule that is added while Caddy runs. It has the fields of a rule of
// the configuration, except `follows` and `observe`. It reads no files or environment.
type Experiment struct {
	rules.Rule
	rules.Draws

	// The injection points of the experiment. `*` means every point that is not a
	// transport; transports must be named. Default: `*` if `match` is set. Required
	// without `match`.
	Points []string `json:"points,omitempty"`

	// How long the experiment lasts. 0 means until it is deleted. Default: 10m.
	TTL *caddy.Duration `json:"ttl,omitempty"`

	// The purpose of the experiment, for people who see it in a list. Default: none.
	Note string `json:"note,omitempty"`

	// By is who made the last change of the experiment, also one of its time. It is not
	// part of the JSON that is sent.
	By string `json:"-"`
}

// ends returns when the experiment ends if it starts at from. Zero means never.
func (e *Experiment) ends(from time.Time) time.Time {
	switch {
	case e.TTL == nil:
		return from.Add(DefaultTTL)
	case *e.TTL <= 0:
		return time.Time{}
	default:
		return from.Add(time.Duration(*e.TTL))
	}
}

// At reports whether the experiment applies to a place.
func (e *Experiment) At(at Place) bool {
	return slices.Contains(e.Points, at.Point) || !at.Transport && e.everywhere()
}

func (e *Experiment) everywhere() bool {
	return len(e.Points) == 0 || slices.Contains(e.Points, Everywhere)
}

// onePoint reports whether at most one point of a request's path can apply the
// experiment.
func (e *Experiment) onePoint() bool { return !e.everywhere() && len(e.Points) == 1 }

// Parse reads an experiment from its JSON and checks what can be checked without
// loading it. It returns an error for unknown fields.
func Parse(name string, data []byte) (*Experiment, error) {
	e := new(Experiment)
	if err := strictjson.Decode(data, e); err != nil {
		return nil, err
	}
	if e.Name == "" {
		e.Name = name
	}
	if e.Name != name {
		return nil, fmt.Errorf("name: '%s' differs from '%s' in the URL; omit it", e.Name, name)
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	return e, checkWeak(data)
}

func (e *Experiment) check() error {
	if err := rules.ValidRuleName(e.Name); err != nil {
		return err
	}
	if err := e.CheckSettings(); err != nil {
		return err
	}
	if err := e.CheckKeys(); err != nil {
		return err
	}
	if err := e.Draws.Check(); err != nil {
		return err
	}
	if e.TTL != nil && *e.TTL < 0 {
		return fmt.Errorf("ttl: '%s' is negative; write a duration such as 10m, or 0 for no end", time.Duration(*e.TTL))
	}
	if e.TTL != nil && *e.TTL > 0 && *e.TTL < caddy.Duration(time.Millisecond) {
		return fmt.Errorf("ttl: '%s' ends at once, because a number is nanoseconds; write a duration such as \"10m\"", time.Duration(*e.TTL))
	}
	for _, point := range e.Points {
		if point == Everywhere {
			continue
		}
		if err := rules.ValidName(point); err != nil {
			return fmt.Errorf("points: %w", err)
		}
	}
	if slices.ContainsFunc(e.MatcherSetsRaw, func(set caddy.ModuleMap) bool { return len(set) == 0 }) {
		return errors.New("match: an empty set would match every request; remove it")
	}
	if len(e.MatcherSetsRaw) == 0 && len(e.Points) == 0 {
		return errors.New(`either match or points is required; use "points": ["*"] for every point that is not a transport`)
	}
	if len(e.FaultsRaw) == 0 {
		if err := rules.CheckGuest(&e.Rule); err != nil {
			return err
		}
		return errors.New(`faults: at least one fault is required, such as "faults": [{"fault": "respond", "status_code": 503}]`)
	}
	return nil
}
