package faulttest

import (
	"slices"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
	"github.com/caddyfault/caddyfault/caddymodule/experiments"
)

// Hit is a request that a fault has hit.
type Hit = experiments.Entry

// Report says what clients did after faults.
type Report = clients.Report

// Journal returns the hits at the point, oldest first. If a request has not ended, Journal
// waits up to two seconds for it.
func (p *Point) Journal(t testing.TB) []Hit {
	t.Helper()
	var hits []Hit
	p.within(func() bool {
		hits = slices.Collect(p.ctl.Journal.Entries(experiments.Query{}))
		return !slices.ContainsFunc(hits, func(h Hit) bool { return !h.Done })
	})
	return hits
}

// Assertion is what [Point.Clients] expects.
type Assertion func(*clients.Assertion)

// NoFindings expects that nothing is wrong with what clients did. Findings whose names
// are given do not count. Without any evidence the assertion fails.
func NoFindings(except ...string) Assertion {
	return func(a *clients.Assertion) {
		a.FailOn, a.Allow = append(a.FailOn, string(clients.Info)), append(a.Allow, except...)
	}
}

// NoFinding expects that none of the findings is made, such as "retry_after_ignored", and
// that there is enough evidence to decide.
func NoFinding(names ...string) Assertion {
	return func(a *clients.Assertion) { a.FailOn = append(a.FailOn, names...) }
}

// Recovered expects a call that succeeded after a retry.
func Recovered() Assertion { return func(a *clients.Assertion) { a.Retry = true } }

// MinCalls expects that at least n calls were hit.
func MinCalls(n int) Assertion { return func(a *clients.Assertion) { a.MinCalls = n } }

// Clients asserts what clients did after the faults of the point, and returns a report.
// It waits up to two seconds until all assertions hold.
func (p *Point) Clients(t testing.TB, want ...Assertion) Report {
	t.Helper()
	var all clients.Assertion
	for _, add := range want {
		add(&all)
	}
	if err := all.Validate(); err != nil {
		t.Fatalf("faulttest: %v", err)
	}
	var report Report
	why := ""
	p.within(func() (ok bool) {
		report = p.ctl.Clients.Judge(clients.Filter{})
		if len(want) == 0 {
			return true
		}
		ok, why = all.Check(&report)
		return ok
	})
	if why != "" {
		t.Errorf("faulttest: %s", why)
	}
	return report
}

// within repeats a check until it succeeds, but only for a time.
func (p *Point) within(check func() bool) {
	for deadline := time.Now().Add(patience); !check() && time.Now().Before(deadline); {
		time.Sleep(2 * time.Millisecond)
	}
}
