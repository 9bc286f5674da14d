package clients

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// recordedCalls returns the calls of the clients in docs/reference/http-clients.md. The
// program in e2e/sdks has recorded them: two for each of seven faults, by GET and by POST.
func recordedCalls(t *testing.T) map[string][]Call {
	t.Helper()
	content, err := os.ReadFile("testdata/recorded.json")
	if err != nil {
		t.Fatal(err)
	}
	var ev Evidence
	if err := json.Unmarshal(content, &ev); err != nil {
		t.Fatal(err)
	}
	calls := make(map[string][]Call)
	for _, c := range ev.Calls {
		calls[c.Client] = append(calls[c.Client], c)
	}
	return calls
}

// recordedFindings has what is found on each client, and what is undecided besides
// seldom.
var recordedFindings = []struct{ client, want, open string }{
	{"aiohttp", "info no_retry", noRetries},
	{"anthropic-go", "error unsafe_retry", "no_growth connection_churn"},
	{"anthropic-node", "error unsafe_retry", "no_growth connection_churn"},
	{"aws-go", "error retry_after_ignored, error no_wait, error unsafe_retry", "first_retry_at_once no_growth pointless_retry no_retry connection_churn"},
	{"axios", "info no_retry", noRetries},
	{"axios-retry", "error unsafe_retry", "retry_after_ignored no_growth connection_churn"},
	{"backoff", "error retry_after_ignored, error unsafe_retry, warning pointless_retry, warning many_attempts", ""},
	{"boto3", "error retry_after_ignored, error unsafe_retry", "no_growth pointless_retry no_retry connection_churn"},
	{"boto3-legacy", "error retry_after_ignored, error unsafe_retry, warning many_attempts", "no_growth pointless_retry no_retry"},
	{"curl", "info no_retry", noRetries},
	{"curl-all-errors", "error unsafe_retry", ""},
	{"curl-retry", "error unsafe_retry", "no_growth"},
	{"fetch", "info no_retry", noRetries},
	{"go-retryablehttp", "error unsafe_retry", ""},
	{"got", "", "no_growth connection_churn"},
	{"grpc-go", "error retry_after_ignored, info unsafe_retry", "no_wait first_retry_at_once no_growth pointless_retry no_retry connection_churn"},
	{"httpx", "info no_retry", noRetries},
	{"java", "info no_retry", noRetries},
	{"ky", "", "first_retry_at_once no_growth connection_churn"},
	{"net-http", "info no_retry", noRetries},
	{"openai-go", "error unsafe_retry", "no_growth connection_churn"},
	{"openai-node", "error unsafe_retry", "no_growth connection_churn"},
	{"p-retry", "error retry_after_ignored, error unsafe_retry, warning pointless_retry, info connection_churn", ""},
	{"requests", "info no_retry", noRetries},
	{"requests-max-retries", "warning no_wait", "first_retry_at_once no_growth connection_churn"},
	{"requests-retry", "", "first_retry_at_once no_growth connection_churn"},
	{"resty", "error unsafe_retry, info no_retry", "retry_after_ignored connection_churn"},
	{"stripe-node", "error retry_after_ignored, info connection_churn", "no_growth"},
	{"tenacity", "error retry_after_ignored, error unsafe_retry, warning pointless_retry, info connection_churn", ""},
	{"undici", "info no_retry", noRetries},
	{"undici-retryagent", "warning many_attempts", "no_growth"},
	{"urllib3", "warning no_wait", "first_retry_at_once no_growth connection_churn"},
	{"wget", "error unsafe_retry, warning many_attempts, info no_retry", "retry_after_ignored connection_churn"},
}

// noRetries is undecided for a client that does not retry.
const noRetries = "retry_after_ignored no_wait first_retry_at_once no_growth connection_churn"

// seldom is undecided for all clients: each has only 14 calls.
var seldom = []string{NoJitter, Amplification, NoTimeout, ShortTimeout}

// TestRecorded judges what well-known clients did.
func TestRecorded(t *testing.T) {
	calls := recordedCalls(t)
	for _, tt := range recordedFindings {
		t.Run(tt.client, func(t *testing.T) {
			if len(calls[tt.client]) == 0 {
				t.Fatal("no calls")
			}
			report := Judge(Evidence{Calls: calls[tt.client]}, Settings{})
			check(t, "findings", strings.Join(names(report), ", "), tt.want)
			open := slices.DeleteFunc(undecidedOf(report), func(name string) bool { return slices.Contains(seldom, name) })
			check(t, "undecided", strings.Join(open, " "), tt.open)
		})
		delete(calls, tt.client)
	}
	for client := range calls {
		t.Errorf("%s is not in the table", client)
	}
}

// TestRecordedIdempotent holds that nothing is unsafe to repeat for a client of which the
// operator has declared so.
func TestRecordedIdempotent(t *testing.T) {
	calls := recordedCalls(t)["aws-go"]
	for i := range calls {
		calls[i].MayRepeat = true
	}
	report := Judge(Evidence{Calls: calls}, Settings{})
	check(t, "findings", strings.Join(names(report), ", "), "error retry_after_ignored, error no_wait")
}

// TestLateClose holds that a client which closes its connection after its wait is not
// taken for one that does not wait.
func TestLateClose(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	var c Call
	for n := range 6 {
		took := time.Duration(n+2) * time.Second // the timeout and the wait
		c.Attempts = append(c.Attempts, Attempt{N: n + 1, Start: at, End: at.Add(took), Outcome: Left})
		at = at.Add(took)
	}
	c.Client, c.By, c.MayRepeat, c.Outcome, c.Count = "urllib3", ByCall, true, GaveUp, len(c.Attempts)
	report := Judge(Evidence{Calls: slices.Repeat([]Call{c}, growthNeeds)}, Settings{})
	check(t, "findings", strings.Join(names(report), ", "), "warning many_attempts")
}
