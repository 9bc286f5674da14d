package inject

import (
	"net/http"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/internal/testkit"
)

// In phase response the body of a 503 uses the final Retry-After of the reply, whatever
// the upstream sent.
func TestRetryAfterOverReply(t *testing.T) {
	const none = `{"error": "service_unavailable"}`
	upstream := func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("Retry-After", "60")
		return testkit.Upstream(w, r)
	}
	for headers, want := range map[string]struct {
		fields []string
		body   string
	}{
		`{}`:                               {[]string{"300"}, `{"error": "service_unavailable", "retry_after": 300}`},
		`{"set": {"Retry-After": ["5"]}}`:  {[]string{"5"}, `{"error": "service_unavailable", "retry_after": 5}`},
		`{"delete": ["Retry-After"]}`:      {nil, none},
		`{"add": {"Retry-After": ["5"]}}`:  {[]string{"60", "5"}, none},
		`{"add": {"Retry-After": ["60"]}}`: {[]string{"60", "60"}, none},
	} {
		const respond = `[{"fault": "respond", "status_code": 503, "headers": `
		for _, faults := range []string{respond + headers + `}]`, `[{"fault": "choose", "branches": [{"weight": 1, "faults": ` + respond + headers + `}]}]}]`} {
			h := load(t, `{"rules": [{"phase": "response", "faults": `+faults+`}]}`, "")
			resp, body, err := testkit.Get(t, h, "/", upstream)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header["Retry-After"]; len(got) != len(want.fields) || len(got) > 0 && got[0] != want.fields[0] || body != want.body {
				t.Errorf("%s: got Retry-After %q and body %s, want %+v", faults, got, body, want)
			}
		}
	}
}
