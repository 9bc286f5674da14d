package clients

import (
	"fmt"
	"slices"
	"strings"
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
			return fmt.Errorf("fail_on: '%s' is not a level (error, warning, info) or a finding (%s)", name, strings.Join(Names(), ", "))
		}
	}
	for _, name := range a.Allow {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("allow: '%s' is not a finding (%s)", name, strings.Join(Names(), ", "))
		}
	}
	if a.MinCalls < 0 {
		return fmt.Errorf("min_calls: %d is not a count, such as 20", a.MinCalls)
	}
	return nil
}

func isLevel(name string) bool {
	return name == string(Error) || name == string(Warning) || name == string(Info)
}

// Check reports whether a report satisfies the assertion, and why not. It sets Enough
// of the report. Too little evidence does not satisfy an assertion, and neither does a
// finding that is named and undecided for all clients.
func (a *Assertion) Check(r *Report) (ok bool, why string) {
	least := max(a.MinCalls, 1)
	if r.Enough = r.Calls >= least; !r.Enough {
		return false, fmt.Sprintf("saw %s, needs %d", plural(r.Calls, "call"), least)
	}
	if who, f := a.fails(r); f != nil {
		return false, fmt.Sprintf("%s: %s %s: %s", who, f.Level, f.Finding, f.Text)
	}
	for _, name := range a.FailOn {
		if !isLevel(name) && !slices.Contains(a.Allow, name) && !r.decided(name) {
			r.Enough = false
			return false, name + " is undecided for all clients"
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
		f := &findings[i]
		if slices.Contains(a.Allow, f.Finding) {
			continue
		}
		for _, name := range a.FailOn {
			if name == f.Finding || isLevel(name) && f.Level.rank() >= Level(name).rank() {
				return f
			}
		}
	}
	return nil
}

// decided reports whether a finding is decided for a client or a period.
func (r *Report) decided(name string) bool {
	is := func(u Undecided) bool { return u.Finding == name }
	if name == Wave || name == SlowRecovery {
		return slices.ContainsFunc(r.Periods, func(p PeriodReport) bool { return !slices.ContainsFunc(p.Undecided, is) })
	}
	return slices.ContainsFunc(r.Clients, func(c ClientReport) bool { return !slices.ContainsFunc(c.Undecided, is) })
}

// retried reports whether a call succeeded after a retry.
func (r *Report) retried() bool {
	return slices.ContainsFunc(r.Clients, func(c ClientReport) bool { return c.Retried > 0 })
}
