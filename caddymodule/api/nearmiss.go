package api

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyfault/caddyfault/caddymodule/experiments"
	"github.com/caddyfault/caddyfault/caddymodule/inject"
)

// breakDown adds to an error of verify where the rule has hit, and why it let matching
// requests pass. An assertion since an instant, or for one id, has no such counts. A reset
// does not change the counts of a configured rule.
func (v *verification) breakDown(no *Error, count int) {
	if v.id != "" || !v.since.IsZero() {
		return
	}
	no.Passed = make(map[string]uint64)
	since := "since Caddy started, "
	for _, rule := range v.ctl.FindRules(v.point, v.rule) {
		addCounts(no.Passed, inject.PassedCounts(rule))
	}
	if live := v.ctl.Store.Get(v.rule); live != nil {
		since = ""
		addCounts(no.Passed, inject.ExperimentPassedCounts(live))
		if no.Counts = v.hitsByPoint(live); sum(no.Counts) != count {
			no.Counts = nil // the journal has lost hits, or the counters were reset
		}
		if came, matched := live.Seen(); matched == 0 && came > 0 {
			no.Message += fmt.Sprintf("; 0 of %d requests at its points matched", came)
		}
	}
	if len(no.Passed) > 0 {
		no.Message += "; " + since + nearMisses(no.Passed)
	}
}

func addCounts(to, counts map[string]uint64) {
	for reason, n := range counts {
		if n > 0 {
			to[reason] += n
		}
	}
}

// hitsByPoint returns the hits of an experiment at each of its points, if it has several.
func (v *verification) hitsByPoint(live *experiments.Live) map[string]int {
	points := v.appliesTo(live)
	if len(points) < 2 {
		return nil
	}
	counts := make(map[string]int)
	for _, point := range points {
		counts[point], _ = v.ctl.Journal.Counter(experiments.Query{Rule: live.Name, Point: point, Since: live.Started}).Count()
	}
	return counts
}

func sum(counts map[string]int) (n int) {
	for _, count := range counts {
		n += count
	}
	return n
}

// nearMisses says how many matching requests passed, and why.
func nearMisses(passed map[string]uint64) string {
	total := uint64(0)
	reasons := slices.SortedFunc(maps.Keys(passed), func(a, b string) int {
		return cmp.Or(cmp.Compare(passed[b], passed[a]), cmp.Compare(a, b))
	})
	each := make([]string, len(reasons))
	for i, reason := range reasons {
		total += passed[reason]
		each[i] = fmt.Sprintf("%d by %s", passed[reason], reason)
	}
	return counted(int(total), "matching request") + " passed: " + strings.Join(each, ", ")
}
