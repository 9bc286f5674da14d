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

// DefaultTTL is how long an experiment lives that does not say it.
const DefaultTTL = 10 * time.Minute

// Everywhere in the points of an experiment means all of them but transports.
const Everywhere = "*"

// Experiment is a rule that is added while Caddy runs. It has everything that
// a rule of a configuration has, but no files and no environment.
type Experiment struct {
	rules.Rule

	// The injection points that the experiment is for; `*` is all but transports,
	// which are named each. Default: `*`, if it has matchers; without matchers the
	// points have to be said.
	Points []string `json:"points,omitempty"`

	// How long the experiment lives; 0 is without an end. Default: 10m.
	TTL *caddy.Duration `json:"ttl,omitempty"`

	// Why it is there, for whoever finds it.
	Note string `json:"note,omitempty"`
}

// ends is when its time is over, from an instant on; zero is never.
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
	if err := strictjson.Decode(data, e); err != nil {
		return nil, err
	}
	if e.Name == "" {
		e.Name = name
	}
	if e.Name != name {
		return nil, fmt.Errorf("name: '%s' is not the '%s' of the address", e.Name, name)
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
	if slices.ContainsFunc(e.MatcherSetsRaw, func(set caddy.ModuleMap) bool { return len(set) == 0 }) {
		return errors.New("match: a set without a matcher would match everything")
	}
	if len(e.MatcherSetsRaw) == 0 && len(e.Points) == 0 {
		return errors.New(`match: without matchers the points have to be said; ["*"] is all but transports`)
	}
	if len(e.FaultsRaw) == 0 {
		return errors.New("faults: there is none: say what goes wrong")
	}
	return nil
}
