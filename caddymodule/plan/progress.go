package plan

import (
	"context"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// Progress is what a plan does at the moment, for people who watch it.
type Progress struct {
	Part  string // such as `stage slow`; empty: nothing to watch
	Began time.Time
	Ends  time.Time // zero if the part lasts as long as its commands

	Faults bool // the part has faults
	Hits   int  // of these faults
	Checks []CheckProgress
	Worst  string // the worst finding on clients
}

// CheckProgress is a check that is asked.
type CheckProgress struct {
	Name         string
	Holds, Fails bool // neither: it has not answered
}

// How often nodes are asked for hits and for findings, if somebody watches.
const (
	hitsEvery      = time.Second
	findingsEvery  = 5 * time.Second
	progressWithin = 5 * time.Second // how long nodes may take to answer
)

// part begins a part of the plan that people can watch.
func (u *run) part(name string, lasts Duration) {
	u.now = Progress{Part: name, Began: time.Now()}
	if lasts > 0 {
		u.now.Ends = u.now.Began.Add(time.Duration(lasts))
	}
	u.show()
}

// show shows the progress of the plan.
func (u *run) show() {
	if u.Show == nil {
		return
	}
	p := u.now
	for _, w := range u.checks {
		if p.Part != "" && !w.off.Load() {
			p.Checks = append(p.Checks, CheckProgress{w.Name, w.holds, w.fails()})
		}
	}
	u.Show(p)
}

// follow asks the nodes for hits and findings until the context ends.
func (u *run) follow(ctx context.Context) {
	var asked time.Time // for findings
	for sleep(ctx, hitsEvery) {
		q := u.question()
		within, done := context.WithTimeout(ctx, progressWithin)
		hits := 0
		for _, name := range q.experiments {
			n, _ := u.count(within, name) // without an answer, there is nothing to show
			hits += n
		}
		worst, now := q.worst, time.Now()
		if now.Sub(asked) >= findingsEvery {
			asked, worst = now, u.worst(within, q.injected)
		}
		done()
		u.tell(func() {
			if u.now.Began.Equal(q.began) {
				u.now.Hits, u.now.Worst = hits, worst
				u.show()
			}
		})
	}
}

// question is what the nodes are asked about.
type question struct {
	began       time.Time // of the part
	experiments []string
	injected    time.Time
	worst       string
}

// question returns the next question.
func (u *run) question() question {
	next := make(chan question, 1)
	u.tell(func() {
		q := question{began: u.now.Began, injected: u.injected, worst: u.now.Worst}
		if u.now.Faults {
			for _, f := range u.stage.Faults {
				q.experiments = append(q.experiments, f.Experiment)
			}
		}
		next <- q
	})
	select {
	case q := <-next:
		return q
	case <-u.done:
		return question{}
	}
}

// worst returns the worst finding on clients since faults were injected.
func (r *Runner) worst(ctx context.Context, injected time.Time) string {
	evidence, settings, err := r.calls(ctx, injected)
	if err != nil {
		return ""
	}
	return worstOf(clients.Judge(*evidence, settings))
}

// worstOf returns the first finding of the highest level.
func worstOf(report clients.Report) (text string) {
	for _, level := range []clients.Level{clients.Error, clients.Warning, clients.Info} {
		look := func(who string, findings []clients.Finding) {
			for i := range findings {
				if f := &findings[i]; f.Level == level && text == "" {
					text = string(level) + " " + f.Finding + " " + who
				}
			}
		}
		for i := range report.Clients {
			look("of "+report.Clients[i].Client, report.Clients[i].Findings)
		}
		for i := range report.Periods {
			look("at "+report.Periods[i].Point, report.Periods[i].Findings)
		}
	}
	return text
}
