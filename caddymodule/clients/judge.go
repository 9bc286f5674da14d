package clients

import (
	"maps"
	"slices"
	"time"
)

// clientRule decides a finding of a client.
type clientRule struct {
	name  string
	judge func(v *view, calls []*Call) verdict

	// guess says what may be said of calls that were guessed.
	guess guessed
}

// guessed says whether a finding may be based on calls that were guessed.
type guessed uint8

const (
	guessNo       guessed = iota // it counts attempts
	guessPairs                   // it looks at two neighbors; one level lower
	guessSameBody                // the same, if the bodies are known to be equal
	guessFirst                   // it looks at single attempts
	whyGuess      = "no key tells its calls apart"
	whyOverlap    = "no key tells its calls apart, and its requests overlap"
	severalUsers  = " (may be several users)"
	maxProofs     = 3
	maxProofTimes = 3
	tooEarly      = "the fault continues"
	noBaseline    = "no baseline"
	minBaseline   = 10.0 // seconds
)

// clientRules are the findings of a client, in the order of the report.
var clientRules = [...]clientRule{
	{RetryAfterIgnored, judgeRetryAfter, guessPairs},
	{NoWait, judgeNoWait, guessPairs},
	{FirstRetryAtOnce, judgeFirstAtOnce, guessNo},
	{NoGrowth, judgeNoGrowth, guessNo},
	{NoJitter, judgeNoJitter, guessNo},
	{UnsafeRetry, judgeUnsafe, guessSameBody},
	{PointlessRetry, judgePointless, guessSameBody},
	{ManyAttempts, judgeManyAttempts, guessNo},
	{NoRetry, judgeNoRetry, guessNo},
	{Amplification, judgeAmplification, guessNo},
	{NoTimeout, judgeNoTimeout, guessFirst},
	{ShortTimeout, judgeShortTimeout, guessFirst},
	{ConnectionChurn, judgeChurn, guessNo},
}

// verdict is what a rule says: a finding, or why it cannot tell, or neither.
type verdict struct {
	found *Finding
	why   string
}

var fine verdict

func undecided(why string) verdict { return verdict{why: why} }

// view is the evidence about one client.
type view struct {
	Client
	settings Settings
	until    time.Time
	periods  []Period
	exact    []*Call
	guess    []*Call
}

// Judge returns what the evidence says. Evidence that is the same gives the same report.
func Judge(ev Evidence, s Settings) Report {
	s = s.withDefaults()
	report := Report{Since: ev.Since, Lost: ev.Lost, Clients: []ClientReport{}, Periods: []PeriodReport{}}
	views := make(map[string]*view)
	known := func(name string) *view {
		if views[name] == nil {
			views[name] = &view{Client: Client{Client: name}, settings: s, until: ev.Until, periods: ev.Periods}
		}
		return views[name]
	}
	for i := range ev.Calls {
		c := &ev.Calls[i]
		if len(c.Attempts) == 0 {
			continue
		}
		v := known(c.Client)
		if c.By.exact() {
			v.exact = append(v.exact, c)
		} else {
			v.guess = append(v.guess, c)
		}
		if c.counts() {
			report.Calls++
		}
	}
	for _, c := range ev.Clients {
		if v := views[c.Client]; v != nil {
			v.Client = c
		}
	}
	for _, name := range slices.Sorted(maps.Keys(views)) {
		report.Clients = append(report.Clients, views[name].report())
	}
	for i := range ev.Periods {
		report.Periods = append(report.Periods, judgePeriod(&ev.Periods[i], s, ev.Until))
	}
	report.Enough = report.Calls > 0
	return report
}

// counts reports whether a call is evidence: it is closed, or has been repeated.
func (c *Call) counts() bool { return c.Outcome != Open || c.Count > 1 }

// report returns what the calls of the client say.
func (v *view) report() ClientReport {
	found := ClientReport{
		Client: v.Client.Client, By: make(map[By]int), Findings: []Finding{}, Undecided: []Undecided{}, Forgotten: v.Forgotten,
	}
	for _, calls := range [][]*Call{v.exact, v.guess} {
		for _, c := range calls {
			found.By[c.By]++
			found.Calls++
			found.Attempts += c.Count
			found.Outcomes.add(c.Outcome)
			if c.Outcome == Recovered && c.Count > 1 {
				found.Retried++
			}
		}
	}
	if calls := closed(v.exact); len(calls) > 0 {
		ratio := float64(attempts(calls)) / float64(len(calls))
		found.AttemptsPerCall = &ratio
	}
	v.measure(&found)
	for _, rule := range clientRules {
		switch verdict := v.apply(rule); {
		case verdict.found != nil:
			verdict.found.Finding = rule.name
			if v.Shared {
				verdict.found.Text += severalUsers
			}
			found.Findings = append(found.Findings, *verdict.found)
		case verdict.why != "":
			found.Undecided = append(found.Undecided, Undecided{rule.name, verdict.why})
		}
	}
	return found
}

func (o *Outcomes) add(outcome Outcome) {
	switch outcome {
	case Recovered:
		o.Recovered++
	case Refused:
		o.Refused++
	case Lost:
		o.Lost++
	case Open:
		o.Open++
	case Unseen:
		o.Unseen++
	default:
		o.GaveUp++
	}
}

// measure fills in the numbers of a report.
func (v *view) measure(report *ClientReport) {
	all := slices.Concat(v.exact, v.guess)
	report.LeftAfter = spreadOf(leftAfter(all))
	var asked, waited, first []float64
	same, retries := 0, 0
	for _, c := range all {
		for _, w := range c.waits() {
			if w.before.RetryAfter != nil {
				asked, waited = append(asked, *w.before.RetryAfter), append(waited, w.seconds)
			} else if w.before.N == 1 && !w.upper && c.By.exact() {
				first = append(first, w.seconds)
			}
			if w.before.whole() && c.By.exact() {
				retries++
				if w.before.Conn == w.after.Conn {
					same++
				}
			}
		}
	}
	report.Waits.First = spreadOf(first)
	report.Waits.RetryAfter = AskedWaits{Asked: median(asked), Spread: spreadOf(waited)}
	if retries > 0 {
		reused := float64(same) / float64(retries)
		report.Connections.Reused = &reused
	}
}

// apply judges by the calls that are told apart, and where that says nothing, by those
// that were guessed.
func (v *view) apply(rule clientRule) verdict {
	if rule.guess == guessFirst {
		return rule.judge(v, slices.Concat(v.exact, v.guess))
	}
	exact := rule.judge(v, v.exact)
	if exact.found != nil || len(v.guess) == 0 {
		return exact
	}
	if rule.guess == guessNo || v.Overlaps {
		if exact.why == "" {
			return exact
		}
		if rule.guess != guessNo {
			return undecided(whyOverlap)
		}
		return undecided(whyGuess)
	}
	guess := rule.judge(v, v.guess)
	if rule.guess == guessSameBody {
		guess = v.judgeBodies(rule)
	}
	switch {
	case guess.found != nil:
		guess.found.Level = guess.found.Level.lower()
		return guess
	case exact.why == "":
		return exact
	default:
		return guess
	}
}

// judgeBodies judges by guessed calls of which each attempt is known to have the same body.
func (v *view) judgeBodies(rule clientRule) verdict {
	same := rule.judge(v, split(v.guess, true))
	if same.found == nil && rule.judge(v, split(v.guess, false)).found != nil {
		return undecided(whyGuess)
	}
	return same
}

// split splits calls where the body changes, or with known also where it is not known to
// be the same.
func split(calls []*Call, known bool) (parts []*Call) {
	for _, c := range calls {
		from := 0
		for i := range c.Attempts {
			if b := c.Attempts[i].Body; i > 0 && (b == OtherBody || known && b != SameBody) {
				parts = append(parts, c.part(from, i))
				from = i
			}
		}
		parts = append(parts, c.part(from, len(c.Attempts)))
	}
	return parts
}

// part returns a part of the attempts as a call.
func (c *Call) part(from, to int) *Call {
	part := *c
	part.Attempts = c.Attempts[from:to]
	return &part
}

// closed returns the calls that have ended.
func closed(calls []*Call) (found []*Call) {
	for _, c := range calls {
		if c.Outcome != Open {
			found = append(found, c)
		}
	}
	return found
}

func attempts(calls []*Call) (sum int) {
	for _, c := range calls {
		sum += c.Count
	}
	return sum
}
