package api

import (
	"encoding/json"
	"testing"

	"github.com/caddyfault/caddyfault/caddymodule/rules"
)

// An answer says what a fault does, also if only JSON can express its settings.
func TestWhatItDoes(t *testing.T) {
	for source, want := range map[string]string{
		`{"match": [{"path": ["/a"]}], "percent": 10, "faults": [{"fault": "respond", "status_code": 503}]}`:           "respond 503",
		`{"faults": [{"fault": "delay", "duration": "2s"}, {"fault": "respond", "status_code": 551}]}`:                 "delay 2s; respond 551",
		`{"faults": [{"fault": "respond", "status_code": 503, "headers": {"set": {"Retry-After": ["5"]}}}]}`:           "respond 503 +Retry-After",
		`{"faults": [{"fault": "close"}, {"fault": "respond", "status_code": 429, "headers": {"set": {"A": ["b"]}}}]}`: "close; respond 429 +A",
	} {
		if got := whatItDoes(&rules.Rule{Source: json.RawMessage(source)}); got != want {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
}
