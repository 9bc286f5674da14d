package clients

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/internal/words"
)

// Assertion is what a report must satisfy.
type Assertion struct {
	// FailOn is a level or names of findings. A finding of this level or a worse one does
	// not satisfy the assertion. Empty means that no finding is looked at.
	FailOn []string

	Allow []string // findings that FailOn ignores

	// Retry asks for a call that succeeded after a retry.
	Retry bool

	// MinCalls is the least evidence. 0 means 1.
	MinCalls int
}

// Validate returns an error if the assertion names something that does not exist.
func (a *Assertion) Validate() error {
	for _, name := range a.FailOn {
		if !slices.Contains(Names(), name) && !isLevel(name) {
			return fmt.Errorf("fail_on: '%s' is not a level or a finding: %s", name, nearest(name, append([]string{string(Error), string(Warning), string(Info)}, Names()...)))
		}
	}
	for _, name := range a.Allow {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("allow: '%s' is not a finding: %s", name, nearest(name, Names()))
		}
	}
	if a.MinCalls < 0 {
		return fmt.Errorf("min_calls: %d is not a count, such as 20", a.MinCalls)
	}
	return nil
}

// nearest suggests the known names that are nearest to a name, or lists all.
func nearest(name string, known []string) string {
	if advice := words.Suggest(words.Near(name, known)); advice != "" {
		return advice
	}
	return "want one of " + strings.Join(known, ", ")
}

func isLevel(name string) bool {
	return name == string(Error) || name == string(Warning) || name == string(Info)
}

// Check reports whether a report satisfies the assertion, and why not. It sets Enough
// of the report. Too little evidence does not satisfy an assertion. A finding that is
// named must be decided for a client or a period, and so must one of a level that is.
func (a *Assertion) Check(r *Report) (ok bool, why string) {
	least := max(a.MinCalls, 1)
	if r.Enough = r.Calls >= least; !r.Enough {
		return false, fmt.Sprintf("saw %s, needs %d", plural(r.Calls, "call"), least)
	}
	if who, f := a.fails(r); f != nil {
		return false, fmt.Sprintf("%s: %s %s: %s", who, f.Level, f.Finding, f.Text)
	}
	for _, name := range a.FailOn {
		if why := a.missing(r, name); why != "" {
			r.Enough = false
			return false, why
		}
	}
	if a.Retry && !r.retried() {
		return false, "no call succeeded after a retry"
	}
	return true, ""
}

// fails returns the first finding that does not satisfy the assertion, and whose it is.
func (a *Assertion) fails(r *Report) (who string, found *Finding) {
	for i := range r.Clients {
		if f := a.first(r.Clients[i].Findings); f != nil {
			return r.Clients[i].Client, f
		}
	}
	for i := range r.Periods {
		if f := a.first(r.Periods[i].Findings); f != nil {
			return r.Periods[i].Rule, f
		}
	}
	return "", nil
}

func (a *Assertion) first(findings []Finding) *Finding {
	for i := range findings {
		if a.Refuses(&findings[i]) {
			return &findings[i]
		}
	}
	return nil
}

// Refuses reports whether a finding does not satisfy the assertion.
func (a *Assertion) Refuses(f *Finding) bool {
	if slices.Contains(a.Allow, f.Finding) {
		return false
	}
	return slices.ContainsFunc(a.FailOn, func(name string) bool {
		return name == f.Finding || isLevel(name) && f.Level.rank() >= Level(name).rank()
	})
}

// worst are the findings that may be worse than [Info], with their worst level.
var worst = map[string]Level{
	RetryAfterIgnored: Error, NoWait: Error, UnsafeRetry: Error, ManyAttempts: Error, Amplification: Error,
	NoGrowth: Warning, NoJitter: Warning, PointlessRetry: Warning, NoTimeout: Warning, Wave: Warning, SlowRecovery: Warning,
}

// missing says which evidence is missing for a level or a finding that the assertion
// names, if nothing about it is decided.
func (a *Assertion) missing(r *Report, failOn string) string {
	names := []string{failOn}
	if isLevel(failOn) {
		names = slices.DeleteFunc(Names(), func(name string) bool { return worst[name].rank() < Level(failOn).rank() })
	}
	var reasons []string
	for _, name := range names {
		if slices.Contains(a.Allow, name) {
			continue
		}
		decided, why := r.decided(name)
		if decided {
			return ""
		}
		reasons = append(reasons, why)
	}
	switch {
	case len(reasons) == 0:
		return ""
	case isLevel(failOn):
		return fmt.Sprintf("no finding of level %s is decided; for example, %s", failOn, reasons[0])
	default:
		return reasons[0]
	}
}

// decided reports whether a finding is decided for a client or a period. If it is not,
// why says what is missing.
func (r *Report) decided(name string) (decided bool, why string) {
	of, missing := "clients", []string(nil)
	look := func(who string, undecided []Undecided) {
		i := slices.IndexFunc(undecided, func(u Undecided) bool { return u.Finding == name })
		if i < 0 {
			decided = true
			return
		}
		missing = append(missing, who+": "+undecided[i].Why)
	}
	if name == Wave || name == SlowRecovery {
		of = "fault periods"
		for i := range r.Periods {
			look(r.Periods[i].Rule, r.Periods[i].Undecided)
		}
	} else {
		for i := range r.Clients {
			look(r.Clients[i].Client, r.Clients[i].Undecided)
		}
	}
	if len(missing) == 0 {
		return decided, fmt.Sprintf("%s is undecided: no %s", name, of)
	}
	text := strings.Join(missing[:min(len(missing), maxProofs)], "; ")
	if more := len(missing) - maxProofs; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return decided, fmt.Sprintf("%s is undecided for all %s: %s", name, of, text)
}

// retried reports whether a call succeeded after a retry.
func (r *Report) retried() bool {
	return slices.ContainsFunc(r.Clients, func(c ClientReport) bool { return c.Retried > 0 })
}
