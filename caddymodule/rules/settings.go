package rules

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
)

// Over is a quota: requests above so many within any stretch of time of this
// length are hit.
type Over struct {
	// How many requests are let pass within the window: 1 to 100000. Required.
	Requests int `json:"requests,omitempty"`

	// The length of the window, which slides. Required.
	Window caddy.Duration `json:"window,omitempty"`
}

// Cycle is a turn of being active and of not being so, again and again from
// start or else from load.
type Cycle struct {
	// How long of each period the rule is active, from its beginning. Required.
	On caddy.Duration `json:"on,omitempty"`

	// The length of a period. Required.
	Period caddy.Duration `json:"period,omitempty"`
}

// Bounds of the settings.
const (
	maxCount    = 1_000_000_000
	maxOver     = 100_000
	maxMaxKeys  = 1_000_000
	defaultKeys = 10_000

	// maxInstants bounds what over may remember for all keys: 80 MB.
	maxInstants = 10_000_000
)

// maxKeys is how many keys are counted at once; 0: all requests together.
func (rl *Rule) maxKeys() int {
	if rl.Per == "" {
		return 0
	}
	return valueOr(rl.MaxKeys, defaultKeys)
}

// validate checks the settings of the rule by themselves and together.
func (rl *Rule) validate() error {
	if err := ValidRuleName(rl.Name); err != nil {
		return err
	}
	if err := rl.CheckSettings(); err != nil {
		return err
	}
	if err := rl.CheckKeys(); err != nil {
		return err
	}
	if len(rl.FaultsRaw) == 0 {
		return fmt.Errorf("no fault: say what goes wrong, one of %s", strings.Join(faults.Kinds(), ", "))
	}
	return nil
}

// CheckSettings refuses settings that make no sense by themselves or beside one
// another. More may follow: a parser calls it after each line, so that the
// error is about the last one.
func (rl *Rule) CheckSettings() error {
	for _, check := range []func() error{rl.checkPercent, rl.checkReply, rl.checkCounts, rl.checkOver, rl.checkTimes, rl.checkHealthChecks} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// CheckKeys refuses max_keys without per, and keys that would remember too much,
// when no more settings follow.
func (rl *Rule) CheckKeys() error {
	if rl.MaxKeys != nil && rl.Per == "" {
		return errors.New("max_keys without per: there are no keys to bound")
	}
	if rl.Over == nil {
		return nil
	}
	if requests, keys := rl.Over.Requests, rl.maxKeys(); keys*requests > maxInstants {
		return fmt.Errorf("over %d and per with max_keys %d cannot go together: each key remembers as many requests, and all together at most %d", requests, keys, maxInstants)
	}
	return nil
}

func (rl *Rule) checkPercent() error {
	if rl.Percent == nil {
		return nil
	}
	return ValidPercent(*rl.Percent)
}

func (rl *Rule) checkReply() error {
	switch rl.Phase {
	case "", PhaseResponse:
	case PhaseRequest:
		if rl.MatchResponse != nil {
			return errors.New("phase request and match_response cannot go together: there is no reply yet")
		}
	default:
		return fmt.Errorf("bad phase '%s': want request or response", rl.Phase)
	}
	if rl.MatchResponse == nil {
		return nil
	}
	return ValidResponseMatcher(*rl.MatchResponse)
}

func (rl *Rule) checkCounts() error {
	for _, count := range []struct {
		name     string
		value    *int
		min, max int
	}{
		{"skip", rl.Skip, 0, maxCount},
		{"every", rl.Every, 1, maxCount},
		{"times", rl.Times, 1, maxCount},
		{"max_keys", rl.MaxKeys, 1, maxMaxKeys},
		{"max_active", rl.MaxActive, 1, maxCount},
	} {
		if count.value != nil && (*count.value < count.min || *count.value > count.max) {
			return fmt.Errorf("bad %s '%d': want %d to %d", count.name, *count.value, count.min, count.max)
		}
	}
	return nil
}

func (rl *Rule) checkOver() error {
	if rl.Over == nil {
		return nil
	}
	requests := rl.Over.Requests
	if requests < 1 || requests > maxOver {
		return fmt.Errorf("bad over '%d': want 1 to %d requests", requests, maxOver)
	}
	return positive("window of over", rl.Over.Window)
}

// checkTimes checks what depends on the clock.
func (rl *Rule) checkTimes() error {
	if rl.Ramp != nil {
		if err := positive("ramp", *rl.Ramp); err != nil {
			return err
		}
	}
	if rl.Cycle != nil {
		if err := rl.Cycle.check(); err != nil {
			return err
		}
	}
	return rl.checkStartAndEnd()
}

func (c *Cycle) check() error {
	if err := positive("time on of cycle", c.On); err != nil {
		return err
	}
	if err := positive("period of cycle", c.Period); err != nil {
		return err
	}
	if c.On > c.Period {
		return fmt.Errorf("bad cycle: active for '%v' of each '%v', want at most the whole period", time.Duration(c.On), time.Duration(c.Period))
	}
	return nil
}

func (rl *Rule) checkStartAndEnd() error {
	var start, end moment
	var err error
	if rl.Start != "" {
		if start, err = parseMoment("start", rl.Start); err != nil {
			return err
		}
	}
	if rl.End != "" {
		if end, err = parseMoment("end", rl.End); err != nil {
			return err
		}
	}
	if rl.Start != "" && rl.End != "" && !start.before(end) {
		return fmt.Errorf("start '%s' and end '%s' cannot go together: the rule would never be active", rl.Start, rl.End)
	}
	return nil
}

func (rl *Rule) checkHealthChecks() error {
	if rl.HealthChecks && rl.Place != faults.InTransport {
		return errors.New("health_checks has a meaning in a transport only: no health check comes by here")
	}
	return nil
}

func positive(name string, d caddy.Duration) error {
	if d <= 0 {
		return fmt.Errorf("bad %s '%v': want more than 0", name, time.Duration(d))
	}
	return nil
}

var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString

// ValidName checks a name as such. Names stand in headers, URLs and labels.
func ValidName(name string) error {
	if !validName(name) {
		return fmt.Errorf("bad name '%s': want up to 64 letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
	return nil
}

// taken are the names under which others than rules and experiments are counted,
// and who they are.
var taken = map[string]string{
	"trigger": "triggers, all of which are counted under it",
	"other":   "the metrics, for the experiments that are too many to have a name there",
}

// ValidRuleName checks the name of a rule or an experiment.
func ValidRuleName(name string) error {
	if by, is := taken[name]; is {
		return fmt.Errorf("bad name '%s': it is taken by %s", name, by)
	}
	return ValidName(name)
}

// ValidPercent checks a percentage.
func ValidPercent(p float64) error {
	if !(p >= 0 && p <= 100) { // not a number fails both
		return fmt.Errorf("bad percent '%v': want 0 to 100", p)
	}
	return nil
}

// ValidResponseMatcher refuses a matcher that would match every reply or none.
func ValidResponseMatcher(m caddyhttp.ResponseMatcher) error {
	if len(m.StatusCode) == 0 && len(m.Headers) == 0 {
		return errors.New("match_response without a status or a header")
	}
	for _, code := range m.StatusCode {
		class, final := code >= 2 && code <= 9, code >= 200 && code <= 999 || code == http.StatusSwitchingProtocols
		if !class && !final {
			return fmt.Errorf("bad match_response status '%d': want a code such as 503 or a class such as 5xx", code)
		}
	}
	return nil
}
