package rules

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"golang.org/x/net/http/httpguts"

	"github.com/caddyfault/caddyfault/caddymodule/faults"
	"github.com/caddyfault/caddyfault/caddymodule/internal/args"
)

// Limits of the settings.
const (
	maxCount    = 1_000_000_000
	maxMaxKeys  = 1_000_000
	defaultKeys = 10_000

	// maxInstants limits the memory of over for all keys to 80 MB.
	maxInstants = 10_000_000
)

// maxKeys returns the maximum number of keys. With 0, all requests are counted
// together.
func (rl *Rule) maxKeys() int {
	if rl.Per == "" {
		return 0
	}
	return valueOr(rl.MaxKeys, defaultKeys)
}

// validate checks the settings of the rule, each of them and in combination.
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
	if rl.Observe && len(rl.FaultsRaw) > 0 {
		return errors.New("observe injects nothing, so the rule cannot have faults; remove observe or the faults")
	}
	if len(rl.FaultsRaw) == 0 && !rl.Observe {
		return fmt.Errorf(`no fault: write what goes wrong, such as "faults": [{"fault": "respond", "status_code": 503}]; the kinds are %s`, strings.Join(faults.Kinds(), ", "))
	}
	return nil
}

// CheckSettings checks the settings so far, each of them and in combination. A parser
// calls it after each line, so that an error points to the last line.
func (rl *Rule) CheckSettings() error {
	for _, check := range checks {
		if err := check(rl); err != nil {
			return err
		}
	}
	return nil
}

// checks lists all checks: first those without a gate, then those of the gates.
var checks = func() []func(*Rule) error {
	all := []func(*Rule) error{checkPercent, checkLasts, checkObserve, checkReply, checkPer, checkMaxKeys, checkHealthChecks}
	for _, g := range slices.Concat(gates[:]...) {
		if g.check != nil {
			all = append(all, g.check)
		}
	}
	return all
}()

// CheckKeys checks the settings about keys when no more settings follow. It refuses
// max_keys without per, and keys that need too much memory.
func (rl *Rule) CheckKeys() error {
	if rl.MaxKeys != nil && rl.Per == "" {
		return errors.New("max_keys requires per, such as per {http.request.header.X-User}")
	}
	if rl.Over == nil {
		return nil
	}
	if requests, keys := rl.Over.Requests, rl.maxKeys(); keys*requests > maxInstants {
		return fmt.Errorf("over %d with max_keys %d needs too much memory: their product must not exceed %d", requests, keys, maxInstants)
	}
	return nil
}

func checkReply(rl *Rule) error {
	switch rl.Phase {
	case "", PhaseResponse:
	case PhaseRequest:
		if rl.MatchResponse != nil {
			return errors.New("phase request cannot be combined with match_response: there is no reply yet; write phase response")
		}
	default:
		return fmt.Errorf("bad phase '%s': want request or response", rl.Phase)
	}
	if rl.MatchResponse == nil {
		return nil
	}
	return validResponseMatcher(*rl.MatchResponse)
}

func checkMaxKeys(rl *Rule) error { return checkCount("max_keys", rl.MaxKeys, 1, maxMaxKeys) }

func checkHealthChecks(rl *Rule) error {
	if rl.HealthChecks && rl.Place != faults.InTransport {
		return errors.New("health_checks is only allowed in a transport: health checks do not pass through a fault directive")
	}
	return nil
}

// checkCount checks an integer setting, if it is set.
func checkCount(name string, value *int, least, most int) error {
	if value != nil && (*value < least || *value > most) {
		return fmt.Errorf("bad %s '%d': want %d to %d", name, *value, least, most)
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

// ValidName checks the form of a name. Names are used in header fields, URLs and
// labels.
func ValidName(name string) error {
	if !validName(name) {
		return fmt.Errorf("bad name '%s': want up to 64 letters, digits, dots, dashes and underscores, a letter or digit first", name)
	}
	return nil
}

// taken maps reserved names to what they are reserved for.
var taken = map[string]string{
	"trigger": "triggers",
	"other":   "surplus experiments in metrics",
}

// ValidRuleName checks the name of a rule or an experiment.
func ValidRuleName(name string) error {
	if by, is := taken[name]; is {
		return fmt.Errorf("bad name '%s': it is reserved for %s", name, by)
	}
	return ValidName(name)
}

// validResponseMatcher refuses a matcher that would match every reply or no reply.
func validResponseMatcher(m caddyhttp.ResponseMatcher) error {
	if len(m.StatusCode) == 0 && len(m.Headers) == 0 {
		return errors.New("match_response requires a status or a header, such as match_response status 5xx")
	}
	for _, code := range m.StatusCode {
		class, final := code >= 2 && code <= 9, code >= 200 && code <= 999 || code == http.StatusSwitchingProtocols
		if !class && !final {
			return fmt.Errorf("bad match_response status '%s': want a code such as 503 or a class such as 5xx", args.FormatStatus(code))
		}
	}
	for field := range m.Headers {
		if !httpguts.ValidHeaderFieldName(field) {
			return fmt.Errorf("bad match_response header '%s': it is not a valid field name; write the name without a colon", field)
		}
	}
	return nil
}

func valueOr[T any](setting *T, otherwise T) T {
	if setting == nil {
		return otherwise
	}
	return *setting
}
