package clients

import (
	"fmt"
	"testing"
	"time"
)

// TestMerge holds that the attempts of a call are joined, whichever node they reached.
func TestMerge(t *testing.T) {
	one, two := newWorld(Settings{}), newWorld(Settings{})
	nodes := []*world{one, two}
	for call := range 4 {
		q := request("POST", "/orders", "Idempotency-Key", fmt.Sprint(call))
		for attempt := range 4 {
			for _, w := range nodes {
				w.wait(500 * time.Millisecond)
			}
			nodes[attempt%2].busy(q, 503, 2)
		}
		for _, w := range nodes {
			w.wait(20 * time.Minute)
		}
	}
	alone := Judge(one.Evidence(), Settings{})
	check(t, "attempts on one node", *alone.Clients[0].AttemptsPerCall, 2)
	merged := Merge(one.Evidence(), two.Evidence())
	check(t, "calls", len(merged.Calls), 4)
	report := Judge(merged, Settings{})
	check(t, "attempts on both", *report.Clients[0].AttemptsPerCall, 4)
	check(t, "finding", finding(report, RetryAfterIgnored).Count, 4)
	check(t, "wait", report.Clients[0].Waits.RetryAfter.P50, 0.5)
	check(t, "periods", len(report.Periods), 4)
}

// TestMergeBetween holds that an attempt at one node, between two at the other, belongs to
// their call. The node of the last attempt knows how the call ended, whichever began.
func TestMergeBetween(t *testing.T) {
	for _, test := range []struct {
		name string
		last func(w *world, q *Request)
		want Outcome
	}{
		{"recovered", func(w *world, q *Request) { w.pass(q, 200) }, Recovered},
		{"failed", func(w *world, q *Request) { w.busy(q, 503, -1) }, Open},
	} {
		one, two := newWorld(Settings{}), newWorld(Settings{})
		q := request("POST", "/orders", "Idempotency-Key", "o-1")
		one.busy(q, 503, -1)
		passTime(time.Second, one, two)
		two.busy(q, 503, -1)
		passTime(time.Second, one, two)
		test.last(one, q)
		merged := Merge(one.Evidence(), two.Evidence())
		if len(merged.Calls) != 1 {
			t.Errorf("%s: got %d calls, want 1", test.name, len(merged.Calls))
			continue
		}
		check(t, test.name+": attempts", merged.Calls[0].Count, 3)
		check(t, test.name+": outcome", merged.Calls[0].Outcome, test.want)

		passTime(20*time.Minute, one, two) // the other node's part is given up
		merged = Merge(two.Evidence(), one.Evidence())
		if test.want == Recovered {
			check(t, "recovered: outcome later", merged.Calls[0].Outcome, Recovered)
		} else {
			check(t, "failed: outcome later", merged.Calls[0].Outcome, Unseen)
		}
	}
}

// TestMergeReuse holds that a key which is used again after a success is another call.
func TestMergeReuse(t *testing.T) {
	one, two := newWorld(Settings{}), newWorld(Settings{})
	q := request("POST", "/orders", "Idempotency-Key", "o-1")
	one.busy(q, 503, -1)
	passTime(time.Second, one, two)
	one.pass(q, 200)
	passTime(time.Second, one, two)
	two.busy(q, 503, -1)
	check(t, "calls", len(Merge(one.Evidence(), two.Evidence()).Calls), 2)
}

// passTime moves the clocks of several nodes.
func passTime(d time.Duration, nodes ...*world) {
	for _, w := range nodes {
		w.wait(d)
	}
}

// TestMergeUnseen holds that a call on one of two nodes is not said to be given up, since
// the other node may have answered it.
func TestMergeUnseen(t *testing.T) {
	one, two := newWorld(Settings{}), newWorld(Settings{})
	for i := range 3 {
		one.busy(get("/", "Idempotency-Key", fmt.Sprint(i)), 503, -1)
	}
	one.wait(20 * time.Minute)
	alone := one.judge()
	check(t, "gave up, on one node", alone.Clients[0].Outcomes.GaveUp, 3)
	check(t, "no_retry on one node", finding(alone, NoRetry) != nil, true)
	report := Judge(Merge(one.Evidence(), two.Evidence()), Settings{})
	check(t, "gave up", report.Clients[0].Outcomes.GaveUp, 0)
	check(t, "unseen", report.Clients[0].Outcomes.Unseen, 3)
	check(t, "no_retry", finding(report, NoRetry) == nil, true)
	check(t, "why", why(report, NoRetry), "needs 3 calls, has 0")
}

// TestMergeGuesses holds that calls without a name are not joined.
func TestMergeGuesses(t *testing.T) {
	one, two := newWorld(Settings{}), newWorld(Settings{})
	one.busy(get("/"), 503, -1)
	two.busy(get("/"), 503, -1)
	merged := Merge(one.Evidence(), two.Evidence())
	check(t, "calls", len(merged.Calls), 2)
	check(t, "clients", len(merged.Clients), 1)
}

// TestMergeOne holds that the evidence of one node stays as it is.
func TestMergeOne(t *testing.T) {
	w := newWorld(Settings{})
	q := get("/", "Idempotency-Key", "a")
	for range 3 { // the same key again, after the window
		w.busy(q, 503, -1)
		w.wait(2 * time.Minute)
	}
	check(t, "calls", len(Merge(w.Evidence()).Calls), 3)
	check(t, "nothing", len(Merge().Calls), 0)
}

// TestMergeStorm holds what is kept of long parts.
func TestMergeStorm(t *testing.T) {
	one, two := newWorld(Settings{}), newWorld(Settings{})
	q := get("/", "Idempotency-Key", "a")
	for i := range 40 {
		one.wait(time.Second)
		two.wait(time.Second)
		[]*world{one, two}[i%2].busy(q, 503, -1)
	}
	c := Merge(one.Evidence(), two.Evidence()).Calls[0]
	check(t, "count", c.Count, 40)
	check(t, "kept", len(c.Attempts), keepAll)
	check(t, "last", c.Attempts[keepAll-1].N, 40)
}

// TestMergePeriods holds that periods of a rule on several nodes are one.
func TestMergePeriods(t *testing.T) {
	node := func(end time.Duration, steps ...Step) Evidence {
		return Evidence{Periods: []Period{{
			Point: "api", Rule: "busy", Start: epoch, End: epoch.Add(end), Baseline: 60, BaselineSeconds: 60, Requests: 5, Complete: true, After: steps,
			Clients: []Recovery{{Client: "a", At: epoch.Add(end)}},
		}}}
	}
	merged := Merge(
		node(10*time.Second, Step{At: 7, Requests: 6, Clients: 3}),
		node(10200*time.Millisecond, Step{At: 5, Requests: 7, Clients: 4}, Step{At: 99, Requests: 1, Clients: 1}),
	)
	if len(merged.Periods) != 1 {
		t.Fatalf("got %d periods, want 1", len(merged.Periods))
	}
	p := merged.Periods[0]
	check(t, "after", fmt.Sprint(p.After), "[{5 7 13} {99 1 1}]")
	check(t, "baseline", p.Baseline, 120)
	check(t, "requests", p.Requests, 10)
	check(t, "clients", len(p.Clients), 1)
	check(t, "end", p.End.Sub(epoch), 10200*time.Millisecond)
}
