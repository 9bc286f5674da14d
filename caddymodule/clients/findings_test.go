package clients

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var epoch = time.Unix(1_800_000_000, 0).UTC()

// sequence makes a call of words: an outcome, a wait in seconds, an outcome, and so on. An
// outcome is a status, "ok" for a success that no fault touched, or the word of a report.
// After the outcome, "/2" is a Retry-After of 2 s, "@5" a duration of 5 s, "#b" the
// connection b, and "~" says that the end was noticed late.
func sequence(t *testing.T, words string) Call {
	t.Helper()
	c := Call{
		Client: "checkout/2.1", ID: "9f2ab31c", By: ByKey, Point: "api", Method: http.MethodGet, Path: "/orders", MayRepeat: true, Outcome: GaveUp,
	}
	at := epoch
	for i, word := range strings.Fields(words) {
		if i%2 == 1 {
			at = at.Add(duration(t, word))
			continue
		}
		c.Attempts = append(c.Attempts, attemptOf(t, word, at, len(c.Attempts)+1))
		at = c.Attempts[len(c.Attempts)-1].End
	}
	c.Count = len(c.Attempts)
	if last := c.Attempts[c.Count-1]; last.Outcome == Passed || last.Status == 200 {
		c.Outcome = Recovered
	}
	return c
}

func duration(t *testing.T, seconds string) time.Duration {
	t.Helper()
	value, err := strconv.ParseFloat(seconds, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(value * float64(time.Second))
}

func attemptOf(t *testing.T, word string, at time.Time, n int) Attempt {
	t.Helper()
	a := Attempt{N: n, Start: at, Rule: "busy"}
	word, a.Late = strings.CutSuffix(word, "~")
	word, a.Conn, _ = strings.Cut(word, "#")
	word, took, held := strings.Cut(word, "@")
	if a.End = at.Add(time.Millisecond); held {
		a.End = at.Add(duration(t, took))
	}
	word, retryAfter, asked := strings.Cut(word, "/")
	if asked {
		seconds := duration(t, retryAfter).Seconds()
		a.RetryAfter = &seconds
	}
	switch status, err := strconv.Atoi(word); {
	case err == nil:
		a.Outcome, a.Status = Reply, status
	case word == "ok":
		a.Outcome, a.Status, a.Rule = Passed, 200, ""
	default:
		a.Outcome = Outcome(word)
	}
	return a
}

// of makes n calls of a sequence.
func of(t *testing.T, n int, words string, changes ...func(*Call)) (calls []Call) {
	t.Helper()
	for i := range n {
		c := sequence(t, words)
		c.ID = fmt.Sprintf("%08d", i)
		for _, change := range changes {
			change(&c)
		}
		calls = append(calls, c)
	}
	return calls
}

func post(c *Call)    { c.Method, c.MayRepeat = http.MethodPost, false }
func guess(c *Call)   { c.By = ByGuess }
func open(c *Call)    { c.Outcome = Open }
func twenty(c *Call)  { c.Count = 20 }
func overlap(c *Call) { c.Attempts[1].Overlap = true }

// TestFindings holds when each finding fires, when it does not, and when there is too
// little evidence. A want is a level, "fine", or why it is undecided.
func TestFindings(t *testing.T) {
	const (
		fine    = "fine"
		guessed = "no key tells its calls apart"
	)
	type row struct {
		calls []Call
		want  string
	}
	for name, rows := range map[string][]row{
		RetryAfterIgnored: {
			{of(t, 1, "503/2 0.5 503/2"), "error"},
			{of(t, 1, "503/2 1.85 ok"), "error"},
			{of(t, 1, "503/2 1.95 ok"), fine},
			{of(t, 1, "503/100 98.5 ok"), fine},
			{of(t, 1, "503/100 97.5 ok"), "error"},
			{of(t, 1, "503/0 0 ok"), fine},
			{of(t, 1, "503/2 0.5 503", open), "error"},
			{of(t, 9, "503 0.5 503"), "no attempt followed a Retry-After"},
			{of(t, 9, "503/2"), "no attempt followed a Retry-After"},
			{of(t, 9, "503/2 0.5 503", overlap), "no attempt followed a Retry-After"},
			{of(t, 1, "503/2 0.5 503", guess), "warning"},
		},
		NoWait: {
			{of(t, 1, "no_reply 0 no_reply 0 no_reply 0 no_reply"), "warning"},
			{of(t, 1, "503 0 503 0 503 0 503"), "error"},
			{of(t, 1, "429 0.01 429 0.01 429 0.01 ok"), "error"},
			{of(t, 1, "500 0 500 0 500 0 500 0 500 1 500"), "warning"},
			{of(t, 1, "500 0 500 0 500 0 500 1 500"), fine},
			{of(t, 3, "500 0 500"), fine}, // one retry at once
			{of(t, 1, "500 0 500 0 500"), "needs 3 waits, has 2"},
			{of(t, 9, "503/1 0 503/1"), "needs 3 waits, has 0"},
			{of(t, 1, "no_reply 0 no_reply 0 no_reply 0 no_reply", guess), "info"},
		},
		FirstRetryAtOnce: {
			{of(t, 3, "500 0 500 1 500 2 500"), "info"},
			{of(t, 3, "500 0 500"), "info"},
			{of(t, 3, "500 0 500 0 500 0 500"), fine},
			{of(t, 3, "500 1 500"), fine},
			{of(t, 2, "500 0 500"), "needs 3 calls, has 2"},
			{of(t, 9, "left@5~ 0 left@5~"), "needs 3 calls, has 0"},
			{of(t, 3, "500 0 500 1 500 2 500", guess), guessed},
		},
		NoGrowth: {
			{of(t, 5, "500 1 500 1 500 1 500"), "warning"},
			{of(t, 5, "500 1 500 1 500 1.29 500"), "warning"},
			{of(t, 5, "500 1 500 1 500 1.31 500"), fine},
			{of(t, 5, "500 1 500 2 500 4 500"), fine},
			{of(t, 4, "500 1 500 1 500 1 500"), "needs 5 calls with 3 waits, has 4"},
			{of(t, 9, "500 1 500 1 500"), "needs 5 calls with 3 waits, has 0"},
			{of(t, 9, "503/1 1 503/1 1 503/1 1 500"), "needs 5 calls with 3 waits, has 0"},
			{of(t, 5, "500 1 500 1 500 1 500", guess), guessed},
		},
		NoJitter: {
			{of(t, 20, "500 1 500"), "warning"},
			{slices.Concat(of(t, 10, "500 1 500"), of(t, 10, "500 1.1 500")), fine},
			{slices.Concat(of(t, 10, "500 1 500"), of(t, 10, "500 1.04 500")), "warning"},
			{slices.Concat(of(t, 10, "500 0.1 500"), of(t, 10, "500 0.12 500")), fine},
			{of(t, 20, "500 0.04 500"), fine},
			{of(t, 19, "500 1 500"), "needs 20 first waits, has 19"},
			{of(t, 20, "500 1 500", guess), guessed},
		},
		UnsafeRetry: {
			{of(t, 1, "no_reply 1 ok", post), "error"},
			{of(t, 1, "cut 1 ok", post), "error"},
			{of(t, 1, "left@2 1 ok", post), "error"},
			{of(t, 1, "500 1 ok", post), "error"},
			{of(t, 1, "504 1 ok", post), "error"},
			{of(t, 1, "503 1 502 1 ok", post), "error"},
			{of(t, 1, "503 1 ok", post), "info"},
			{of(t, 1, "429 1 ok", post), "info"},
			{of(t, 9, "503", post), fine},
			{of(t, 3, "503 1 ok"), fine},
			{of(t, 2, "503 1 ok"), "needs 3 calls, has 2"},
			{of(t, 1, "500 1 ok", post, guess), guessed},
			{of(t, 1, "500 1 ok", post, guess, sameBody), "warning"},
		},
		PointlessRetry: {
			{of(t, 2, "404 1 404"), "warning"},
			{of(t, 2, "501 1 501"), "warning"},
			{slices.Concat(of(t, 1, "404 1 404"), of(t, 1, "404")), fine},
			{of(t, 1, "404 1 404"), "needs 2 calls, has 1"},
			{of(t, 9, "408 1 409 1 425 1 429 1 503"), "needs 2 calls, has 0"},
			{of(t, 2, "404 1 404", guess), guessed},
			{of(t, 2, "404 1 404", guess, sameBody), "info"},
		},
		ManyAttempts: {
			{of(t, 1, "500 1 500 1 500 1 500 1 500 1 500"), "warning"},
			{of(t, 1, "500 1 500 1 500 1 500 1 500"), fine},
			{of(t, 1, "500 1 500", twenty), "error"},
			{of(t, 1, "500 1 500", twenty, open), "error"},
			{of(t, 1, "500 1 500", twenty, guess), guessed},
			{of(t, 1, "500", open), "needs 1 call, has 0"},
		},
		NoRetry: {
			{of(t, 3, "503"), "info"},
			{of(t, 3, "no_reply"), "info"},
			{slices.Concat(of(t, 3, "503"), of(t, 3, "503 1 503")), fine},
			{slices.Concat(of(t, 4, "503"), of(t, 3, "503 1 503")), "info"},
			{of(t, 2, "503"), "needs 3 calls, has 2"},
			{of(t, 9, "500"), "needs 3 calls, has 0"},
			{of(t, 9, "503", post), "needs 3 calls, has 0"},
			{of(t, 9, "503/300"), "needs 3 calls, has 0"},
			{of(t, 9, "503", open), "needs 3 calls, has 0"},
			{of(t, 3, "503", guess), guessed},
		},
		Amplification: {
			{of(t, 20, "503 1 503 1 503"), "warning"},
			{of(t, 20, "503 1 503 1 503 1 503 1 503"), "error"},
			{of(t, 20, "503 1 503"), fine},
			{of(t, 19, "503 1 503 1 503"), "needs 20 calls, has 19"},
			{of(t, 20, "503 1 503 1 503", guess), guessed},
		},
		NoTimeout: {
			{of(t, 3, "200@61"), "warning"},
			{of(t, 3, "no_reply@60", guess), "warning"},
			{of(t, 3, "left@30"), fine},
			{of(t, 2, "200@61"), "needs 3 attempts that are held for 60 s, has 2"},
			{of(t, 9, "200@59"), "needs 3 attempts that are held for 60 s, has 0"},
		},
		ConnectionChurn: {
			{of(t, 10, "503#a 1 503#b"), "info"},
			{of(t, 10, "503#a 1 503#a"), fine},
			{of(t, 5, "503#a 1 503#a 1 503#b"), fine},
			{of(t, 9, "503#a 1 503#b"), "needs 10 retries after a whole reply, has 9"},
			{of(t, 10, "no_reply#a 1 503#b"), "needs 10 retries after a whole reply, has 0"},
			{of(t, 10, "503#a 1 503#b", guess), guessed},
		},
	} {
		for i, row := range rows {
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) {
				check(t, "verdict", outcomeOf(Judge(Evidence{Calls: row.calls, Until: epoch.Add(time.Hour)}, Settings{}), name), row.want)
			})
		}
	}
}

// outcomeOf returns the level of a finding, why it is undecided, or "fine".
func outcomeOf(r Report, name string) string {
	if f := finding(r, name); f != nil {
		return string(f.Level)
	}
	if text := why(r, name); text != "" {
		return text
	}
	return "fine"
}

// TestShortTimeout holds the finding that also needs requests that passed.
func TestShortTimeout(t *testing.T) {
	normal := func(n int, seconds float64) []Client {
		return []Client{{Client: "checkout/2.1", Passed: slices.Repeat([]float64{seconds}, n)}}
	}
	for name, test := range map[string]struct {
		calls   []Call
		clients []Client
		want    string
	}{
		"short":         {of(t, 20, "left@1"), normal(20, 0.6), "info"},
		"long":          {of(t, 20, "left@1"), normal(20, 0.4), "fine"},
		"few left":      {of(t, 19, "left@1"), normal(20, 0.6), "needs 20 attempts, has 19 that the client left"},
		"noticed late":  {of(t, 20, "left@1~"), normal(20, 0.6), "needs 20 attempts, has 0 that the client left"},
		"few that pass": {of(t, 20, "left@1"), normal(19, 0.6), "needs 20 requests, has 19 that passed"},
	} {
		t.Run(name, func(t *testing.T) {
			report := Judge(Evidence{Calls: test.calls, Clients: test.clients}, Settings{})
			check(t, "verdict", outcomeOf(report, ShortTimeout), test.want)
		})
	}
}

// TestGuesses holds what is said of clients whose calls nothing tells apart.
func TestGuesses(t *testing.T) {
	calls := of(t, 1, "503/2 0.5 503/2", guess)
	clients := []Client{{Client: "checkout/2.1", Overlaps: true}}
	report := Judge(Evidence{Calls: calls, Clients: clients}, Settings{})
	check(t, "overlaps", outcomeOf(report, RetryAfterIgnored), "no key tells its calls apart, and its requests overlap")
	check(t, "attempts of a call", report.Clients[0].AttemptsPerCall, nil)

	// Calls that are told apart decide.
	calls = append(calls, of(t, 1, "503/2 2 ok")...)
	report = Judge(Evidence{Calls: calls, Clients: clients}, Settings{})
	check(t, "with an exact call", outcomeOf(report, RetryAfterIgnored), "fine")
	check(t, "by", fmt.Sprint(report.Clients[0].By), "map[guess:1 key:1]")

	clients[0] = Client{Client: "checkout/2.1", Shared: true}
	report = Judge(Evidence{Calls: of(t, 1, "503/2 0.5 503/2"), Clients: clients}, Settings{})
	check(t, "text", finding(report, RetryAfterIgnored).Text, "waited 0.50 s (median), was told to wait 2.00 s (may be several users)")
}

// TestOutlasts holds that a call which goes on after its fault is an error.
func TestOutlasts(t *testing.T) {
	calls := of(t, 1, "500 1 500 1 500 1 500 1 500 1 500")
	period := Period{Point: "api", Rule: "busy", Start: epoch, End: epoch.Add(3 * time.Second)}
	report := Judge(Evidence{Calls: calls, Periods: []Period{period}}, Settings{})
	check(t, "after its fault", outcomeOf(report, ManyAttempts), "error")
	period.End = epoch.Add(time.Minute)
	report = Judge(Evidence{Calls: calls, Periods: []Period{period}}, Settings{})
	check(t, "during its fault", outcomeOf(report, ManyAttempts), "warning")
	report = Judge(Evidence{Calls: calls}, Settings{Attempts: 6})
	check(t, "with another threshold", outcomeOf(report, ManyAttempts), "fine")
}

// TestReport holds the numbers of a report.
func TestReport(t *testing.T) {
	calls := slices.Concat(of(t, 3, "503/2#a 0.5 503/2#a 0.5 ok#b"), of(t, 1, "500 1 500 2 500"), of(t, 1, "404", func(c *Call) { c.Outcome = Refused }))
	report := Judge(Evidence{Calls: calls, Since: epoch}, Settings{})
	c := report.Clients[0]
	check(t, "calls", c.Calls, 5)
	check(t, "attempts", c.Attempts, 13)
	check(t, "attempts of a call", *c.AttemptsPerCall, 2.6)
	check(t, "outcomes", c.Outcomes, Outcomes{Recovered: 3, GaveUp: 1, Refused: 1})
	check(t, "retried", c.Retried, 3)
	check(t, "first waits", c.Waits.First.P50, 1)
	check(t, "asked", c.Waits.RetryAfter.Asked, 2)
	check(t, "waited", c.Waits.RetryAfter.Max, 0.5)
	f := finding(report, RetryAfterIgnored)
	check(t, "count", f.Count, 3)
	check(t, "of", f.Of, 3)
	check(t, "evidence", len(f.Evidence), 3)
	check(t, "times", len(f.Evidence[0].Times), 2)
	check(t, "outcome", f.Evidence[0].Outcomes[1], "reply 503")
	check(t, "rule", f.Evidence[0].Rule, "busy")
}

// TestStable holds that the same evidence gives the same report.
func TestStable(t *testing.T) {
	var ev Evidence
	for _, client := range []string{"b", "a", "c"} {
		ev.Calls = append(ev.Calls, of(t, 20, "503/2 0.5 503 0 404 1 500", post, func(c *Call) { c.Client = client })...)
	}
	first := Judge(ev, Settings{})
	for range 20 {
		if again := Judge(ev, Settings{}); !reflect.DeepEqual(first, again) {
			t.Fatalf("got %+v, then %+v", first, again)
		}
	}
	check(t, "first client", first.Clients[0].Client, "a")
}

// TestNames holds that there are fifteen findings.
func TestNames(t *testing.T) {
	check(t, "findings", len(Names()), 15)
}
