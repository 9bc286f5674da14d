package plan

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// watchPlan runs a plan that somebody watches, and returns what was shown.
func watchPlan(t *testing.T, lines string, setUp func(w *world)) (shown []Progress, w *world) {
	t.Helper()
	w, _ = play(t, lines, 1, func(w *world, _ context.CancelCauseFunc) {
		w.show = func(p Progress) { w.change(func() { shown = append(shown, p) }) }
		if setUp != nil {
			setUp(w)
		}
	})
	return shown, w
}

// ignored is what a client has done that ignores Retry-After.
func ignored(at time.Time) clients.Evidence {
	return clients.Evidence{Calls: []clients.Call{aCall("1", at, 100*time.Millisecond, clients.Recovered, 2)}}
}

// parts lists the parts that were shown, each once.
func parts(shown []Progress) []string {
	names := make([]string, len(shown))
	for i := range shown {
		names[i] = shown[i].Part
	}
	return slices.Compact(names)
}

// lastOf returns what was shown last of a part.
func lastOf(shown []Progress, part string) (p Progress) {
	for _, one := range shown {
		if one.Part == part {
			p = one
		}
	}
	return p
}

// Somebody who watches sees all parts of a plan with their ends, the hits, the checks and
// the worst finding.
func TestProgress(t *testing.T) {
	shown, _ := watchPlan(t, `
		check up http http://x/
		check users seen api success >= 97%
		baseline 10s
		stage slow 60s {
			fault x {
				point api
				respond 503
			}
			off users
		}
		stage back 5s {
			recover
		}
		after clean 1s 0`, func(w *world) {
		n := w.nodes[0]
		w.at(30*time.Second, func() {
			n.counts["test.slow.x"] = 7
			n.evidence = ignored(time.Now())
		})
	})
	want := []string{"baseline", "stage slow", "end of stage slow", "stage back", "end of stage back", "end of the plan", ""}
	if got := parts(shown); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	slow := lastOf(shown, "stage slow")
	if took := slow.Ends.Sub(slow.Began); took != time.Minute || !slow.Faults || slow.Hits != 7 || slow.Worst != "error retry_after_ignored of app/1" {
		t.Errorf("got %+v", slow)
	}
	if len(slow.Checks) != 1 || slow.Checks[0] != (CheckProgress{"up", true, false}) {
		t.Errorf("the checks are %+v", slow.Checks)
	}
	if back := lastOf(shown, "stage back"); back.Faults || back.Hits != 0 || len(back.Checks) != 2 {
		t.Errorf("a stage without faults: %+v", back)
	}
	if first := shown[0]; first.Part != "baseline" || !first.Ends.IsZero() || first.Checks[0].Holds || first.Checks[0].Fails {
		t.Errorf("at first: %+v", first)
	}
	if base := lastOf(shown, "baseline"); base.Ends.Sub(base.Began) != 10*time.Second || !base.Checks[0].Holds {
		t.Errorf("a baseline that holds: %+v", base)
	}
	if last := shown[len(shown)-1]; last.Part != "" || len(last.Checks) > 0 {
		t.Errorf("at the end: %+v", last)
	}
}

// Nodes that do not answer neither end a plan nor delay it, and nobody is asked for what
// nobody watches.
func TestProgressWithoutAnswers(t *testing.T) {
	const lines = `
		stage slow 60s {
			fault x {
				point api
				respond 503
			}
		}`
	asks := func(w *world) (counts, calls int) {
		for _, op := range w.nodes[0].asked {
			switch op {
			case "count":
				counts++
			case "calls":
				calls++
			}
		}
		return counts, calls
	}
	shown, w := watchPlan(t, lines, func(w *world) {
		w.nodes[0].fail = func(op string) error {
			if op == "count" || op == "calls" {
				return errors.New("no answer")
			}
			return nil
		}
	})
	if slow := lastOf(shown, "stage slow"); slow.Hits != 0 || slow.Worst != "" || slow.Ends.Sub(slow.Began) != time.Minute {
		t.Errorf("got %+v", slow)
	}
	if counts, calls := asks(w); counts < 55 || counts > 62 || calls < 12 || calls > 14 {
		t.Errorf("%d questions for hits and %d for calls in a minute", counts, calls)
	}
	w, _ = play(t, lines, 1, nil)
	if counts, calls := asks(w); counts > 1 || calls > 1 {
		t.Errorf("nobody watches: %d questions for hits and %d for calls", counts, calls)
	}
}

// The worst finding has the highest level, whoever has it.
func TestWorst(t *testing.T) {
	w := newWorld(1)
	r := w.runner(&Plan{})
	now := time.Now()
	w.nodes[0].evidence = ignored(now)
	if got := r.worst(t.Context(), now.Add(-time.Hour)); !strings.HasPrefix(got, string(clients.Error)+" ") {
		t.Errorf("got %q", got)
	}
	if got := r.worst(t.Context(), time.Time{}); got != "" {
		t.Errorf("nothing was injected: got %q", got)
	}
	w.nodes[0].fail = func(string) error { return errors.New("no answer") }
	if got := r.worst(t.Context(), now.Add(-time.Hour)); got != "" {
		t.Errorf("no answer: got %q", got)
	}
}

// The line counts what all nodes have hit, and follows the end of a stage: until a check
// holds, then while open calls may close.
func TestProgressOfEndings(t *testing.T) {
	shown, _ := watchPlan(t, `
		settle 4s
		run load 1h 0
		check up http http://x/
		stage a 60s {
			fault x {
				point api
				respond 503
			}
			until up within 20s
			expect no error
		}`, func(w *world) { w.site = func() (int, string) { return 500, "" } })
	if a := lastOf(shown, "stage a"); a.Ends.Sub(a.Began) != 20*time.Second || !a.Checks[0].Fails {
		t.Errorf("until: got %+v", a)
	}
	if end := lastOf(shown, "end of stage a"); end.Ends.Sub(end.Began) != 4*time.Second || end.Faults {
		t.Errorf("settle: got %+v", end)
	}
}

// Hits of several nodes are added up.
func TestProgressOfNodes(t *testing.T) {
	var shown []Progress
	play(t, seven, 2, func(w *world, _ context.CancelCauseFunc) {
		w.show = func(p Progress) { w.change(func() { shown = append(shown, p) }) }
		w.nodes[0].counts["test.a.down"], w.nodes[1].counts["test.a.down"] = 3, 4
	})
	if a := lastOf(shown, "stage a"); a.Hits != 7 || !a.Faults {
		t.Errorf("got %+v", a)
	}
	if len(shown) < 7 {
		t.Errorf("shown %d times in 7 s", len(shown))
	}
}

// The first finding of the highest level is the worst.
func TestWorstOf(t *testing.T) {
	finding := func(level clients.Level, name string) []clients.Finding {
		return []clients.Finding{{Level: level, Finding: name}}
	}
	info, warning := finding(clients.Info, "first_retry_at_once"), finding(clients.Warning, "no_jitter")
	of := func(client string, findings []clients.Finding) clients.ClientReport {
		return clients.ClientReport{Client: client, Findings: findings}
	}
	wave := []clients.PeriodReport{{Point: "api", Findings: finding(clients.Error, "wave")}}
	for _, tt := range []struct {
		report clients.Report
		want   string
	}{
		{clients.Report{}, ""},
		{clients.Report{Clients: []clients.ClientReport{of("a", nil)}}, ""},
		{clients.Report{Clients: []clients.ClientReport{of("a", info)}}, "info first_retry_at_once of a"},
		{clients.Report{Clients: []clients.ClientReport{of("a", info), of("b", warning), of("c", warning)}}, "warning no_jitter of b"},
		{clients.Report{Clients: []clients.ClientReport{of("b", warning)}, Periods: wave}, "error wave at api"},
	} {
		if got := worstOf(tt.report); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
