package clients

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// trial is what a client did in a trial, with its defaults and a timeout of 2 s. Each
// cell has the number of attempts and the waits between them in seconds. A cell that
// ends in P was the same for POST; else POST was not repeated.
type trial struct {
	client  string
	busy    string // 503 with Retry-After 2
	failed  string // 503 without
	long    string // Retry-After 300
	missing string // 404
	reset   string
	cut     string
	timeout string
	fields  []string // of the requests
	safe    bool     // declared idempotent
	post    bool     // has no other method
	want    string   // that fires
	open    string   // that is undecided; short_timeout is for all
}

const (
	once       = "1"
	backoff9   = "9: 0.5 1.1 1.7 2.2 2.6 3.3 4.1 5.0"
	legacy     = "10: 0.1 0.1 0.2 0.4 0.8 1.6 3.3 6.6 12.9"
	many       = "warning many_attempts"
	muchMore   = "error many_attempts"
	twice      = "error unsafe_retry"
	hasty      = "error retry_after_ignored"
	none       = "info no_retry"
	multiplies = "warning amplification"
)

var trials = []trial{
	{client: "curl/7.88.1", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
	{client: "curl-retry/3", busy: "4: 2.1 2.3 2.3 P", failed: "4: 1.2 2.1 4.1 P", timeout: "4: 1.1 2.1 4.1 P", want: twice, open: "no_jitter"},
	{
		client: "curl-retry-all-errors/3", busy: "4: 2.1 2.3 2.3 P", failed: "4: 1.2 2.1 4.1 P", missing: "4: 1.3 2.1 4.2 P",
		reset: "4: 1.2 2.1 4.1 P", cut: "4: 1.2 2.1 4.1 P", timeout: "4: 1.2 2.1 4.1 P", want: twice + ", warning pointless_retry, " + multiplies,
		open: "no_jitter",
	},
	{
		client: "Wget/1.21.3", reset: "7: 1 2 3 4 5 6 P", cut: "7: 1 2 3 4 5 6 P", timeout: "7: 1 2 3 4 5 6 P",
		want: twice + ", " + many + ", " + none + ", " + multiplies,
		open: "retry_after_ignored no_jitter connection_churn",
	},
	{client: "python-requests/2.34", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
	{
		client: "python-requests-retries/3", busy: "4: 2.0 2.0 2.0", reset: "4: 0.0 0.0 0.0", timeout: "4: 0.0 0.0 0.0",
		want: "warning no_wait",
		open: "no_growth no_jitter connection_churn",
	},
	{
		client: "python-requests-Retry/0.5", busy: "4: 2.0 2.0 2.0", failed: "4: 0.0 1.0 2.0", reset: "4: 0.0 1.0 2.0",
		timeout: "4: 0.0 1.0 2.0", want: "info first_retry_at_once",
		open: "no_jitter",
	},
	{
		client: "python-urllib3/2.7", busy: "4: 2.0 2.0 2.0", reset: "4: 0.0 0.0 0.0", cut: "4: 0.0 0.0 0.0", timeout: "4: 0.0 0.0 0.0",
		want: "warning no_wait",
		open: "no_jitter connection_churn",
	},
	{client: "python-httpx/0.23", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
	{client: "aiohttp/3.8.4", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
	{
		client: "tenacity/8.2", busy: "4: 0.3 0.1 0.0 P", failed: "4: 0.5 0.8 1.6 P", long: "4: 0.4 0.7 1.9 P", missing: "4: 0.2 0.9 2.9 P",
		reset: "4: 0.6 1.3 1.1 P", cut: "4: 0.1 0.4 2.4 P", timeout: "4: 0.9 1.0 3.1 P",
		want: hasty + ", " + twice + ", warning pointless_retry, " + multiplies,
		open: "no_jitter",
	},
	{
		client: "Boto3-legacy/1.26", post: true, fields: []string{"Amz-Sdk-Invocation-Id", "#"},
		busy: legacy, failed: legacy, long: legacy, reset: legacy, cut: legacy, timeout: "5: 0.1 0.1 0.2 0.4",
		want: hasty + ", " + twice + ", " + muchMore + ", error amplification",
		open: "no_jitter no_retry",
	},
	{
		client: "Boto3/1.26", post: true, fields: []string{"Amz-Sdk-Invocation-Id", "#"},
		busy: "3: 0.9 1.3", failed: "3: 0.3 1.5", long: "3: 0.7 0.6", reset: "3: 0.4 1.1", cut: "3: 0.8 1.8", timeout: "3: 0.2 1.7",
		want: hasty + ", " + twice,
		open: "no_growth no_jitter no_retry",
	},
	{
		client: "aws-sdk-go-v2/1.48", post: true, fields: []string{"Amz-Sdk-Invocation-Id", "#"},
		busy: "4: 0.24 0.12 0.28", failed: "4: 0.1 0.2 0.1", long: "4: 0.1 0.1 0.2", reset: "4: 0.1 0.2 0.4", timeout: "4: 0.2 0.1 0.3",
		want: hasty + ", " + twice + ", " + multiplies,
		open: "no_jitter no_retry",
	},
	{
		client: "aws-sdk-go-v2-idempotent/1.48", post: true, safe: true, fields: []string{"Amz-Sdk-Invocation-Id", "#"},
		busy: "4: 0.24 0.12 0.28", failed: "4: 0.1 0.2 0.1", long: "4: 0.1 0.1 0.2", reset: "4: 0.1 0.2 0.4", timeout: "4: 0.2 0.1 0.3",
		want: hasty + ", " + multiplies,
		open: "no_jitter unsafe_retry",
	},
	{client: "Go-http-client/1.1", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
	{
		client: "go-retryablehttp/0.7.8", busy: "5: 2.0 2.0 2.0 2.0 P", failed: "5: 1.1 2.4 4.0 8.0 P", reset: "5: 1.1 2.4 4.0 8.0 P",
		timeout: "5: 1.1 2.4 4.0 8.0 P", want: twice + ", " + multiplies,
		open: "no_jitter",
	},
	{
		client: "backoff/5.0.3", busy: backoff9 + " P", failed: backoff9 + " P", long: backoff9 + " P", missing: backoff9 + " P",
		reset: backoff9 + " P", cut: backoff9 + " P", timeout: "7: 0.5 1.1 1.7 2.2 2.6 3.3 P",
		want: hasty + ", " + twice + ", warning pointless_retry, " + many + ", error amplification",
		open: "no_jitter",
	},
	{
		client: "go-resty/2.17", reset: "4: 0.25 0.38 0.5 P", cut: "4: 0.25 0.38 0.5 P", timeout: "4: 0.25 0.38 0.5 P",
		want: twice + ", " + none,
		open: "retry_after_ignored no_jitter connection_churn",
	},
	{
		client: "OpenAI-Go/3.99", busy: "3: 2.1 2.1 P", failed: "3: 0.6 0.9 P", reset: "3: 0.5 0.9 P", timeout: "3: 0.5 1.0 P",
		want: twice,
		open: "no_growth no_jitter",
	},
	{
		client: "grpc-go/1.83", post: true, safe: true, busy: "4: 0.25 0.44 0.88", failed: "4: 0.25 0.44 0.88", want: hasty,
		open: "no_growth no_jitter unsafe_retry",
	},
	{client: "node/20.20", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
	{
		client: "undici-RetryAgent/7.30", busy: "6: 2.0 2.0 2.0 2.0 2.0", failed: "6: 0.7 1.0 2.1 4.0 8.0", reset: "6: 0.7 1.0 2.1 4.0 8.0",
		cut: "2: 0.6", want: many,
		open: "no_growth no_jitter",
	},
	{
		client: "got/14.6", busy: "3: 2.1 2.1", failed: "3: 1.2 2.1", reset: "3: 1.1 2.1", cut: "3: 1.1 2.1", timeout: "3: 1.2 2.0",
		open: "no_growth no_jitter connection_churn",
	},
	{client: "ky/1.14", busy: "3: 2.4 2.0", failed: "3: 0.4 0.6", reset: "3: 0.5 0.8", open: "no_growth no_jitter connection_churn"},
	{
		client: "axios-retry/4.5", failed: "4: 0.2 0.15 0.1", reset: "4: 0.11 0.23 0.34 P", want: twice,
		open: "retry_after_ignored no_jitter connection_churn",
	},
	{
		client: "p-retry/7.1", busy: "4: 1.6 2.2 4.0 P", failed: "4: 1.6 2.2 4.0", long: "4: 1.6 2.2 4.0", missing: "4: 1.6 2.2 4.0 P",
		reset: "4: 1.6 2.2 4.0 P", cut: "4: 1.6 2.2 4.0", timeout: "4: 1.6 2.2 4.0 P",
		want: hasty + ", " + twice + ", warning pointless_retry, " + multiplies,
		open: "no_jitter",
	},
	{
		client: "OpenAI-JS/6.49", busy: "3: 2.6 2.4 P", failed: "3: 0.9 1.7 P", reset: "3: 0.8 1.6 P", timeout: "3: 0.7 1.5 P",
		want: twice,
		open: "no_growth no_jitter",
	},
	{
		client: "Stripe/23.1", post: true, fields: []string{"Idempotency-Key", "#"},
		busy: "3: 0.53 0.53", failed: "3: 0.53 0.53", long: "3: 0.5 0.5", reset: "3: 0.53 0.53", timeout: "3: 0.53 0.53",
		want: hasty,
		open: "no_growth no_jitter unsafe_retry",
	},
	{client: "Java-http-client/17.0.15", reset: "2: 0.05", want: none, open: "retry_after_ignored no_wait first_retry_at_once no_growth no_jitter connection_churn"},
}

// run plays a trial and returns what it says.
func (tr *trial) run(t *testing.T) Report {
	t.Helper()
	w := newWorld(Settings{})
	calls := 0
	play := func(method, cell string, result Result, took, noticed float64) {
		calls++
		key := "key-" + strconv.Itoa(calls)
		w.play(func(int) *Request {
			q := request(method, "/orders", "User-Agent", tr.client)
			for i := 0; i+1 < len(tr.fields); i += 2 {
				q.Header.Set(tr.fields[i], strings.ReplaceAll(tr.fields[i+1], "#", key))
			}
			if tr.fields == nil {
				q.Call = key
			}
			q.Repeatable = tr.safe
			return q
		}, result, took, noticed, waitsIn(t, cell)...)
		w.waitSeconds(400)
	}
	column := func(cell string, result Result, took, noticed float64) {
		if cell == "" {
			cell = once
		}
		waits, repeatsPost := strings.CutSuffix(cell, " P")
		post := once
		if repeatsPost || tr.post {
			post = waits
		}
		for range 2 {
			if tr.post {
				play(http.MethodPost, post, result, took, took)
			} else {
				play(http.MethodGet, waits, result, took, took)
			}
		}
		late := result
		late.Late = noticed != took
		play(http.MethodPost, post, late, took, noticed)
	}
	column(tr.busy, replied(503, 2), 0.001, 0.001)
	column(tr.failed, replied(503, -1), 0.001, 0.001)
	column(tr.long, replied(503, 300), 0.001, 0.001)
	column(tr.missing, replied(404, -1), 0.001, 0.001)
	column(tr.reset, Result{Outcome: NoReply, RetryAfter: -1}, 0.001, 0.001)
	column(tr.cut, Result{Outcome: Cut, Status: 200, RetryAfter: -1}, 0.001, 0.001)
	column(tr.timeout, Result{Outcome: Left, RetryAfter: -1}, 2, 5)
	return w.judge()
}

// TestTrials holds what each client of the trials is told.
func TestTrials(t *testing.T) {
	for _, tr := range trials {
		t.Run(tr.client, func(t *testing.T) {
			report := tr.run(t)
			check(t, "findings", strings.Join(names(report), ", "), tr.want)
			open := slices.DeleteFunc(undecidedOf(report), func(name string) bool { return name == ShortTimeout })
			check(t, "undecided", strings.Join(open, " "), tr.open)
		})
	}
}
