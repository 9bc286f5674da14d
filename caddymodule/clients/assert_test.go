package clients

import "testing"

// TestAssertion holds when a report satisfies an assertion.
func TestAssertion(t *testing.T) {
	bad := of(t, 3, "503/2 0.5 503/2 2 ok", post)
	for name, test := range map[string]struct {
		assertion Assertion
		calls     []Call
		ok        bool
		enough    bool
		why       string
	}{
		"nothing seen":       {Assertion{}, nil, false, false, "saw 0 calls, needs 1"},
		"open calls only":    {Assertion{}, of(t, 3, "503", open), false, false, "saw 0 calls, needs 1"},
		"an open retry":      {Assertion{}, of(t, 1, "503 1 503", open), true, true, ""},
		"too few":            {Assertion{MinCalls: 4}, bad, false, false, "saw 3 calls, needs 4"},
		"nothing asked":      {Assertion{MinCalls: 3}, bad, true, true, ""},
		"error":              {Assertion{FailOn: []string{"error"}}, bad, false, true, "checkout/2.1: error retry_after_ignored: waited 0.50 s (median), was told to wait 2.00 s"},
		"allowed":            {Assertion{FailOn: []string{"warning"}, Allow: []string{RetryAfterIgnored}}, bad, true, true, ""},
		"info":               {Assertion{FailOn: []string{"info"}, Allow: []string{RetryAfterIgnored}}, bad, false, true, "checkout/2.1: info unsafe_retry: repeats a request that nothing makes safe to repeat, after reply 503"},
		"by name":            {Assertion{FailOn: []string{UnsafeRetry}}, bad, false, true, "checkout/2.1: info unsafe_retry: repeats a request that nothing makes safe to repeat, after reply 503"},
		"by name, fine":      {Assertion{FailOn: []string{ManyAttempts}}, bad, true, true, ""},
		"by name, undecided": {Assertion{FailOn: []string{NoJitter}}, bad, false, false, "no_jitter is undecided for all clients: checkout/2.1: needs 20 first waits, has 0"},
		"a period":           {Assertion{FailOn: []string{Wave}}, bad, false, false, "wave is undecided: no fault periods"},
		"a level, undecided": {Assertion{FailOn: []string{"error"}}, of(t, 1, "503", guess), false, false, "no finding of level error is decided; for example, retry_after_ignored is undecided for all clients: checkout/2.1: no attempt followed a Retry-After"},
		"retry":              {Assertion{Retry: true}, bad, true, true, ""},
		"no retry":           {Assertion{Retry: true}, of(t, 3, "503"), false, true, "no call succeeded after a retry"},
		"retries in vain":    {Assertion{Retry: true}, of(t, 3, "503 1 503"), false, true, "no call succeeded after a retry"},
	} {
		t.Run(name, func(t *testing.T) {
			report := Judge(Evidence{Calls: test.calls}, Settings{})
			if err := test.assertion.Validate(); err != nil {
				t.Fatal(err)
			}
			ok, why := test.assertion.Check(&report)
			check(t, "ok", ok, test.ok)
			check(t, "enough", report.Enough, test.enough)
			check(t, "why", why, test.why)
		})
	}
}

// TestAssertionRefused holds what an assertion must not say.
func TestAssertionRefused(t *testing.T) {
	for name, a := range map[string]Assertion{
		"a finding": {FailOn: []string{"waves"}},
		"a level":   {Allow: []string{"error"}},
		"a count":   {MinCalls: -1},
	} {
		if a.Validate() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
