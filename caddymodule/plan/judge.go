package plan

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyfault/caddyfault/caddymodule/clients"
)

// judge ends a stage, and checks what came out of it.
func (u *run) judge(ctx context.Context, s *Stage, result *StageResult, before map[string]int, untilHeld bool) *ending {
	u.part("end of stage "+s.Name, 0)
	u.stop(result)
	if end := u.endFaults(ctx, u.Plan.endsWith(s)); end != nil {
		u.facts(ctx, result, false)
		return end
	}
	nobody := !u.running(nil) && len(s.Runs)+len(u.Plan.Runs) > 0
	if s.asksForCalls() && !nobody {
		u.part("end of stage "+s.Name, u.Plan.Settle)
		if end := u.wait(ctx, time.Now().Add(time.Duration(u.Plan.Settle)), never); end != nil {
			u.facts(ctx, result, nobody)
			return end
		}
	}
	u.askAgain(ctx, s)
	if s.Until != nil && s.Until.Within > 0 {
		u.expected("until "+s.Until.Check, untilHeld, "did not hold within "+s.Until.Within.String())
	}
	if s.Recover {
		u.recovered(result)
	}
	for _, r := range result.Runs {
		u.expected("run "+r.Name, !r.failed(), fmt.Sprintf("exit code %d", r.Code))
	}
	evidence := u.facts(ctx, result, nobody)
	for _, e := range s.Expects {
		result.Expects = append(result.Expects, u.expect(ctx, s, e, result, evidence, before))
	}
	result.Ended = time.Now().UTC()
	result.Result = Passed
	for _, e := range result.Expects {
		if !e.Holds {
			result.Result, result.Why = Failed, e.Text+": "+e.Why
		}
		u.log("  %s %s%s", mark(e.Holds), e.Text, colon(e.Why))
	}
	if ctx.Err() != nil {
		return interrupted(ctx)
	}
	if result.Result == Failed {
		return &ending{CodeFailed, Failed, "stage " + s.Name + ": " + result.Why}
	}
	return nil
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

// expected records what a stage must do besides its expectations.
func (u *run) expected(text string, holds bool, why string) {
	if holds {
		why = ""
	}
	u.stage.Expects = append(u.stage.Expects, &ExpectResult{Text: text, Holds: holds, Why: why})
}

// asksForCalls reports whether the stage expects something of the calls of clients.
func (s *Stage) asksForCalls() bool {
	for _, e := range s.Expects {
		if len(e.No) > 0 || e.Recovered {
			return true
		}
	}
	return false
}

// askAgain asks the checks once more that decide at the end of the stage.
func (u *run) askAgain(ctx context.Context, s *Stage) {
	for _, w := range u.checks {
		decides := s.Recover
		for _, e := range s.Expects {
			decides = decides || e.Check == w.Name
		}
		if decides && !w.off.Load() {
			w.take(u.ask(ctx, w))
		}
	}
}

// recovered records when all checks came to hold.
func (u *run) recovered(result *StageResult) {
	var last time.Time
	for _, w := range u.checks {
		switch {
		case w.off.Load():
		case !w.holds:
			u.expected("recover", false, "check "+w.Name+": "+w.said())
			return
		case w.heldAt.After(last):
			last = w.heldAt
		}
	}
	after := max(0, last.Sub(result.Started).Seconds())
	result.Recovered = &after
	u.expected("recover", true, "")
}

// factsWithin is how long the nodes may take to report what a stage has done.
const factsWithin = 10 * time.Second

// facts asks for the hits of the faults, and for the calls that they have hit. If nobody
// can come any more, open calls are closed.
func (u *run) facts(ctx context.Context, result *StageResult, nobody bool) *clients.Evidence {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), factsWithin)
	defer cancel()
	for _, f := range result.Faults {
		if hits, err := u.count(ctx, f.Experiment); err == nil {
			f.Hits = hits
		}
	}
	evidence, settings, err := u.calls(ctx, u.injected)
	if err != nil {
		return nil
	}
	if nobody {
		closed := evidence.Closed()
		evidence = &closed
	}
	report := clients.Judge(*evidence, settings)
	result.Findings = &report
	return evidence
}

// calls returns the calls of all nodes since faults were injected. A stage without faults
// is about those that came before it.
func (r *Runner) calls(ctx context.Context, injected time.Time) (*clients.Evidence, clients.Settings, error) {
	if injected.IsZero() {
		return &clients.Evidence{}, clients.Settings{}, nil
	}
	var all []clients.Evidence
	var settings clients.Settings
	for _, n := range r.Nodes {
		evidence, of, err := n.Calls(ctx, time.Since(injected))
		if err != nil {
			return nil, settings, r.at(n, err)
		}
		all, settings = append(all, *evidence), of
	}
	if len(all) == 1 {
		return &all[0], settings, nil
	}
	merged := clients.Merge(all...)
	return &merged, settings, nil
}

// countsBefore returns the hits of the rules of a stage before it. A fault that begins has
// none, and so has a rule that no node knows. A rule without an answer is left out.
func (u *run) countsBefore(ctx context.Context, s *Stage) map[string]int {
	counts := make(map[string]int)
	for _, e := range s.Expects {
		if e.Verify == "" {
			continue
		}
		name := u.ruleOf(s, e.Verify)
		if from, _ := u.Plan.fault(s, e.Verify); from == s {
			counts[name] = 0
		} else if hits, err := u.countOrNone(ctx, name); err == nil {
			counts[name] = hits
		}
	}
	return counts
}

// ruleOf returns the name of the rule that an expectation names.
func (u *run) ruleOf(s *Stage, name string) string {
	if from, f := u.Plan.fault(s, name); f != nil {
		return u.Plan.Experiment(from, f)
	}
	return name
}

// expect checks an expectation.
func (u *run) expect(ctx context.Context, s *Stage, e *Expect, result *StageResult, evidence *clients.Evidence, before map[string]int) *ExpectResult {
	r := &ExpectResult{Text: e.Text()}
	switch {
	case e.Verify != "":
		r.Holds, r.Why = u.verify(ctx, s, e, before)
	case e.Check != "":
		w := u.watchedCheck(e.Check)
		if r.Holds = w.holds; !r.Holds {
			r.Why = w.said()
		}
	case evidence == nil:
		r.Why = "Caddy did not answer what clients did"
	case e.Recovered:
		r.Holds, r.Why, r.Evidence = allRecovered(evidence)
	default:
		r.Holds, r.Why, r.Evidence = noFindings(e.No, evidence, result.Findings)
	}
	return r
}

// verify compares the hits of a rule during the stage.
func (u *run) verify(ctx context.Context, s *Stage, e *Expect, before map[string]int) (holds bool, why string) {
	name := u.ruleOf(s, e.Verify)
	hits, err := u.countOrNone(ctx, name)
	if err != nil {
		return false, err.Error()
	}
	had, known := before[name]
	if !known {
		return false, "Caddy did not answer how often it had hit before the stage"
	}
	hits -= had
	holds = (e.AtLeast == nil || hits >= *e.AtLeast) && (e.AtMost == nil || hits <= *e.AtMost)
	if !holds {
		why = fmt.Sprintf("%d hits", hits)
	}
	return holds, why
}

// countOrNone is count for a rule that may never have been loaded.
func (r *Runner) countOrNone(ctx context.Context, rule string) (int, error) {
	hits, err := r.count(ctx, rule)
	if refused(err, http.StatusNotFound) {
		return 0, nil
	}
	return hits, err
}

// maxEvidence is how many calls an expectation shows.
const maxEvidence = 10

// allRecovered reports whether all calls that may be repeated have succeeded in the end.
func allRecovered(evidence *clients.Evidence) (holds bool, why string, proofs []string) {
	calls, bad := 0, 0
	for i := range evidence.Calls {
		c := &evidence.Calls[i]
		if !c.MayRepeat || len(c.Attempts) == 0 {
			continue
		}
		calls++
		if c.Outcome == clients.Recovered {
			continue
		}
		if bad++; bad <= maxEvidence {
			last := c.Attempts[len(c.Attempts)-1]
			proofs = append(proofs, fmt.Sprintf("%s: %s %s %s: %s after %d attempts, the last one %s %s",
				c.Client, c.ID, c.Method, c.Path, c.Outcome, c.Count, last.Outcome, statusText(last.Status)))
		}
	}
	switch {
	case calls == 0:
		return false, "saw nothing: no call that may be repeated was hit", nil
	case bad > 0:
		return false, fmt.Sprintf("%d of %d calls did not succeed in the end", bad, calls), proofs
	default:
		return true, "", nil
	}
}

func statusText(status int) string {
	if status == 0 {
		return ""
	}
	return fmt.Sprint(status)
}

// noFindings reports whether enough evidence shows that no client has one of the findings.
func noFindings(names []string, evidence *clients.Evidence, report *clients.Report) (holds bool, why string, proofs []string) {
	if len(evidence.Calls) == 0 || report.Calls == 0 {
		return false, "saw nothing: no call of a client was hit", nil
	}
	assertion := clients.Assertion{FailOn: names}
	if holds, why = assertion.Check(report); holds {
		return true, "", nil
	}
	look := func(who string, findings []clients.Finding) {
		for i := range findings {
			if f := &findings[i]; assertion.Refuses(f) {
				proofs = append(proofs, strings.TrimSpace(fmt.Sprintf("%s: %s %s: %s", who, f.Level, f.Finding, f.Text)))
			}
		}
	}
	for i := range report.Clients {
		look(report.Clients[i].Client, report.Clients[i].Findings)
	}
	for i := range report.Periods {
		look(report.Periods[i].Point+"/"+report.Periods[i].Rule, report.Periods[i].Findings)
	}
	return false, why, proofs
}
