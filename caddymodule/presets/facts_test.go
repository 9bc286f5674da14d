package presets

import (
	"bufio"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// repliesFolder has the replies that a test of package e2e records.
const repliesFolder = "../e2e/testdata/presets"

// recorded returns the recorded reply of a preset.
func recorded(t *testing.T, name string) (status int, header http.Header, body string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(repliesFolder, name+".http"))
	if err != nil {
		t.Fatal(err)
	}
	head, body, _ := strings.Cut(string(content), "\n\n")
	head = strings.NewReplacer("Date: *\n", "", "Transfer-Encoding: chunked", "X-Chunked: yes").Replace(head)
	head = strings.ReplaceAll(head, "\nContent-Length", "\nX-Length")
	reply, err := http.ReadResponse(bufio.NewReader(strings.NewReader(head+"\r\nConnection: close\r\n\r\n")), nil)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := reply.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return reply.StatusCode, reply.Header, body
}

// at returns a member of JSON by its path, such as error.details.0.code.
func at(t *testing.T, body, path string) string {
	t.Helper()
	var value any
	if err := json.Unmarshal([]byte(body), &value); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for name := range strings.SplitSeq(path, ".") {
		switch in := value.(type) {
		case map[string]any:
			value = in[name]
		case []any:
			if name != "0" || len(in) == 0 {
				return "no such element"
			}
			value = in[0]
		default:
			return "no such member"
		}
	}
	return fmt.Sprint(value)
}

// What the sources say about the replies of services: the status, header fields, and
// members of the body that clients read.
func TestFacts(t *testing.T) {
	for _, tt := range []struct {
		preset string
		status int
		header string // fields, such as `Retry-After: 20; X-A: *`; a minus before a field that must be absent
		body   string // members, such as `error.code=x; error.type=y`
	}{
		{"openai-rate-limit", 429, "Retry-After: 20; X-Ratelimit-Remaining-Requests: 0; X-Ratelimit-Reset-Requests: 20s; X-Request-Id: *", "error.code=rate_limit_exceeded; error.type=requests"},
		{"openai-quota", 429, "-Retry-After", "error.code=insufficient_quota; error.type=insufficient_quota"},
		{"openai-server-error", 500, "X-Request-Id: *", "error.type=server_error; error.code=<nil>"},
		{"openai-overloaded", 503, "-Retry-After", "error.type=server_error"},
		{"openai-context-length", 400, "", "error.code=context_length_exceeded; error.param=messages; error.type=invalid_request_error"},
		{"azure-openai-content-filter", 400, "Apim-Request-Id: *", "error.code=content_filter; error.param=prompt; error.innererror.code=ResponsibleAIPolicyViolation"},
		{"azure-openai-rate-limit", 429, "Retry-After: 26", "error.code=429"},
		{"anthropic-rate-limit", 429, "Retry-After: 11; Anthropic-Ratelimit-Requests-Remaining: 0; Anthropic-Ratelimit-Requests-Reset: *; Request-Id: *", "type=error; error.type=rate_limit_error"},
		{"anthropic-overloaded", 529, "X-Should-Retry: true; Request-Id: *; -Retry-After", "type=error; error.type=overloaded_error; error.message=Overloaded"},
		{"gemini-rate-limit", 429, "-Retry-After", "error.code=429; error.status=RESOURCE_EXHAUSTED; error.details.0.retryDelay=34s; error.details.0.@type=type.googleapis.com/google.rpc.RetryInfo"},
		{"gemini-overloaded", 503, "-Retry-After", "error.code=503; error.status=UNAVAILABLE"},
		{"aws-bedrock-throttled", 429, "X-Amzn-Errortype: *; X-Amzn-Requestid: *", "message=Too many requests, please wait before trying again."},

		{"cloudflare-origin", 522, "Server: cloudflare; Cf-Ray: *; Content-Type: text/plain; charset=UTF-8", ""},
		{"cloudflare-origin-html", 522, "Server: cloudflare; Content-Type: text/html; charset=UTF-8", ""},
		{"cloudflare-rate-limited", 429, "Server: cloudflare; Retry-After: 30", ""},
		{"cloudfront", 504, "Server: CloudFront; X-Cache: Error from cloudfront; X-Amz-Cf-Id: *", ""},
		{"aws-alb", 503, "Server: awselb/2.0; -Retry-After", ""},
		{"nginx-bad-gateway", 502, "Server: nginx; Content-Type: text/html", ""},
		{"aws-dynamodb-throttled", 400, "Content-Type: application/x-amz-json-1.0; X-Amzn-Requestid: *", "__type=com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"},
		{"aws-json-throttled", 400, "Content-Type: application/x-amz-json-1.1; X-Amzn-Errortype: ThrottlingException", "__type=ThrottlingException"},
		{"aws-query-throttled", 503, "Content-Type: text/xml;charset=UTF-8; -Retry-After", ""},
		{"aws-s3-slow-down", 503, "Content-Type: application/xml; Server: AmazonS3; X-Amz-Request-Id: *; -Retry-After", ""},
		{"aws-s3-internal-error", 500, "Content-Type: application/xml; X-Amz-Request-Id: *", ""},
		{"aws-s3-error-in-200", 200, "Content-Type: application/xml", ""},
		{"aws-lambda-throttled", 429, "X-Amzn-Errortype: TooManyRequestsException", "Type=User; Reason=ReservedFunctionConcurrentInvocationLimitExceeded"},
		{"aws-api-gateway-throttled", 429, "X-Amzn-Errortype: TooManyRequestsException", "message=Too Many Requests"},
		{"aws-api-gateway-timeout", 504, "X-Amzn-Errortype: InternalServerErrorException", "message=Endpoint request timed out"},
		{"gcp-rate-limited", 429, "-Retry-After", "error.status=RESOURCE_EXHAUSTED; error.errors.0.reason=rateLimitExceeded"},
		{"gcp-unavailable", 503, "-Retry-After", "error.status=UNAVAILABLE"},
		{"azure-arm-throttled", 429, "Retry-After: 17; X-Ms-Request-Id: *", "error.code=SubscriptionRequestsThrottled"},
		{"azure-cosmos-throttled", 429, "X-Ms-Retry-After-Ms: 123; X-Ms-Substatus: 3200; -Retry-After", "code=429"},
		{"azure-storage-busy", 503, "X-Ms-Error-Code: ServerBusy; Content-Type: application/xml", ""},
		{"microsoft-graph-throttled", 429, "Retry-After: 10; Request-Id: *", "error.code=TooManyRequests; error.innerError.request-id=<id>"},
		{"kubernetes-api-throttled", 429, "Retry-After: 1", "kind=Status; reason=TooManyRequests; details.retryAfterSeconds=1; code=429"},

		{"stripe-rate-limit", 429, "Request-Id: *; -Stripe-Should-Retry", "error.code=rate_limit; error.type=invalid_request_error"},
		{"stripe-lock-timeout", 429, "Stripe-Should-Retry: true", "error.code=lock_timeout; error.type=invalid_request_error"},
		{"stripe-card-declined", 402, "Stripe-Should-Retry: false", "error.code=card_declined; error.decline_code=insufficient_funds; error.type=card_error"},
		{"stripe-idempotency-conflict", 409, "Stripe-Should-Retry: true", "error.code=idempotency_key_in_use; error.type=invalid_request_error"},
		{"stripe-lost-reply", 500, "", "error.type=api_error"},
		{"paypal-rate-limit", 429, "Paypal-Debug-Id: *", "name=RATE_LIMIT_REACHED; debug_id=<id>"},

		{"github-secondary-rate-limit", 403, "Retry-After: 60; X-Github-Request-Id: *", "message=You have exceeded a secondary rate limit. Please wait a few minutes before you try again."},
		{"github-rate-limit", 403, "X-Ratelimit-Remaining: 0; X-Ratelimit-Reset: *; X-Ratelimit-Resource: core", "message=API rate limit exceeded."},
		{"slack-rate-limit", 429, "Retry-After: 30", "ok=false; error=ratelimited"},
		{"slack-error-in-200", 200, "", "ok=false; error=internal_error"},
		{"twilio-rate-limit", 429, "", "code=20429; status=429"},
		{"sendgrid-rate-limit", 429, "X-Ratelimit-Remaining: 0; X-Ratelimit-Reset: *", "errors.0.field=<nil>"},
		{"shopify-rate-limit", 429, "Retry-After: 2.0; X-Shopify-Shop-Api-Call-Limit: 40/40", ""},
		{"shopify-graphql-throttled", 200, "", "errors.0.extensions.code=THROTTLED; extensions.cost.throttleStatus.restoreRate=50"},
		{"discord-rate-limit", 429, "Retry-After: 2; X-Ratelimit-Reset-After: 1.337; X-Ratelimit-Scope: user", "retry_after=1.337; global=false"},

		{"oauth-token-expired", 401, "Www-Authenticate: *", "error=invalid_token"},
		{"oauth-invalid-grant", 400, "Cache-Control: no-store; Pragma: no-cache", "error=invalid_grant"},
		{"graphql-error", 200, "", "data=<nil>; errors.0.extensions.code=INTERNAL_SERVER_ERROR"},
		{"problem", 503, "Content-Type: application/problem+json", "status=503"},
		{"connect-unavailable", 503, "-Retry-After", "code=unavailable"},
		{"grpc-unavailable", 200, "Grpc-Status: 14; Content-Type: application/grpc", ""},
		{"captive-portal", 511, "Content-Type: text/html", ""},
		{"maintenance", 503, "Retry-After: 3600", ""},
		{"lost-reply", 502, "", ""},
	} {
		t.Run(tt.preset, func(t *testing.T) {
			status, header, body := recorded(t, tt.preset)
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			checkFields(t, header, tt.header)
			for fact := range strings.SplitSeq(tt.body, "; ") {
				if path, want, ok := strings.Cut(fact, "="); ok && at(t, body, path) != want {
					t.Errorf("%s is %s, want %s", path, at(t, body, path), want)
				}
			}
		})
	}
}

// checkFields checks header fields, in the form of TestFacts.
func checkFields(t *testing.T, header http.Header, want string) {
	t.Helper()
	for field := range strings.SplitSeq(strings.ReplaceAll(want, "; charset", ";charset"), "; ") {
		name, value, _ := strings.Cut(field, ": ")
		if absent, isAbsent := strings.CutPrefix(name, "-"); isAbsent {
			if header.Get(absent) != "" {
				t.Errorf("%s is sent: %s", absent, header.Get(absent))
			}
			continue
		}
		got := strings.ReplaceAll(header.Get(name), "; charset", ";charset")
		if name != "" && (got == "" || value != "*" && got != value) {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
}

// Texts that clients or people look for in bodies that are not JSON.
func TestTexts(t *testing.T) {
	for name, want := range map[string]string{
		"cloudflare-origin":           "error code: 522",
		"cloudflare-origin-html":      "Error code 522",
		"cloudflare-rate-limited":     "error code: 1015",
		"cloudfront":                  "504 ERROR",
		"aws-alb":                     "503 Service Unavailable",
		"nginx-bad-gateway":           "<hr><center>nginx</center>",
		"aws-query-throttled":         "<Code>RequestLimitExceeded</Code>",
		"aws-s3-slow-down":            "<Code>SlowDown</Code>",
		"aws-s3-internal-error":       "<Code>InternalError</Code>",
		"aws-s3-error-in-200":         "<Code>InternalError</Code>",
		"azure-storage-busy":          "<Code>ServerBusy</Code>",
		"captive-portal":              "https://login.example/",
		"anthropic-stream-overloaded": "event: error\ndata: {\"type\":\"error\"",
		"openai-stream-error":         `data: {"error":`,
		"sse-ping-event":              "event: ping\n\n",
		"sse-split-characters":        "data: Grüß 10\n\n",
		"stale-html-for-json":         `<div id="root">`,
		"wrong-content-type":          `{"ok":true}`,
		"jsonrpc-error":               `"id":7`,
		"soap-fault":                  "<faultcode>soap:Server</faultcode>",
		"odata-error":                 `"code":"InternalError"`,
	} {
		if _, _, body := recorded(t, name); !strings.Contains(body, want) {
			t.Errorf("%s: the body has no %q:\n%s", name, want, body)
		}
	}
	if _, _, body := recorded(t, "openai-stream-no-done"); strings.Contains(body, "[DONE]") || !strings.Contains(body, "data: 10") {
		t.Errorf("openai-stream-no-done: got\n%s", body)
	}
	for name, last := range map[string]string{"llm-stream-cut": "data: 7", "llm-stream-short": "data: 7"} {
		if _, _, body := recorded(t, name); !strings.HasSuffix(strings.TrimSpace(body), last) {
			t.Errorf("%s: got\n%s", name, body)
		}
	}
}

// Bodies are what their media type says, and no reply has a placeholder.
func TestBodies(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(repliesFolder, "*.http"))
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, error %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".http")
		if Set(nil).Find(name) == nil {
			t.Errorf("%s belongs to no preset; remove it", file)
		}
		_, header, body := recorded(t, name)
		if strings.Contains(body, "{http.") || strings.Contains(body, "{preset.") || strings.Contains(body, "{time.") {
			t.Errorf("%s: a placeholder is left:\n%s", name, body)
		}
		for field, values := range header {
			if strings.Contains(strings.Join(values, ""), "{") {
				t.Errorf("%s: a placeholder is left in %s: %q", name, field, values)
			}
		}
		switch kind := header.Get("Content-Type"); {
		case strings.Contains(kind, "json") && !json.Valid([]byte(body)):
			t.Errorf("%s: not JSON: %s", name, body)
		case strings.Contains(kind, "xml"):
			for d := xml.NewDecoder(strings.NewReader(strings.ReplaceAll(body, "<id>", "id"))); err == nil; {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s: not XML: %v", name, err)
			}
			err = nil
		}
	}
}
