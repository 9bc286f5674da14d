package clients

import (
	"fmt"
	"testing"
	"time"
)

func periodVerdict(p PeriodReport, name string) string {
	for _, f := range p.Findings {
		if f.Finding == name {
			return string(f.Level)
		}
	}
	for _, u := range p.Undecided {
		if u.Finding == name {
			return u.Why
		}
	}
	return "fine"
}

// TestWave holds when a wave is found.
func TestWave(t *testing.T) {
	hit := []Recovery{{Client: "a"}, {Client: "b"}, {Client: "c"}, {Client: "d"}, {Client: "e"}}
	base := Period{
		Start: epoch, End: epoch.Add(time.Minute), Baseline: 1200, BaselineSeconds: 60, Complete: true, Clients: hit,
		After: []Step{{At: 3, Requests: 2, Clients: 2}, {At: 4, Requests: 10, Clients: 5}},
	}
	for name, test := range map[string]struct {
		change func(p *Period)
		want   string
	}{
		"a wave":       {func(*Period) {}, "warning"},
		"few requests": {func(p *Period) { p.After = []Step{{At: 4, Requests: 9, Clients: 5}} }, "fine"},
		"few clients":  {func(p *Period) { p.After = []Step{{At: 4, Requests: 99, Clients: 4}} }, "fine"},
		"a high rate":  {func(p *Period) { p.Baseline = 1600 }, "fine"},
		"spread out": {func(p *Period) {
			p.After = append(p.After, Step{At: 5, Requests: 10, Clients: 5}, Step{At: 6, Requests: 10, Clients: 5})
		}, "fine"},
		"it continues":     {func(p *Period) { p.End = time.Time{} }, "the fault continues"},
		"no baseline":      {func(p *Period) { p.BaselineSeconds = 9 }, "no baseline"},
		"few clients hit":  {func(p *Period) { p.Clients = hit[:4] }, "needs 5 clients, has 4"},
		"too early":        {func(p *Period) { p.After, p.Complete = nil, false }, "the ten seconds after the fault have not passed"},
		"early, but there": {func(p *Period) { p.Complete = false }, "warning"},
	} {
		t.Run(name, func(t *testing.T) {
			p := base
			p.After = append([]Step(nil), base.After...)
			test.change(&p)
			report := Judge(Evidence{Periods: []Period{p}}, Settings{}).Periods[0]
			check(t, "verdict", periodVerdict(report, Wave), test.want)
		})
	}
}

// TestPeriods holds how periods are recorded.
func TestPeriods(t *testing.T) {
	w := newWorld(Settings{})
	w.Watch(time.Hour)
	requests := make([]*Request, 6)
	for c := range requests {
		requests[c] = get("/")
		requests[c].Client = fmt.Sprint("client ", c)
	}
	for range 600 { // 10 a second
		w.pass(requests[0], 200)
		w.wait(100 * time.Millisecond)
	}
	for range 200 { // 20 a second
		for _, q := range requests[:2] {
			w.busy(q, 503, -1)
		}
		w.wait(100 * time.Millisecond)
	}
	w.busy(requests[5], 503, -1)
	end := w.at
	w.point.End("busy")
	w.wait(500 * time.Millisecond)
	w.pass(requests[0], 200)
	w.wait(40 * time.Second)
	w.pass(requests[1], 200)
	p := w.judge().Periods[0]
	check(t, "rule", p.Rule, "busy")
	check(t, "end", p.End.UnixNano(), end.UnixNano())
	check(t, "baseline", *p.BaselineRate, 10)
	check(t, "fault", *p.FaultRate, 20)
	check(t, "ratio", *p.LoadRatio, 2)
	check(t, "peak", p.PeakAfter, 10)
	check(t, "recovered", p.Recovery.Count, 2)
	check(t, "slowest", p.Recovery.Max, 40.5)
	check(t, "waiting", p.Waiting, 1)
	check(t, "slow_recovery", periodVerdict(p, SlowRecovery), "warning")
	check(t, "wave", periodVerdict(p, Wave), "needs 5 clients, has 3")
}

// TestPeriodEnds holds when a period ends that nobody ends.
func TestPeriodEnds(t *testing.T) {
	w := newWorld(Settings{})
	w.busy(get("/"), 503, -1)
	last := w.at
	check(t, "at once", w.judge().Periods[0].End.IsZero(), true)
	check(t, "slow_recovery", periodVerdict(w.judge().Periods[0], SlowRecovery), "the fault continues")
	w.wait(9 * time.Second)
	check(t, "nine seconds without a hit", w.judge().Periods[0].End.IsZero(), true)
	w.wait(time.Second)
	check(t, "ten seconds without a hit", w.judge().Periods[0].End.UnixNano(), last.UnixNano())
	check(t, "slow_recovery", periodVerdict(w.judge().Periods[0], SlowRecovery), "no client that was hit has succeeded since")
	check(t, "wave", periodVerdict(w.judge().Periods[0], Wave), "no baseline")
	w.wait(time.Hour)
	w.busy(get("/"), 503, -1)
	check(t, "periods", len(w.judge().Periods), 2)
	w.point.End("")
	w.busy(get("/"), 503, -1)
	check(t, "periods after another end", len(w.judge().Periods), 3)
}

// TestPeriodOfSlowRequests holds that a fault continues while it hits requests that have
// come long before, such as on the reply of a slow upstream.
func TestPeriodOfSlowRequests(t *testing.T) {
	w := newWorld(Settings{})
	w.busy(get("/"), 503, -1)
	slow := make([]Visit, 3)
	for i := range slow {
		slow[i] = w.point.Arrive(get("/"))
		w.wait(time.Second)
	}
	w.wait(6 * time.Second)
	w.busy(get("/"), 503, -1)
	for _, v := range slow {
		w.wait(5 * time.Second)
		w.point.Hit(v, get("/"), "busy", 1).End(replied(503, -1))
	}
	last := w.at
	check(t, "periods", len(w.judge().Periods), 1)
	check(t, "after the last hit", w.judge().Periods[0].End.IsZero(), true)
	w.wait(10 * time.Second)
	check(t, "ten seconds without a hit", w.judge().Periods[0].End.UnixNano(), last.UnixNano())
}

// TestPeriodsOfManyRules holds that many rules at a time do not end the periods of one
// another, and that a period which has ended makes room.
func TestPeriodsOfManyRules(t *testing.T) {
	w := newWorld(Settings{})
	hit := func(rule int) {
		q := get("/")
		q.Client = fmt.Sprint("client ", rule)
		w.point.Hit(w.point.Arrive(q), q, fmt.Sprint("rule ", rule), 1).End(replied(503, -1))
		w.wait(100 * time.Millisecond)
	}
	for range 10 {
		for rule := range maxCurrent + 3 {
			hit(rule)
		}
	}
	check(t, "periods", len(w.Evidence().Periods), maxCurrent)
	check(t, "attempts of all rules", w.judge().Calls, maxCurrent+3)
	w.point.End("rule 2")
	hit(maxCurrent)
	ev := w.Evidence()
	check(t, "periods, one in place of another", len(ev.Periods), maxCurrent+1)
	for _, p := range ev.Periods {
		check(t, p.Rule+" has ended", !p.End.IsZero(), p.Rule == "rule 2")
		check(t, p.Rule+" is complete", p.Complete, false)
	}
}
